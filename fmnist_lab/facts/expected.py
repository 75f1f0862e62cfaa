"""Is my number normal? Where single runs of one setting end, and what a number outside may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fmnist_lab.config import Bounds, ConfigError, shown, written
from fmnist_lab.pictures.style import label
from fmnist_lab.runs.recipes import RECIPES, trials
from fmnist_lab.runs.records import read_published
from fmnist_lab.verdicts.measures import CHANCE
from fmnist_lab.verdicts.statistics import prediction_interval

from .explorer import settings

IMAGES = ("test", "validation", "train")
ACCURACY = Bounds(float, 0, 100)  # per cent
ENOUGH = 10  # runs: the interval of fewer is too wide to call a number odd
# What a number outside may be, likeliest first; ranges are put in where they are known.
REASONS = {
    "above": (
        "It may be training accuracy{train}.",
        "It may be of other images{validation}, or the test images also chose the epoch.",
        "The learning rate may be ten times another, or training longer.",
    ),
    "below": (
        "The learning rate may be ten times too small or too large, or training shorter.",
        "It may be of other images{validation}, or fewer images were trained on.",
        "It may be training accuracy, which Keras prints as the mean over an epoch{train}.",
    ),
}


@dataclass(frozen=True)
class Expected:
    """Where single runs of a setting end, on one kind of images: accuracies are fractions."""

    name: str
    title: str
    images: str  # one of `IMAGES`
    runs: Sequence[float]
    low: float  # 95 % of single runs fall from here
    high: float  # to here
    reasons: Mapping[str, Sequence[str]]  # what a number "above" or "below" may be

    @property
    def range(self) -> str:
        """The interval in words, as in "87.40 to 88.90 %"."""
        return f"{100 * self.low:.2f} to {100 * self.high:.2f} %"

    def place(self, accuracy: Any) -> str:
        """Say where an accuracy falls among the runs: per cent, or up to 1 a fraction.

        Raises `ConfigError` for no such number.
        """
        if not ACCURACY.admit(accuracy):
            raise ConfigError(f"accuracy is {shown(accuracy)}; it must be {ACCURACY}.")
        given = accuracy if accuracy <= 1 else accuracy / 100
        side = "above" if given > self.high else "below" if given < self.low else "inside"
        listed = [f"({n}) {text}" for n, text in enumerate(self.reasons.get(side, ()), 1)]
        return (
            f"{100 * given:.2f} % is higher than {sum(run < given for run in self.runs)} of "
            f"{len(self.runs)} runs. Of single runs 95 % fall from {self.range}: yours is {side}"
            + (f". {' '.join(listed)}" if listed else ", an ordinary run.")
        )


@cache
def everything() -> list[Expected]:
    """Return recipes by name, and settings with `ENOUGH` published runs by the explorer's name.

    A recipe's trials count after the last epoch, a run at its best.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for name, recipe in RECIPES.items():
        ends = found[name, recipe["title"]] = {}
        for trial in trials(name):
            for images in IMAGES:
                if values := trial.history.get(f"{images}_accuracy"):
                    ends.setdefault(images, []).append(values[-1])
    for setting, runs in settings(read_published().values()).items():
        if len(runs) >= ENOUGH:
            loss, depth, width, batch, rate, precision = map(label, setting)
            title = f"{depth} × {width}, {loss}, batch {batch}, rate {rate}, {precision}"
            found[",".join(map(written, setting)), title] = {
                i: [run.best.get(f"{i}_accuracy") or CHANCE for run in runs] for i in IMAGES
            }
    return [one for named, ends in found.items() for one in placed(*named, ends)]


def placed(name: str, title: str, ends: Mapping[str, list[float]]) -> list[Expected]:
    """Return what to expect of a setting from its runs' accuracies on each kind of images."""
    spans = {images: prediction_interval(runs) for images, runs in ends.items()}
    range_of = {i: f" ({100 * s.low:.2f} to {100 * s.high:.2f} %)" for i, s in spans.items()}
    told = []
    for images, span in spans.items():
        known = {i: range_of.get(i, "") if i != images else "" for i in IMAGES}
        reasons = {side: [r.format(**known) for r in each] for side, each in REASONS.items()}
        told.append(
            Expected(name, title, images, sorted(ends[images]), span.low, span.high, reasons)
        )
    return told


def expected(name: str, images: str = "test") -> Expected:
    """Return where the runs of a setting end on `images`: test, validation or train.

    `expected("tensorflow").place(88.32)` says where an accuracy falls. Names are those of recipes,
    and of settings in the explorer's address. Raises `ConfigError` for what has no runs.
    """
    for one in everything():
        if (one.name, one.images) == (name, images):
            return one
    listed = "`python -m fmnist_lab expect` lists what there is"
    raise ConfigError(f"no runs of {shown(name)} tell of {shown(images)} images: {listed}.")
