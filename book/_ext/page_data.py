"""Give the scripts of a page the numbers they draw, as JSON in the page itself.

The first page gets accuracies along the learning rate (`rates`), the page on method runs of two
settings (`luck`), each chapter what its readers can guess (`guess`). The scripts are those of
`_extra`; the numbers are the package's, computed when a page is written, but for the guesses'.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx

from fmnist_lab.guesses import questions

SVG = "{http://www.w3.org/2000/svg}"


def rates() -> dict[str, Any]:
    """Return, for width and depth, each setting's accuracies from the report's rate to its own.

    `ends` are means with 95 % intervals at the report's rate and at the setting's own, of seeds
    that choose no rate; `path` are [rate, mean] of the tuning runs in between. In per cent.
    Softmax regression is left out: it lies far below.
    """
    from fmnist_lab.pictures import label
    from fmnist_lab.sweeps.studies import study
    from fmnist_lab.verdicts import mean_interval

    found: dict[str, Any] = {}
    for name in ("width", "depth"):
        first, tuned = study(name), study(f"{name}_retuned")
        assert tuned.tuned_by is not None
        means = tuned.tuned_by.means()
        found[name] = []
        for value, own in tuned.tuned_by.chosen_rates().items():
            if value == 0:
                continue
            ends = []
            for part in (first, tuned):
                frame = part.recorded().table()
                there = frame.loc[frame[name] == value, "validation_accuracy"]
                mean = mean_interval(100 * there)
                ends.append([mean.estimate, mean.low, mean.high])
            between = means[(means[name] == value) & (means["learning_rate"] < own)]
            between = between[between["learning_rate"] > first.base.learning_rate]
            path = between.sort_values("learning_rate")[["learning_rate", "mean"]]
            found[name].append(
                {
                    "name": label(value),
                    "rates": [first.base.learning_rate, own],
                    "ends": ends,
                    "path": [[rate, 100 * mean] for rate, mean in path.to_numpy().tolist()],
                }
            )
    return found


def luck() -> dict[str, Any]:
    """Return the validation accuracies, in per cent by seed, of two settings that are close."""
    from fmnist_lab.sweeps.studies import study

    frame = study("batch_size").recorded().table()
    values = 100 * frame.pivot(index="seed", columns="batch_size", values="validation_accuracy")
    sizes = {"A": 64, "B": 128}
    return {
        "settings": [
            {"name": name, "what": f"batches of {size}", "values": values[size].tolist()}
            for name, size in sizes.items()
        ],
    }


def drawn(app: Sphinx, body: str, figure: str) -> Path:
    """Return the file of a page's figure. Raises KeyError if the page has no such figure."""
    there = re.search(rf'id="{figure}".*?src="[^"]*?([^/"]+\.svg)"', body, re.DOTALL)
    names = {name: path for path, name in app.builder.images.items()}
    return Path(app.srcdir, names[there[1] if there else figure])


def axes(svg: str) -> dict[str, Any]:
    """Return where things are on a figure's axes, as fractions of its width and height.

    `frame` is [left, top, right, bottom]; `x` and `y` map the text of each tick to its place, and
    `scale` the numbers on the y axis to theirs: [slope, offset].
    """
    root = ElementTree.fromstring(svg)
    _, _, *whole = map(float, root.attrib["viewBox"].split())
    size = dict(zip("xy", whole, strict=True))
    outline = root.find(f".//{SVG}g[@id='axes_1']/{SVG}g/{SVG}path")
    assert outline is not None
    corners = re.findall(r"([\d.]+) ([\d.]+)", outline.attrib["d"])
    (left, bottom), (right, top) = ([float(part) for part in corners[n]] for n in (0, 2))
    found: dict[str, Any] = {
        "frame": [left / size["x"], top / size["y"], right / size["x"], bottom / size["y"]],
        "x": {},
        "y": {},
    }
    for group in root.iter(f"{SVG}g"):
        axis, _, _ = group.attrib.get("id", "").partition("tick_")
        mark, text = group.find(f".//{SVG}use"), group.find(f".//{SVG}text")
        if axis in size and mark is not None and text is not None:  # a minor tick has no text
            found[axis][text.text or ""] = float(mark.attrib[axis]) / size[axis]
    heights = [(value(text), place) for text, place in found["y"].items()]
    (low, start), (high, end) = heights[0], heights[-1]
    if not math.isnan(low + high):
        slope = (end - start) / (high - low)
        found["scale"] = [slope, start - slope * low]
    return found


def value(text: str) -> float:
    """Return the number that a tick's text begins with; NaN for a word."""
    there = re.match(r"-?[\d.]+(?:e-?\d+)?", text.replace("−", "-"))
    return float(there[0]) if there else math.nan


def placed(app: Sphinx, body: str, page: str) -> dict[str, Any]:
    """Return a page's questions, and where its figures draw a guess."""
    asked, figures = questions()[page], {}
    for question in asked:
        if name := question.get("figure"):
            figures[name] = axes(drawn(app, body, name).read_text())
            ticks = figures[name]["x"]
            if question["answer"] not in ticks | figures[name]["y"] and "options" in question:
                ticks |= along(question["options"], {value(tick): ticks[tick] for tick in ticks})
    return {"page": page, "questions": asked, "figures": figures}


def along(options: list[str], ticks: Mapping[float, float]) -> dict[str, float]:
    """Return the places of numbers on a logarithmic axis that has other ticks."""
    known = {math.log(tick): place for tick, place in ticks.items() if tick > 0}
    (low, start), (high, end) = min(known.items()), max(known.items())
    slope = (end - start) / (high - low)
    return {option: start + slope * (math.log(value(option)) - low) for option in options}


def embed(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Put the data and the scripts at the end of a page (handler of ``html-page-context``)."""
    body = context.get("body", "")
    makers: dict[str, dict[str, Callable[[], Any]]] = {
        "intro": {"rates": rates},
        "method": {"luck": luck},
        "appendix": {"guess": lambda: {"page": page, "questions": [], "figures": {}}},
    }
    wanted = makers.get(page, {})
    if page in questions():
        wanted |= {"guess": lambda: placed(app, body, page)}
    for name, make in wanted.items():
        told = json.dumps(make(), allow_nan=False).replace("<", "\\u003c")
        context["body"] += (
            f'\n<script type="application/json" id="{name}-data">{told}</script>'
            f'\n<script type="module" src="{name}/{name}.js"></script>'
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("html-page-context", embed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
