"""The chapter on width, whose parameters tests give otherwise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from fmnist_lab.config import Bounds
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import STUDIES
from tests.published import publish

BOOK = Path(__file__).parents[1] / "book"
WIDTH = STUDIES["width"]
RULES = {
    "width": "it must be a whole number from 1 to 16,384.",
    "seeds": 'it must be a whole number from 1 to 1,000, "published", or a list of seeds.',
    "device": "this machine allows auto, cpu.",
}
BOUNDED = {
    "images": Bounds(int, 1, 100),
    "rate": Bounds(float, 0, 1),
}  # what a notebook's own numbers may be


def parameters_cell() -> str:
    """Return the chapter's cell of parameters."""
    cells = nbformat.read(BOOK / "width.ipynb", as_version=4).cells
    return next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))


def parameters(**given) -> dict[str, Any]:
    """Return the globals of the width chapter with some parameters given otherwise."""
    namespace: dict[str, Any] = {}
    exec(parameters_cell(), namespace)
    return namespace | given


def publish_settings(folder: Path, made_up_run: Callable[..., Run], *settings: Any) -> None:
    """Publish a made-up run for each of these settings of the width study."""
    runs = [made_up_run(replace(WIDTH.base, **setting)) for setting in settings]
    publish(folder, "width", runs)
