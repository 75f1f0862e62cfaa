"""The comparisons a conclusion is put to: one effect each, tested against zero.

All of a chapter are corrected together; the tests that are no such comparison are in `families`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from fmnist_lab.sweeps.studies import STUDIES

from .evidence import RETUNED, Arm, Evidence
from .measures import Measure
from .statistics import Effect, mean_interval, paired_difference, slope_trend
from .verdict import Verdict, show, told

# A test against a margin has no smallest effect that matters: beyond the margin is beyond it.
ANY = 1e-12


@dataclass(frozen=True)
class Comparison:
    """One effect and the claim that it is above (`direction=1`) or below (-1) zero.

    With a `margin` the claim is that it is no further than that on the other side.
    """

    name: str
    measure: Measure
    arms: tuple[Arm, ...]
    estimate: Callable[[pd.DataFrame], Effect] = field(compare=False)  # from a column an arm
    direction: int = 1
    margin: float = 0.0
    material: float = 0.0  # smallest effect that matters; the measure's, if left out
    unit: str = ""  # of the effect; the measure's, if left out
    interval: ClassVar[str] = "95 % interval"
    counted: ClassVar[str] = "seeds"

    def __post_init__(self) -> None:
        object.__setattr__(self, "material", self.material or self.measure.material)
        object.__setattr__(self, "unit", self.unit or self.measure.unit)

    @property
    def smallest(self) -> float:
        """The smallest effect that matters, for `verdict.verdicts`."""
        return ANY if self.margin else self.material

    def effect(self, evidence: Evidence) -> Effect | None:
        """Estimate the effect, measured from the margin; None if no runs allow it."""
        frame = evidence.values(self.measure, self.arms)
        # Two settings can be compared without a seed in common, more than two cannot.
        if frame.isna().all().any() or (len(self.arms) > 2 and frame.dropna().empty):
            return None
        return shifted(self.estimate(frame), self.direction * self.margin)

    def worded(self, found: Verdict, effect: Effect | None, evidence: Evidence, n: int) -> Verdict:
        """Return a verdict in this comparison's words; `n` is the size of its Holm family."""
        if effect is None:
            return absent(self.measure, self.arms, evidence)
        if not self.margin:
            return found
        return beside_margin(found, effect, self.direction * self.margin, self.unit, n)


def above(measure: Measure, a: Arm, b: Arm) -> Comparison:
    """Claim that `a` measures higher than `b`, seed by seed."""
    return Comparison(f"{measure.name}: {a} above {b}", measure, (a, b), _difference)


def below(measure: Measure, a: Arm, b: Arm) -> Comparison:
    """Claim that `a` measures lower than `b`, seed by seed."""
    return Comparison(f"{measure.name}: {a} below {b}", measure, (a, b), _difference, -1)


def not_below(measure: Measure, a: Arm, b: Arm) -> Comparison:
    """Claim that `a` measures higher than `b`, or lower by less than what matters."""
    name = f"{measure.name}: {a} not materially below {b}"
    return Comparison(name, measure, (a, b), _difference, margin=measure.material)


def level(measure: Measure, arms: Sequence[Arm], about: str) -> Comparison:
    """Claim that a measure, averaged over the arms, is above zero."""
    return Comparison(
        f"{measure.name}: {about} above zero",
        measure,
        tuple(arms),
        lambda frame: mean_interval(frame.dropna().mean(axis=1)),
    )


def rising_per_doubling(measure: Measure, arms: Sequence[Arm]) -> Comparison:
    """Claim that a measure rises with each doubling of the swept hyperparameter.

    The smallest rise that matters adds up to the measure's own over the whole range.
    """
    doublings = np.log2([float(arm.value) for arm in arms])
    return Comparison(
        f"{measure.name}: trend per doubling from {arms[0]} to {arms[-1]} above zero",
        measure,
        tuple(arms),
        lambda frame: slope_trend(doublings, frame.dropna()),
        material=measure.material / float(np.ptp(doublings)),
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
    return Comparison(name, measure, tuple(dict.fromkeys(arms + than)), estimate)


def rate_falling(measure: Measure, study: str, values: Sequence[int]) -> Comparison:
    """Claim that the best learning rate falls with the swept hyperparameter.

    A seed's best rate is the geometric mean of the grid's, weighted by what they reach: one that
    is by as much worse as matters counts e times less. So a flat optimum's middle is found, and
    not the luckiest of its rates; those outside a bracket count nothing. The smallest fall that
    matters is one step of the grid over the whole range of settings.
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
    return Comparison(name, measure, arms, estimate, -1, material=step, unit="×")


def shifted(effect: Effect, by: float, *, retest: bool = False) -> Effect:
    """Return an effect measured from `-by` instead of zero.

    With `retest` its p-value, adjusted for a family, is found anew: Bonferroni for that family,
    as `statistics.equivalence` does.
    """
    if not by:
        return effect
    moved = replace(
        effect, estimate=effect.estimate + by, low=effect.low + by, high=effect.high + by
    )
    if effect.n < 2:
        return moved
    if effect.sd == 0:
        p = 2 * 0.5**effect.n  # the sign test, as for any effect without spread
    else:
        t = abs(moved.estimate) * math.sqrt(effect.n) / effect.sd
        p = 2 * float(stats.t.sf(t, effect.df))
    return replace(moved, p=min(1.0, p * (effect.family if retest else 1)))


def beside_margin(found: Verdict, moved: Effect, by: float, unit: str, family: int) -> Verdict:
    """Return the verdict on an effect `shifted` by a margin, told as measured from zero."""
    effect = replace(moved, estimate=moved.estimate - by, low=moved.low - by, high=moved.high - by)
    margin = show(abs(by), unit, signed=False)
    if found.name == "inconclusive" and effect.n < 2:
        reason = f"one run cannot tell: {show(effect.estimate, unit)} may be the luck of the seed"
    else:
        ending = {
            "supported": f"not worse by {margin}",
            "not supported": f"worse by more than {margin}",
        }.get(found.name, f"being worse by {margin} is neither shown nor excluded")
        if found.seeds_needed:
            ending += f"; about {found.seeds_needed:,} seeds would settle it"
        reason = f"{told(effect, found.p, unit, family)}: {ending}"
    return replace(found, reason=reason, estimate=effect.estimate, low=effect.low, high=effect.high)


def absent(measure: Measure, arms: Sequence[Arm], evidence: Evidence) -> Verdict:
    """Say why there is nothing to compare: no runs, or none that allow it."""
    lacking = [str(arm) for arm in arms if not evidence.of(arm)]
    if lacking:
        which = " and ".join(lacking) if len(lacking) < 3 else f"{len(lacking)} settings"
        anew = evidence.retuned and any(arm.study in RETUNED for arm in arms)
        tuned = " at a learning rate chosen for it" if anew else ""
        return Verdict("not run yet", f"no runs yet of {which}{tuned}")
    names = " and ".join(str(arm) for arm in arms[:2]) if len(arms) < 3 else "the settings"
    return Verdict("inconclusive", f"{measure.name}: {names} {measure.lacking}")


def _difference(frame: pd.DataFrame) -> Effect:
    a, b = frame.columns
    return paired_difference(frame[a].dropna(), frame[b].dropna())
