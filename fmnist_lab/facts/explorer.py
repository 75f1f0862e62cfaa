"""The settings of published runs, as the explorer and "Is my number normal?" know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from fmnist_lab.pictures.style import label
from fmnist_lab.runs.run import Run

FIELDS = ("loss", "depth", "width", "batch_size", "learning_rate", "precision")


def settings(runs: Iterable[Run]) -> dict[tuple[Any, ...], list[Run]]:
    """Return runs by the values of `FIELDS`, in rising order of seeds.

    Runs in which another hyperparameter is not at its default are left out.
    """
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.config.seed):
        if run.config.identity().keys() <= {*FIELDS, "seed"}:
            setting = tuple(getattr(run.config, name) for name in FIELDS)
            found.setdefault(setting, []).append(run)
    return dict(sorted(found.items()))


def all_settings(runs: Iterable[Run]) -> pd.DataFrame:
    """Return a row per setting: what the explorer draws, for readers without scripts."""
    rows = []
    for setting, group in settings(runs).items():
        accuracy = pd.Series([run.best.get("validation_accuracy") for run in group], dtype=float)
        told = {
            "seeds": len(group),
            "accuracy (%)": f"{100 * accuracy.mean():.2f}",
            "epochs": f"{sum(run.epochs for run in group) / len(group):.0f}",
        }
        rows.append(dict(zip(map(label, FIELDS), map(label, setting), strict=True)) | told)
    return pd.DataFrame(rows)
