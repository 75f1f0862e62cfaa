"""What several chapters say of their runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fmnist_lab.runs.run import Run
from fmnist_lab.runs.runs import Runs
from fmnist_lab.verdicts.measures import CHANCE

NAN = float("nan")
PRECISE = {"float32": "single precision", "bfloat16": "bfloat16 products"}
Facts = dict[str, Any]  # a number or a text by the name that a page gives it


def glue(facts: Mapping[str, Any]) -> None:
    """Make facts known to a page, whose text names them as {glue:text}`name`."""
    from myst_nb import glue as put  # only notebooks have it

    for name, value in facts.items():
        put(name, value.item() if isinstance(value, np.generic) else value, display=False)


def of_runs(runs: Iterable[Run], by: str | None = None) -> Facts:
    """Return how many runs there are, their hours, devices, and how many hit the cap on epochs.

    With a hyperparameter `by`, also the number of seeds of each of its values, as in "3 to 10".
    """
    return of_table(Runs(runs).table(), by)


def of_table(frame: pd.DataFrame, by: str | None = None) -> Facts:
    """Return what `of_runs` does, from a table of runs."""
    facts = {
        "runs": len(frame),
        "hours": float(frame["seconds"].sum() / 3600),
        "devices": devices(frame["device"].dropna()),
        "capped": int((frame["stopped_by"] == "epochs").sum()),
        "precision": " and ".join(PRECISE[p] for p in PRECISE if p in set(frame["precision"])),
    }
    if by:
        counts = frame.groupby(by).size()
        facts["seeds"] = " to ".join(str(n) for n in sorted({*counts.agg(["min", "max"])}))
    return facts


def devices(trained: pd.Series[str]) -> str:
    """Name what trained runs, as in "AMD EPYC (1 or 2 threads)"."""
    threads: dict[str, list[str]] = {}
    for device in sorted(trained.unique()):
        name, _, count = device.partition(", ")
        threads.setdefault(name, []).append(count)
    told = [
        f"{name} ({several})" if (several := either(n)) else name for name, n in threads.items()
    ]
    return " and ".join([", ".join(told[:-1])] * (len(told) > 1) + told[-1:]) or "no device"


def either(counts: Sequence[str]) -> str:
    """Join what differs in a number, as in "1 or 2 threads"."""
    return " or ".join([*(count.split()[0] for count in counts[:-1]), counts[-1]])


def means(frame: pd.DataFrame, by: str) -> pd.Series:
    """Return the mean accuracy of each value of `by` in per cent, from high to low.

    A run that diverged at once has learnt nothing, and counts as guessing.
    """
    accuracy = 100 * frame["validation_accuracy"].fillna(CHANCE)
    return accuracy.groupby(frame[by], sort=False).mean().sort_values(ascending=False)


def widest(frame: pd.DataFrame, by: str) -> float:
    """Return the most points that two runs of one and the same value of `by` differ by."""
    grouped = frame.groupby(by)["validation_accuracy"]
    return float(100 * (grouped.max() - grouped.min()).max())


def mean(values: Any) -> float:
    """Return the mean; not a number where there are no values."""
    return float(np.mean(values)) if np.size(values) else NAN
