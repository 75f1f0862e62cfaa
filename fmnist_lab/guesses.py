"""The box "Before you look" in JupyterLab: what a reader guesses, beside what was measured.

Questions and answers are in `guesses.json`, because computing them takes half a minute:
`python -m benchmarks.guesses` writes it. The site's box has them from there too, and says the same
(book/_extra/guess/guess.js).
"""

from __future__ import annotations

import html
import json
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from .config import Bounds, ConfigError, number, unknown_name
from .notebook import watched

TABLE = Path(__file__).with_name("guesses.json")
LEAD = "Or type them here and compare. Where you guess nothing, the answer is shown."
WHOLE = {"style": {"description_width": "initial"}, "layout": {"width": "max-content"}}
Question = dict[str, Any]  # what it holds is said in `benchmarks.guesses`


def questions() -> dict[str, list[Question]]:
    """Return the questions of each page."""
    return json.loads(TABLE.read_text())


def written(value: float | str, question: Question) -> str:
    """Return a guess or an answer with its unit, rounded as a browser rounds."""
    if isinstance(value, str):
        return value
    step = Decimal(10) ** -question["digits"]
    rounded = Decimal(str(value)).quantize(step, ROUND_HALF_UP).normalize()
    return f"{rounded:,f} {question['unit']}".replace("-", "−")


def told(question: Question, text: str) -> str:
    """Answer what a reader typed or chose; whoever guesses nothing is told what was measured."""
    answer, unit = question["answer"], question.get("unit")
    measured = written(answer, question)
    if not text.strip():
        return f"It is {measured}."
    if not unit:
        return f"You said {text}" + (", and so it is." if text == answer else f"; it is {answer}.")
    said = number(text.strip().replace(",", ".").replace("−", "-"))
    low, high = question.get("low", 0), question.get("high", 100)
    if not Bounds(float, low, high).admit(said):
        rule = f"it must be a number of {unit} from {low} to {high:,}"
        return f"“{question['text']}” is “{text}”; {rule}."
    off, _, _ = written(abs(said - answer), question).partition(" ")
    side = f" Too {'high' if said > answer else 'low'} by {off}." * (off != "0")
    return f"You said {written(said, question)}; it is {measured}.{side}"


def ask(page: str) -> Any:
    """Return the box of a page, with what was typed before; None where nobody watches.

    Raises `ConfigError` for a page that has no questions.
    """
    if page not in questions():
        raise ConfigError(unknown_name(page, questions()).replace("parameter", "page of guesses"))
    return box(page) if watched() else None


@cache
def box(page: str) -> Any:
    """Return a widget (ipywidgets, extra `book`) that takes guesses and answers each."""
    import ipywidgets as widgets  # here, because a notebook that nobody watches has none

    rows = []
    for question in questions()[page]:
        unit, options = question.get("unit"), question.get("options", ())
        label = {"description": question["text"] + (f" ({unit})" if unit else ""), **WHOLE}
        field = widgets.Text(**label)
        if options:
            field = widgets.Dropdown(options=[("–", ""), *((one, one) for one in options)], **label)
        rows.append((question, field, widgets.HTML()))
    compare = widgets.Button(description="Compare", button_style="primary")

    def answer(button: object) -> None:
        for question, field, answered in rows:
            text = html.escape(told(question, field.value))
            answered.value = f'<div role="status">{text}</div>'

    compare.on_click(answer)
    shown = [part for _, *row in rows for part in row]
    return widgets.VBox([widgets.HTML(LEAD), *shown, compare])
