"""The comparisons that test a conclusion: one effect each, against zero or a margin.

Other kinds of test are in `families`. All tests of a chapter are corrected together.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from fmnist_lab.sweeps.studies import STUDIES

from .evidence import RETUNED, Arm, Evidence
from .measures import Measure
from .rules import Corrected, Verdict, decide
from .statistics import Effect, against, censored, mean_interval, paired_difference, slope_trend


class Part(ABC):
    """A test of a claim, or several tests that belong together, each under its name."""

    tested = True  # or only counted
    arms: tuple[Arm, ...]
    direction: int
    measure: Measure

    @abstractmethod
    def effects(self, evidence: Evidence) -> dict[str, Effect | None]:
        """Estimate what is tested; None where no runs allow it."""

    def group(self, evidence: Evidence) -> Hashable:
        """Return what is tested: the same for identical tests, which count once in a chapter."""
        return self

    def verdict(self, effect: Effect, corrected: Corrected | None) -> Verdict:
        """Judge one of the effects."""
        found = self.measure
        return decide(effect, found.material, self.direction, found.unit, corrected)

    def absent(self, name: str, evidence: Evidence) -> Verdict:
        """Say why there is nothing to test: no runs, or none that can be compared."""
        arms = self.compared(name)
        lacking = [str(arm) for arm in arms if not evidence.of(arm)]
        if lacking:
            which = " and ".join(lacking) if len(lacking) < 3 else f"{len(lacking)} settings"
            anew = evidence.retuned and any(arm.study in RETUNED for arm in arms)
            tuned = " at a learning rate chosen for it" if anew else ""
            return Verdict("not run yet", f"no runs yet of {which}{tuned}")
        names = " and ".join(str(arm) for arm in arms[:2]) if len(arms) < 3 else "the settings"
        return Verdict("inconclusive", f"{self.measure.name}: {names} {self.measure.lacking}")

    def compared(self, name: str) -> tuple[Arm, ...]:
        """Return the settings that the named test compares."""
        return self.arms


@dataclass(frozen=True)
class Comparison(Part):
    """One effect and the claim that it is above (`direction=1`) or below (-1) its null value.

    The measure's unit and smallest difference that matters are the effect's.
    """

    name: str
    measure: Measure
    arms: tuple[Arm, ...]
    estimate: Callable[[pd.DataFrame], Effect] = field(compare=False)  # from a column per arm
    direction: int = 1
    kind: str = "difference"  # of two settings; other kinds estimate something else

    def effects(self, evidence: Evidence) -> dict[str, Effect | None]:
        frame = evidence.values(self.measure, self.arms)
        # Two settings can be compared without a seed in common, more than two cannot.
        if frame.isna().all().any() or (len(self.arms) > 2 and frame.dropna().empty):
            return {self.name: None}
        effect = self.estimate(frame)
        if self.kind == "difference":
            runs = evidence.compared(self.arms)
            first, second = (any(map(self.measure.bound, runs[arm].values())) for arm in self.arms)
            if first != second:
                effect = censored(effect, 1 if first else -1)
        return {self.name: effect}

    def group(self, evidence: Evidence) -> Hashable:
        settings = [evidence.setting(arm) or arm for arm in self.arms]
        pair = frozenset(settings) if self.kind == "difference" else tuple(settings)
        return self.measure.name, self.kind, pair


def above(measure: Measure, a: Arm, b: Arm) -> Comparison:
    """Claim that `a` measures higher than `b`, seed by seed."""
    return Comparison(f"{measure.name}: {a} above {b}", measure, (a, b), _difference)


def below(measure: Measure, a: Arm, b: Arm) -> Comparison:
    """Claim that `a` measures lower than `b`, seed by seed."""
    return Comparison(f"{measure.name}: {a} below {b}", measure, (a, b), _difference, -1)


def not_below(measure: Measure, a: Arm, b: Arm) -> Comparison:
    """Claim that `a` measures higher than `b`, or lower by less than what matters."""
    name = f"{measure.name}: {a} not materially below {b}"
    margin = -measure.material

    def estimate(frame: pd.DataFrame) -> Effect:
        return against(_difference(frame), margin)

    return Comparison(name, measure, (a, b), estimate, kind="difference from a margin")


def level(measure: Measure, arms: Sequence[Arm], about: str) -> Comparison:
    """Claim that a measure, averaged over the arms, is above zero."""
    return Comparison(
        f"{measure.name}: {about} above zero",
        measure,
        tuple(arms),
        lambda frame: mean_interval(frame.dropna().mean(axis=1)),
        kind="level",
    )


def rising_per_doubling(measure: Measure, arms: Sequence[Arm]) -> Comparison:
    """Claim that a measure rises with each doubling of the swept hyperparameter.

    The smallest rise that matters is the measure's own, spread over the whole range.
    """
    doublings = np.log2([float(arm.value) for arm in arms])
    return Comparison(
        f"{measure.name}: trend per doubling from {arms[0]} to {arms[-1]} above zero",
        replace(measure, material=measure.material / float(np.ptp(doublings))),
        tuple(arms),
        lambda frame: slope_trend(doublings, frame.dropna()),
        kind="trend",
    )


def gains_more(measure: Measure, arms: Sequence[Arm], than: Sequence[Arm]) -> Comparison:
    """Claim that the best of `arms` gains more on their first than `than`'s best on theirs."""
    arms, than = tuple(arms), tuple(than)

    def gain(frame: pd.DataFrame, part: tuple[Arm, ...]) -> pd.Series[float]:
        return frame[list(part)].max(axis=1) - frame[part[0]]

    def estimate(frame: pd.DataFrame) -> Effect:
        whole = frame.dropna()
        return mean_interval(gain(whole, arms) - gain(whole, than))

    name = f"{measure.name}: gain from {arms[0]} to the best above gain from {than[0]}"
    return Comparison(name, measure, tuple(dict.fromkeys(arms + than)), estimate, kind="gains")


def rate_falling(measure: Measure, study: str, values: Sequence[int]) -> Comparison:
    """Claim that the best learning rate falls with the swept hyperparameter.

    A seed's best rate is the geometric mean of the grid's rates, weighted by the accuracy they
    reach: one that is worse by the smallest difference that matters counts e times less. So this
    finds the middle of a flat optimum, not the luckiest of its rates; rates outside a bracket do
    not count. The smallest fall that matters is one step of the grid over the range of settings.
    """
    rates = STUDIES[study].grid["learning_rate"]
    arms = tuple(Arm(study, value, rate) for value in values for rate in rates)

    def estimate(frame: pd.DataFrame) -> Effect:
        table = frame.dropna().to_numpy().reshape(-1, len(values), len(rates))
        weight = np.exp((table - table.max(axis=2, keepdims=True)) / measure.material)
        best = (weight * np.log(rates)).sum(axis=2) / weight.sum(axis=2)  # (seeds, settings)
        return slope_trend(values, best)

    per = STUDIES[study].swept
    step = math.log(rates[1] / rates[0]) / (max(values) - min(values))
    name = f"best learning rate: falling with each unit of {per} from {values[0]} to {values[-1]}"
    rate = replace(measure, material=step, unit="×")
    return Comparison(name, rate, arms, estimate, -1, kind="rate")


def _difference(frame: pd.DataFrame) -> Effect:
    a, b = frame.columns
    return paired_difference(frame[a].dropna(), frame[b].dropna())
