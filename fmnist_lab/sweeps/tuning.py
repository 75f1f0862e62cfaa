"""How a learning rate is chosen: from a whole grid, or from a bracket around the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import pandas as pd

from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run
from fmnist_lab.runs.runs import Runs

from .study import Study

TUNING_SEEDS = (100, 101, 102)
MORE_TUNING_SEEDS = (103, 104)  # for a verdict on the rates themselves: they choose none
# For verdicts whose interval includes the choice: each seed is judged at the rate that the other
# nine choose (nested cross-validation: Varma & Simon 2006).
NESTED_SEEDS = tuple(range(100, 110))
# For second looks at verdicts that the first left open, in this order; nothing else uses them.
SECOND_LOOK_SEEDS = tuple(seed for seed in range(20, 1000) if seed not in NESTED_SEEDS)
# A quarter of a decade apart, from 1e-5 to 1e-2: the report's rates lie inside.
TUNING_RATES = tuple(float(f"{10 ** (-5 + step / 4):.3g}") for step in range(13))
# Small enough to run every rate, which shows whether brackets find the same (chapter on method).
WHOLE_GRIDS = ((1, 128), (2, 128), (2, 512))  # depth, width


class Bracket(NamedTuple):
    """The rates to run, as far as accuracies tell, and the chosen rate once they tell it."""

    rates: tuple[float, ...]
    chosen: float | None = None

    def reason(self, grid: Sequence[float]) -> str:
        """Say why rates outside the bracket cannot change the choice."""
        if self.chosen is None:
            return "not chosen yet"
        if len(self.rates) == len(grid):
            return "every rate was run"
        if self.chosen in (grid[0], grid[-1]):
            return "accuracy falls from there, an end of the grid"
        return "worse on either side"


def bracket(
    accuracies: Mapping[float, float], grid: Sequence[float], guess: float | None
) -> Bracket:
    """Return the bracket that a guess and the accuracies of some rates lead to.

    It starts at three neighbouring rates of the ascending grid around the guess, and is extended
    by one rate at a time until there is a worse rate on either side of the best, or the grid ends;
    of equally good rates the lowest is best. Without a guess it is the whole grid.
    """
    low, high = 0, len(grid)  # the bracket is grid[low:high]
    if guess is not None:
        nearest = min(range(len(grid)), key=lambda n: abs(math.log(grid[n] / guess)))
        low = max(0, min(nearest - 1, len(grid) - 3))
        high = min(low + 3, len(grid))
    while all(rate in accuracies for rate in grid[low:high]):
        best = max(range(low, high), key=lambda n: accuracies[grid[n]])  # the first of equals
        worse_above = any(accuracies[rate] < accuracies[grid[best]] for rate in grid[best:high])
        if best == low > 0:
            low -= 1
        elif not worse_above and high < len(grid):
            high += 1
        else:
            return Bracket(tuple(grid[low:high]), grid[best])
    return Bracket(tuple(grid[low:high]))


@dataclass(frozen=True)
class Tuning(Study):
    """A study of learning rates: its runs choose the one that suits each setting of another study.

    Its grid is a hyperparameter and `learning_rate`. No other study uses its seeds, so the luck of
    the choice does not enter a verdict.
    """

    seeds: tuple[int, ...] = TUNING_SEEDS
    bracketed: bool = False  # whether only WHOLE_GRIDS are run at every rate
    # Its rate for the first value, or else for its own first one, starts the brackets.
    first_guess: Tuning | None = None
    beyond: tuple[int, ...] = ()  # further seeds at which rates are run, which choose nothing

    def settings(self, runs: Iterable[Run] | None = None) -> list[Config]:
        """Return one config per setting and rate, at the first seed.

        A bracketed study has those that the runs so far lead to: among `runs` or, without those,
        on record.
        """
        if not self.bracketed:
            return [*self.product]
        found = self.brackets(runs)
        asked = {(value, rate) for value in found for rate in found[value].rates}
        return [s for s in self.product if (getattr(s, self.swept), s.learning_rate) in asked]

    def at_seeds(self, setting: Config) -> list[Config]:
        """Return a setting's config at each seed that chooses, then at those `beyond`."""
        return [replace(setting, seed=seed) for seed in self.seeds + self.beyond]

    def vary(self, **given: Any) -> Self:
        """Return the study with other values, as `Study.vary`.

        If rates are given, all of them are run; if seeds are given, all of them choose.
        """
        bracketed = self.bracketed and "learning_rate" not in given
        beyond = () if "seeds" in given else self.beyond
        return replace(super().vary(**given), bracketed=bracketed, beyond=beyond)

    @cached_property
    def choosing(self) -> frozenset[Config]:
        """The configs of every setting and rate at the seeds that choose."""
        return frozenset(replace(setting, seed=n) for setting in self.product for n in self.seeds)

    def means(self, runs: Iterable[Run] | None = None) -> pd.DataFrame:
        """Return the mean validation accuracy over the seeds that choose, and how many there are.

        A row is a setting and rate. The runs are the study's own among `runs` or, without those,
        on record. A run that diverged before its first epoch ended has learned nothing and counts
        with an accuracy of 0.
        """
        there = records.find(self.choosing) if runs is None else runs
        chosen = {run.config: run for run in there if run.config in self.choosing}
        frame = Runs(chosen.values()).table()
        if frame.empty:
            return pd.DataFrame(columns=[self.swept, "learning_rate", "mean", "count"])
        # In one order, or the last digits of equal means would differ.
        frame = frame.fillna({"validation_accuracy": 0.0}).sort_values("seed")
        grouped = frame.groupby([self.swept, "learning_rate"])["validation_accuracy"]
        return grouped.agg(["mean", "count"]).reset_index()

    def brackets(self, runs: Iterable[Run] | None = None) -> dict[Any, Bracket]:
        """Return each setting's learning rates and the chosen one; `runs` as for `means`.

        Only rates with all seeds count. A bracket starts at the rate chosen for the setting
        before; until there is one, it has no rates. The first setting has all rates, unless it
        waits for another study's guess.
        """
        runs = runs if runs is None else list(runs)
        frame = self.means(runs)
        complete = frame[frame["count"] == len(self.seeds)]
        grid = sorted(self.grid["learning_rate"])
        guess = None
        if self.bracketed and self.first_guess:
            rates = self.first_guess.chosen_rates(runs)
            guess = rates.get(self.values[0], rates.get(self.first_guess.values[0]))
        found: dict[Any, Bracket] = {}
        for value in self.values:
            setting = replace(self.base, **{self.swept: value})
            value = getattr(setting, self.swept)
            if value in found:  # with no layers all widths are 0
                continue
            first = not found and self.first_guess is None  # nothing could guess its rate
            rows = complete[complete[self.swept] == value]
            means = dict(rows.set_index("learning_rate")["mean"])
            if not self.bracketed or first or (setting.depth, setting.width) in WHOLE_GRIDS:
                found[value] = bracket(means, grid, None)
            else:
                found[value] = bracket(means, grid, guess) if guess else Bracket(())
            guess = found[value].chosen
        return found

    def chosen_rates(self, runs: Iterable[Run] | None = None) -> dict[Any, float]:
        """Return each setting's learning rate of highest mean accuracy, once it is certain.

        Of equally good rates it is the lowest. Every setting, a depth of 0 too, is judged on
        validation images alone.
        """
        found = self.brackets(runs)
        return {value: each.chosen for value, each in found.items() if each.chosen is not None}

    def best(self, runs: Iterable[Run] | None = None) -> Any | None:
        """Return the value that is best at its own learning rate, the first of equals.

        None until each has its rate. Like the rates, it is chosen on validation images alone.
        """
        runs = runs if runs is None else list(runs)
        rates = self.chosen_rates(runs)
        if len(rates) < len(self.values):
            return None
        means = self.means(runs).set_index([self.swept, "learning_rate"])["mean"]
        return max(self.values, key=lambda value: means[value, rates[value]])
