"""fmnist_lab.guesses: the box "Before you look" in JupyterLab, and the table of its answers."""

import html
import itertools
import re
from typing import Any

import ipywidgets as widgets
import nbformat
import pytest
from nbclient import NotebookClient

from benchmarks import guesses as measured
from fmnist_lab import guesses, verdicts
from fmnist_lab.config import ConfigError
from fmnist_lab.guesses import Question, ask, questions, told
from tests.built import BOOK
from tests.node import in_node

EVERY = [question for several in questions().values() for question in several]
NUMBERS = [question for question in EVERY if "unit" in question]
POINTS: Question = {"text": "Wider", "answer": 4.061, "unit": "points", "digits": 2}
IMAGES: Question = {"text": "Twins", "answer": 1234, "unit": "images", "digits": 0, "high": 10_000}
CLASS: Question = {"text": "Its worst class", "answer": "Shirt", "options": ["Coat", "Shirt"]}

each_page = pytest.mark.parametrize("page", questions())


# --- The table


def is_of_today(page: str) -> bool:
    """Return whether the table has a page's questions with the answers that runs give now."""
    today = [
        {
            key: pytest.approx(value, rel=1e-5, abs=1e-9) if isinstance(value, float) else value
            for key, value in question.items()
        }
        for question in measured.QUESTIONS[page]()
    ]
    return questions()[page] == today


STALE = "runs or verdicts have changed: run `python -m benchmarks.guesses`"


@pytest.mark.parametrize("page", sorted(measured.QUESTIONS.keys() - {"claims", "data"}))
def test_the_table_has_what_the_published_runs_give_today(page):
    assert is_of_today(page), STALE


def test_the_table_counts_the_verdicts_of_today(found, monkeypatch):
    monkeypatch.setattr(verdicts, "judge", lambda: found)
    assert is_of_today("claims"), STALE


@pytest.mark.slow  # it finds every image's neighbours
def test_the_table_has_what_the_images_give():
    assert is_of_today("data")


def test_the_table_has_every_page_once_in_the_order_of_its_command():
    assert [*questions()] == [*measured.QUESTIONS]


@each_page
def test_no_question_of_a_page_is_asked_twice(page):
    texts = [question["text"] for question in questions()[page]]
    assert len(set(texts)) == len(texts)


# --- What it says


@pytest.mark.parametrize(
    ("question", "said", "answer"),
    [
        (POINTS, "2", "You said 2 points; it is 4.06 points. Too low by 2.06."),
        (POINTS, " 5,5 ", "You said 5.5 points; it is 4.06 points. Too high by 1.44."),
        (POINTS, "4.06", "You said 4.06 points; it is 4.06 points."),
        (POINTS, "", "It is 4.06 points."),
        (POINTS, "  ", "It is 4.06 points."),
        (POINTS, "two", "“Wider” is “two”; it must be a number of points from 0 to 100."),
        (POINTS, "−2", "“Wider” is “−2”; it must be a number of points from 0 to 100."),
        (POINTS, "nan", "“Wider” is “nan”; it must be a number of points from 0 to 100."),
        (POINTS, "[2]", "“Wider” is “[2]”; it must be a number of points from 0 to 100."),
        (
            POINTS | {"answer": -0.23, "low": -10}, "−1",
            "You said −1 points; it is −0.23 points. Too low by 0.77.",
        ),
        (IMAGES, "1e4", "You said 10,000 images; it is 1,234 images. Too high by 8,766."),
        (IMAGES, "1e5", "“Twins” is “1e5”; it must be a number of images from 0 to 10,000."),
        (CLASS, "Coat", "You said Coat; it is Shirt."),
        (CLASS, "Shirt", "You said Shirt, and so it is."),
        (CLASS, "", "It is Shirt."),
    ],
)  # fmt: skip
def test_a_guess_is_answered(question, said, answer):
    assert told(question, said) == answer


TYPED = [
    *("2", " 3 ", "0.125", "1.005", "2,345", "99.999", "1e1", "0", "100", "−1", "-9.5"),
    *("much", "101", "10001", "1e9", "nan", "2 points", "--1"),
]


def test_it_says_what_the_site_says_and_how_far_off_a_number_is():
    cases: list[dict[str, Any]] = [{"question": q, "text": text} for q in NUMBERS for text in TYPED]
    call = """(() => {
        const said = it.read(one.text, one.question)
        return typeof said === "string" ? said : it.compared(one.question, said)
    })()"""
    ours = [re.sub(r" Too (high|low) by [\d.,]+\.$", "", told(**case)) for case in cases]
    assert ours == in_node("guess/guess.js", call, cases)
    options: list[dict[str, Any]] = [
        {"question": q, "text": text} for q in EVERY if "options" in q for text in q["options"]
    ]
    site = in_node("guess/guess.js", "it.compared(one.question, one.text)", options)
    assert [told(**option) for option in options] == site


# --- The box


@pytest.fixture(autouse=True)
def fresh():
    guesses.box.cache_clear()


def parts(box: Any, kind: type) -> list[Any]:
    """Return a box's fields or buttons."""
    return [part for part in box.children if isinstance(part, kind)]


def fields(page: str) -> dict[str, Any]:
    kinds = widgets.Text | widgets.Dropdown
    return {field.description: field for field in parts(guesses.box(page), kinds)}


def compare(page: str) -> list[str]:
    """Press the button and return what the box then says, question by question."""
    (button,) = parts(guesses.box(page), widgets.Button)
    button.click()
    return said(page)


def said(page: str) -> list[str]:
    _, *answers = parts(guesses.box(page), widgets.HTML)
    return [html.unescape(re.sub(r"<[^>]+>", "", answer.value)) for answer in answers]


@each_page
def test_every_question_has_a_field_named_by_its_text_and_unit(page):
    names = [
        q["text"] + (f" ({q['unit']})" if "unit" in q else "") for q in questions()[page]
    ]  # fmt: skip
    assert [*fields(page)] == names


@each_page
def test_nothing_is_said_before_a_reader_asks(page):
    assert said(page) == [""] * len(questions()[page])


@each_page
def test_who_guesses_nothing_is_told_what_was_measured(page):
    assert compare(page) == [told(question, "") for question in questions()[page]]


@each_page
def test_guesses_are_answered_and_stay(page):
    asked = questions()[page]
    texts = [question.get("options", ["2"])[0] for question in asked]
    for field, text in zip(fields(page).values(), texts, strict=True):
        field.value = text
    assert compare(page) == [told(*pair) for pair in zip(asked, texts, strict=True)]
    assert compare(page) == said(page)
    assert [field.value for field in fields(page).values()] == texts


def test_a_bad_guess_costs_the_others_nothing_and_can_be_mended():
    wider, _, _ = fields("width").values()
    wider.value = "<b>much</b>"
    fault, *others = compare("width")
    assert fault == (
        "“4192 neurons above 128” is “<b>much</b>”; it must be a number of points from 0 to 100."
    )
    assert others == [told(question, "") for question in questions()["width"][1:]]
    wider.value = "4"
    assert compare("width")[0].startswith("You said 4 points; it is ")


@pytest.mark.parametrize("watched", [False, True])
def test_there_is_a_box_only_where_a_person_watches(watched, monkeypatch):
    """A box in a notebook that papermill runs would be saved with it."""
    monkeypatch.setattr(guesses, "watched", lambda: watched)
    assert ask("width") is (guesses.box("width") if watched else None)


def test_a_page_without_questions_is_named_in_a_sentence():
    with pytest.raises(ConfigError) as caught:
        ask("widht")
    assert str(caught.value) == "there is no page of guesses 'widht': did you mean 'width'?"


# --- The cells that show it


@each_page
def test_the_box_stands_below_the_text_that_asks_and_the_site_leaves_its_cell_out(page):
    notebook = nbformat.read(BOOK / f"{page}.ipynb", as_version=nbformat.NO_CONVERT)
    hidden = [c for c in notebook.cells if "remove-cell" in c.metadata.get("tags", [])]
    assert [cell.source.splitlines()[-1] for cell in hidden] == [f'ask("{page}")']
    assert hidden[0].metadata.jupyter.source_hidden
    pairs = itertools.pairwise(notebook.cells)
    (above,) = [before for before, cell in pairs if cell is hidden[0]]
    assert "{admonition} Before you look\n" in above.source
    assert above.source.endswith("```")


def test_a_notebook_that_nobody_watches_keeps_nothing_of_it(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    notebook = nbformat.read(BOOK / "width.ipynb", as_version=nbformat.NO_CONVERT)
    notebook.cells = [c for c in notebook.cells if "remove-cell" in c.metadata.get("tags", [])]
    notebook.cells.append(nbformat.v4.new_code_cell("import sys; 'ipywidgets' in sys.modules"))
    NotebookClient(notebook, timeout=300).execute()
    box, loaded = notebook.cells
    assert box.outputs == []
    assert loaded.outputs[0].data["text/plain"] == "False"
    assert "widgets" not in notebook.metadata
