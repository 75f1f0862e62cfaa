"""What the report left for later: what techniques do to one network, each at its own rate."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fmnist_lab.pictures import label
from fmnist_lab.sweeps.studies import TECHNIQUES, study
from fmnist_lab.verdicts import decide, paired_difference
from fmnist_lab.verdicts.claims import badge
from fmnist_lab.verdicts.rules import Hypothesis, correct

from .equivalences import compared


def techniques(names: Sequence[str], runs: str = "retuned") -> pd.DataFrame:
    """Return the published runs on 2 × 1024 of some techniques: a table with a column `technique`.

    They are the runs at the rates that were chosen or, with `runs="tuning"`, those that chose.
    Raises `ConfigError` for a technique that has no study.
    """
    frames = []
    for name in names:
        found = study(f"{name}_1024_{runs}")
        frame, short = found.recorded().table(), TECHNIQUES[name]["short"]
        strengths = [f"{short} {label(value)}".strip() for value in frame[found.swept]]
        frames.append(frame.assign(technique=strengths if len(found.values) > 1 else short))
    return pd.concat(frames, ignore_index=True)


def gains(frame: pd.DataFrame, metric: str = "validation_accuracy") -> pd.DataFrame:
    """Return what each technique of such a table adds to the plain network, seed by seed.

    A row per technique, as `compared` returns it, in points, with the verdict on "above": the rows
    are tested together (`verdicts.correct`).
    """
    by_seed = frame.pivot(index="seed", columns="technique", values=metric)
    names = [name for name in frame["technique"].unique() if name != "plain"]
    pairs = [by_seed[[name, "plain"]].dropna() for name in names]
    effects = [paired_difference(pair.iloc[:, 0], pair["plain"]) for pair in pairs]
    tests = correct(dict(enumerate(map(Hypothesis, effects))))
    verdicts = [badge(decide(e, corrected=tests[n]).name) for n, e in enumerate(effects)]
    return compared(names, pairs, 0.95, "technique").assign(verdict=verdicts)
