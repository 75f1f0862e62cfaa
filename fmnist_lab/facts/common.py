"""What several chapters say about their runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fmnist_lab.pictures import label
from fmnist_lab.verdicts.measures import CHANCE

NAN = float("nan")
PRECISE = {"float32": "single precision", "bfloat16": "bfloat16 (products only)"}
Facts = dict[str, Any]  # numbers and texts, by the names that a page uses
FIELD = re.compile(r"\{(\w+)(?:\[[^\]]+\])*(:[^}]*)?\}")  # a fact in a text


def teller(known: Facts) -> Callable[[str], Any]:
    """Return a function that shows a page's text as Markdown, with the facts it names filled in.

    A fact is named {name} or {name:format}, a part of it {name[key]}. Facts that the dict gets
    later count too. A number below zero gets a minus sign, not a hyphen.
    """
    from IPython.display import Markdown  # only notebooks have it

    def fill(field: re.Match[str]) -> str:
        return re.sub(r"^-(?=\d)", "−", field[0].format(**known))

    return lambda text: Markdown(FIELD.sub(fill, text))


def framed(rows: Iterable[tuple[str, Mapping[str, Any]]], corner: str) -> pd.DataFrame:
    """Return a table of named rows, as a page shows it; `corner` heads their names."""
    named = list(rows)
    frame = pd.DataFrame([row for _, row in named], [name for name, _ in named])
    return frame.rename_axis(columns=corner)


def of_runs(frame: pd.DataFrame, by: str | None = None) -> Facts:
    """Return how many runs a table has, how long each device trained, how many hit the cap.

    With a hyperparameter `by`, also the `ranks` of its values.
    """
    facts = {
        "runs": len(frame),
        "trained_on": trained_on(frame),
        "capped": int((frame["stopped_by"] == "epochs").sum()),
        "precision": " and ".join(PRECISE[p] for p in PRECISE if p in set(frame["precision"])),
    }
    return facts | ranks(frame, by) if by else facts


def trained_on(frame: pd.DataFrame) -> str:
    """Say how long each kind of device trained, as in "3.2 hours on AMD EPYC (2 threads)".

    Times of different kinds are never added: a GPU's hour is not a CPU's.
    """
    told = []
    for name, runs in frame.groupby(frame["device"].str.split(", ").str[0]):
        hours = runs["seconds"].sum() / 3600
        time = f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
        threads = either([device.partition(", ")[2] for device in sorted(set(runs["device"]))])
        told.append(f"{time} on {name}" + f" ({threads})" * bool(threads))
    return joined(told) or "no time on any device"


def joined(names: Iterable[str]) -> str:
    """Join names with commas and a last "and"."""
    *first, last = [*names] or [""]
    return " and ".join([", ".join(first), last] if first else [last])


def either(counts: Sequence[str]) -> str:
    """Join texts that differ in a number, as in "1 or 2 threads"."""
    return " or ".join([*(count.split()[0] for count in counts[:-1]), counts[-1]])


def ranks(frame: pd.DataFrame, by: str) -> Facts:
    """Return which values of `by` have the best mean accuracy, the second best and the worst.

    `seeds` is how many runs each value has, as in "3 to 10". Means are in per cent; a run that
    diverged at once has learned nothing, and counts as guessing. `range` are the points from the
    worst mean to the best, `seed_range` the most by which two runs of the same value differ.
    """
    accuracy = 100 * frame["validation_accuracy"]
    means = accuracy.fillna(100 * CHANCE).groupby(frame[by], sort=False).mean()
    means = means.sort_values(ascending=False)
    runs = accuracy.groupby(frame[by])
    facts: Facts = {
        "seeds": " to ".join(str(n) for n in sorted({*runs.size().agg(["min", "max"])})),
        "range": float(means.max() - means.min()),
        "seed_range": float((runs.max() - runs.min()).max()),
    }
    # By position: before pandas 3 a slice of numbered rows used their numbers.
    places = {"best": slice(1), "second": slice(1, 2), "worst": slice(-1, None)}
    for place, where in places.items():
        one = means.iloc[where]
        facts |= {place: label(one.index[0]) if len(one) else "none", f"{place}_mean": one.max()}
    return facts


def mean(values: Any) -> float:
    """Return the mean; not a number where there are no values."""
    return float(np.mean(values)) if np.size(values) else NAN
