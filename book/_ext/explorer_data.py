"""The published runs as the page's explorer loads them, in one JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package takes seconds, which a build that fails does not need
    import pandas as pd

    from fmnist_lab.runs.run import Run

CURVES = ("validation_accuracy", "train_accuracy", "validation_loss", "train_loss")
SCALE = 10_000  # numbers are sent as whole ten-thousandths: shorter than fractions
DRAWN = 1_000  # curves are sent as whole thousandths: finer than a pixel


def whole(value: float | None) -> int | None:
    """Return a number in ten-thousandths; None for one that is not finite."""
    return None if value is None or not math.isfinite(value) else round(SCALE * value)


def steps(values: Iterable[float | None]) -> list[int | None]:
    """Return a curve as its steps, the first from 0: they are smaller numbers than its heights."""
    found: list[int | None] = []
    here = 0
    for value in values:
        there = None if value is None else round(DRAWN * value)
        found.append(None if there is None else there - here)
        here = here if there is None else there
    return found


def payload(runs: Iterable[Run]) -> str:
    """Return JSON with every setting and its runs.

    `settings`: values of `fields`, `mean` [mean, low, high] of validation accuracy and a list of
    runs, each with its `curves` as `steps`. Fractions are in ten-thousandths, curves in
    thousandths.
    """
    import pandas as pd

    from fmnist_lab.config import written
    from fmnist_lab.facts.explorer import FIELDS, settings
    from fmnist_lab.pictures.style import label

    told = []
    for setting, group in settings(runs).items():
        accuracy = [run.best.get("validation_accuracy") for run in group]
        told.append(
            {
                "values": [written(value) for value in setting],
                "shown": [label(value) for value in setting],
                "mean": interval(pd.Series(accuracy, dtype=float).dropna()),
                "runs": [one(run) for run in group],
            }
        )
    everything = {"fields": FIELDS, "curves": CURVES, "settings": told}
    return json.dumps(everything, separators=(",", ":"), allow_nan=False)


def interval(values: pd.Series) -> list[int | None]:
    """Return the mean and its 95 % interval, without limits for fewer than `FEWEST` values."""
    from fmnist_lab.pictures.style import FEWEST
    from fmnist_lab.verdicts.statistics import mean_interval

    if values.empty:
        return [None, None, None]
    found = mean_interval(values)
    limits = (found.low, found.high) if found.n >= FEWEST else (math.inf, math.inf)
    return [whole(found.estimate), *map(whole, limits)]


def one(run: Run) -> dict[str, Any]:
    """Return what the page shows about one run: its accuracy in full, for differences."""
    from fmnist_lab.verdicts.measures import gap

    accuracy = run.best.get("validation_accuracy")
    return {
        "seed": run.config.seed,
        "accuracy": None if accuracy is None else round(SCALE * accuracy, 2),
        "gap": whole(gap(run.best)),
        "best": run.best_epoch,
        "epochs": run.epochs,
        "ended": run.stopped_by,
        "curves": [steps(run.history[name]) for name in CURVES],
    }
