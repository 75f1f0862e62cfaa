"""The settings of published runs, as the explorer and "Is my number normal?" know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from fmnist_lab.config import TECHNIQUES, written
from fmnist_lab.pictures.style import label
from fmnist_lab.runs.run import Run

PLAIN = ("loss", "depth", "width", "batch_size", "learning_rate", "precision")
FIELDS = (*PLAIN, "technique")


def settings(runs: Iterable[Run]) -> dict[tuple[Any, ...], list[Run]]:
    """Return runs by the values of `FIELDS`, in rising order of seeds.

    A technique is "none" or what is not at its default, as in "dropout 0.3". Runs in which any
    other hyperparameter is not at its default are left out.
    """
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.config.seed):
        changed = run.config.identity()
        if changed.keys() <= {*PLAIN, *TECHNIQUES, "seed"}:
            named = [f"{n} {written(changed[n])}" for n in TECHNIQUES if n in changed]
            technique = " and ".join(named).replace("_", " ").removeprefix("optimizer ") or "none"
            setting = (*(getattr(run.config, name) for name in PLAIN), technique)
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
