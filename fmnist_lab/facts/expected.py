"""Is my number normal? Where single runs of one setting end, and what a number outside may be."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
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
ENOUGH = 10  # runs: with fewer, the interval is too wide to call a number odd
REASONS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Expected:
    """Where single runs of a setting end, on one kind of images: accuracies are fractions."""

    name: str
    title: str
    images: str  # one of `IMAGES`
    runs: list[float]
    low: float  # 95 % of single runs fall from here
    high: float  # to here
    reasons: dict[str, list[str]]  # what a number "above" or "below" may be

    @property
    def range(self) -> str:
        """The interval in words, as in "87.40 to 88.90 %"."""
        return f"{100 * self.low:.2f} to {100 * self.high:.2f} %"

    def place(self, accuracy: Any) -> str:
        """Say where an accuracy, in per cent or up to 1 a fraction, falls among the runs.

        Raises `ConfigError` for anything else.
        """
        if not ACCURACY.admit(accuracy):
            raise ConfigError(f"accuracy is {shown(accuracy)}; it must be {ACCURACY}.")
        given = accuracy if accuracy <= 1 else accuracy / 100
        side = "above" if given > self.high else "below" if given < self.low else "inside"
        listed = [f"({n}) {text}" for n, text in enumerate(self.reasons.get(side, ()), 1)]
        lower = sum(run < given for run in self.runs)
        return (
            f"{100 * given:.2f} % is higher than {lower} of {len(self.runs)} runs. 95 % of single "
            f"runs fall from {self.range}: yours is {side}"
            + (f". {' '.join(listed)}" if listed else ", an ordinary run.")
        )


def endings() -> Iterator[tuple[str, str, dict[str, list[float]]]]:
    """Yield each setting's name and title, and where its runs end on each kind of `IMAGES`.

    Recipes come first, with their trials after the last epoch; then settings with `ENOUGH`
    published runs, at their best epoch, named as in the explorer's address.
    """
    for name, recipe in RECIPES.items():
        last = [{key: value[-1] for key, value in t.history.items()} for t in trials(name)]
        told = [i for i in IMAGES if last and f"{i}_accuracy" in last[0]]
        yield name, recipe["title"], {i: [end[f"{i}_accuracy"] for end in last] for i in told}
    for setting, runs in settings(read_published().values()).items():
        if len(runs) >= ENOUGH:
            loss, depth, width, batch, rate, precision, technique = map(label, setting)
            more = f", {technique}" * (technique != "none")
            title = f"{depth} × {width}, {loss}, batch {batch}, rate {rate}, {precision}{more}"
            best = {i: [run.best.get(f"{i}_accuracy") or CHANCE for run in runs] for i in IMAGES}
            yield ",".join(map(written, setting)).removesuffix(",none"), title, best


@cache
def everything() -> list[Expected]:
    """Return what to expect of every setting, on each kind of images."""
    found = []
    for name, title, ends in endings():
        spans = {i: prediction_interval(runs) for i, runs in ends.items()}
        for images, span in spans.items():
            known = dict.fromkeys(IMAGES, "")
            for other in spans.keys() - {images}:
                low, high = spans[other].low, spans[other].high
                known[other] = f" (here {100 * low:.2f} to {100 * high:.2f} %)"
            said = {
                side: [text.format(**known) for text in texts] for side, texts in REASONS.items()
            }
            runs = sorted(ends[images])
            found.append(Expected(name, title, images, runs, span.low, span.high, said))
    return found


def expected(name: str, images: str = "test") -> Expected:
    """Return where the runs of a setting end on `images`: test, validation or train.

    `expected("tensorflow").place(88.32)` says where an accuracy falls. Names are those of recipes,
    and of settings in the explorer's address. Raises `ConfigError` for what has no runs.
    """
    for one in everything():
        if (one.name, one.images) == (name, images):
            return one
    listed = "`python -m fmnist_lab expect` lists what there is"
    raise ConfigError(f"there are no runs of {shown(name)} on {shown(images)} images: {listed}.")
