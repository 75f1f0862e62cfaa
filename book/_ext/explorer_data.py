"""The published runs as the page's explorer loads them: one JSON, all statistics computed here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package takes seconds, which a build that fails does not need
    import numpy as np
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
    """Return JSON with every setting, its runs, and the paired difference of any two settings.

    `settings`: values of `fields`, `mean` [mean, low, high] of validation accuracy and a list of
    runs, each with its `curves` as `steps`. `pairs[j][i]`, i < j: the number of seeds in common
    and the mean of j minus i with its 95 % interval; null for fewer than `FEWEST` seeds.
    Fractions are in ten-thousandths, curves in thousandths.
    """
    import pandas as pd

    from fmnist_lab.config import written
    from fmnist_lab.facts.explorer import FIELDS, settings
    from fmnist_lab.pictures.style import label

    groups = settings(runs)
    accuracy = {}
    for setting, group in groups.items():
        by_seed = {run.config.seed: run.best.get("validation_accuracy") for run in group}
        accuracy[setting] = pd.Series(by_seed, dtype=float).dropna()
    told = [
        {
            "values": [written(value) for value in setting],
            "shown": [label(value) for value in setting],
            "mean": interval(accuracy[setting]),
            "runs": [one(run) for run in group],
        }
        for setting, group in groups.items()
    ]
    pairs = differences(pd.DataFrame(accuracy.values()).to_numpy())
    everything = {"fields": FIELDS, "curves": CURVES, "settings": told, "pairs": pairs}
    return json.dumps(everything, separators=(",", ":"), allow_nan=False)


def differences(values: np.ndarray) -> list[list[list[int | None] | None]]:
    """Return, for each setting, how it differs from each one before it, as `payload` sends it.

    values: (settings, seeds), NaN where a setting lacks a seed. The numbers are those of
    `fmnist_lab.verdicts.paired_difference`, which would take six seconds for all pairs.
    """
    import numpy as np
    from scipy import special

    from fmnist_lab.pictures.style import FEWEST
    from fmnist_lab.verdicts.statistics import CONFIDENCE

    rows = []
    for j, own in enumerate(values):
        apart = own - values[:j]
        both = np.isfinite(apart)
        n = both.sum(1)
        mean = np.where(both, apart, 0).sum(1) / np.maximum(n, 1)
        squares = np.where(both, apart - mean[:, None], 0) ** 2
        df = np.maximum(n - 1, 1)
        error = np.sqrt(squares.sum(1) / df / np.maximum(n, 1))
        half = special.stdtrit(df, (1 + CONFIDENCE) / 2) * error
        told = zip(n.tolist(), mean.tolist(), half.tolist(), strict=True)
        rows.append(
            [
                [count, whole(middle), whole(middle - wide), whole(middle + wide)]
                if count >= FEWEST
                else None
                for count, middle, wide in told
            ]
        )
    return rows


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
    """Return what the page shows about one run."""
    from fmnist_lab.verdicts.measures import gap

    return {
        "seed": run.config.seed,
        "accuracy": whole(run.best.get("validation_accuracy")),
        "gap": whole(gap(run.best)),
        "best": run.best_epoch,
        "epochs": run.epochs,
        "ended": run.stopped_by,
        "curves": [steps(run.history[name]) for name in CURVES],
    }
