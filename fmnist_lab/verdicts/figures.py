"""Figures that tutorials and papers print, compared with where single runs of their recipe end."""

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
    copies: Sequence[float] = ()  # what others who ran it printed; the figure is then their mean
    own: Sequence[float] = ()  # runs that the source lists itself, in place of a recipe's

    @property
    def kind(self) -> str:
        """Which accuracy it is, as in "test, epoch 5, mean of 13"."""
        best = "the best of its runs" if self.own else "the best epoch"
        epoch = f"epoch {self.epoch}" if self.epoch else best
        many = f", mean of {len(self.copies)}" if self.copies else ""
        return f"{self.metric.partition('_')[0]}, {epoch}{many}"

    def runs(self) -> Sequence[float]:
        """Return what single runs give in its place, as fractions."""
        found = [trial.history[self.metric] for trial in trials(self.recipe)]
        return self.own or [one[self.epoch - 1] if self.epoch else max(one) for one in found]


def judge_figures() -> dict[Figure, Verdict]:
    """Judge all figures by the rule for printed figures (`rules.matches`), corrected together."""
    tests = {}
    for given in tomllib.loads(PRINTED.read_text(encoding="utf-8"))["figure"]:
        figure = Figure(**given)
        half = 0.005 / 10 ** len(figure.printed.partition(".")[2])  # half a unit of the last digit
        printed, runs, of = float(figure.printed) / 100, figure.runs(), max(1, len(figure.copies))
        tests[figure] = Hypothesis(further_run(printed, runs, half, of) if runs else None)
    found = correct(tests)
    return {
        figure: matches(test.effect, found[figure]) if test.effect else Verdict("not run yet", "")
        for figure, test in tests.items()
    }
