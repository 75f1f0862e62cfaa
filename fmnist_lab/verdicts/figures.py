"""Figures that tutorials and papers print, judged by where single runs of their recipe end."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fmnist_lab.runs.recipes import trials

from .rules import Hypothesis, Verdict, correct, matches
from .statistics import further_run

PRINTED = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure, and which number of which training it is, whatever its source calls it."""

    source: str
    cite: str  # a key of book/references.bib
    printed: str  # per cent, with the digits that the source gives
    recipe: str = ""
    metric: str = "test_accuracy"  # of `Trial.history`
    epoch: int = 0  # counted from 1; 0 is the best
    mean_of: int = 1  # runs
    own: Sequence[float] = ()  # runs that the source lists itself, in place of a recipe's

    def runs(self) -> Sequence[float]:
        """Return what single runs give in its place, fractions."""
        found = [trial.history[self.metric] for trial in trials(self.recipe)] if self.recipe else []
        return self.own or [one[self.epoch - 1] if self.epoch else max(one) for one in found]


def judge_figures() -> dict[Figure, Verdict]:
    """Judge all figures by the rule for a printed figure (`rules.matches`), corrected together."""
    tests = {}
    for given in tomllib.loads(PRINTED.read_text(encoding="utf-8"))["figure"]:
        figure = Figure(**given)
        half = 0.005 / 10 ** len(figure.printed.partition(".")[2])  # half a unit of the last digit
        effect = further_run(float(figure.printed) / 100, figure.runs(), half, figure.mean_of)
        tests[figure] = Hypothesis(effect)
    found = correct(tests)
    return {figure: matches(test.effect, found[figure]) for figure, test in tests.items()}
