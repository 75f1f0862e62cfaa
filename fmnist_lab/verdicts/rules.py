"""The rule by which the statistics of runs become a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy.typing as npt
from statsmodels.stats.power import TTestPower

from .statistics import (
    ALPHA,
    CONFIDENCE,
    MATERIAL,
    ROUNDING,
    Effect,
    equivalence,
    further_run,
    holm,
)

Name = Literal[
    "not supported", "not run yet", "inconclusive", "supported but immaterial", "supported"
]
POWER = 0.8  # Cohen 1988, Statistical Power Analysis for the Behavioral Sciences
NAMES: tuple[Name, ...] = get_args(Name)  # weakest first
INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"


@dataclass(frozen=True)
class Verdict:
    """Say whether the runs bear out a conclusion: what was measured, and why that decides."""

    name: Name
    why: str  # a clause
    estimate: float | None = None  # None where nothing was run
    low: float = -math.inf  # the interval shown; unadjusted unless from `best_of`
    high: float = math.inf
    p: float = 1.0  # two-sided, as decided on: adjusted where there are several
    n: int = 0
    seeds_needed: int | None = None  # if inconclusive; None where these runs cannot tell
    unit: str = "points"
    interval: str = INTERVAL  # the kind of interval
    counted: str = "seeds"  # what `n` counts

    @property
    def numbers(self) -> str:
        """The estimate with its interval and number, or nothing."""
        if self.estimate is None:
            return ""
        estimate = show(self.estimate, self.unit)
        if not math.isfinite(self.low):
            return f"{estimate} (one run, no interval)"
        limits = f"{self.interval} {show_limits(self.low, self.high, self.unit)}"
        spread = limits if self.low < self.high else "all the same"
        return f"{estimate} ({spread}, {self.n} {self.counted})"

    @property
    def reason(self) -> str:
        """The numbers, and what follows from them."""
        return f"{self.numbers}: {self.why}" if self.numbers else self.why


class Corrected(NamedTuple):
    """An effect's p-values as corrected for the tests made together."""

    p: float  # small for an effect
    equal: float  # small for equivalence
    tests: int


def correct(effects: Mapping[str, tuple[Effect | None, float]]) -> dict[str, Corrected]:
    """Correct the tests of effects, each with the smallest that matters, by Holm's method.

    Tests for an effect are one family, those of equivalence another, so that a chapter wrongly
    rejects a conclusion no more often than it wrongly supports one. What is not run yet counts
    with p = 1, so running it later can only lower the others' p-values.
    """
    ps = holm([effect.p if effect else 1.0 for effect, _ in effects.values()])
    equals = holm([equivalence(e, margin) if e else 1.0 for e, margin in effects.values()])
    pairs = zip(effects, ps, equals, strict=True)
    return {name: Corrected(float(p), float(equal), len(effects)) for name, p, equal in pairs}


def show(value: float, unit: str = "points", signed: bool = True) -> str:
    """Write a value with its unit; a fraction as percentage "points" or, for a level, in "%".

    A difference of natural logarithms has the unit "×" and is written as the ratio it is.
    """
    if unit == "×":
        return f"×{math.exp(value):.3g}".replace("-", "−")
    sign = "+" if signed and unit != "%" else ""
    digits = ",.0f" if abs(value) >= 100 else ".3g"  # 12,000 steps, not 1.2e+04
    if unit in ("points", "%"):
        value, digits = round(100 * value, 2) + 0.0, ".2f"  # + 0.0: no "-0.00"
    return f"{value:{sign}{digits}} {unit}".replace("-", "−").strip()


def show_limits(low: float, high: float, unit: str = "points") -> str:
    """Write an interval with its unit once, as in "−0.43 to +0.13 points"."""
    return f"{show(low, unit).removesuffix(unit).rstrip()} to {show(high, unit)}"


def decide(
    effect: Effect,
    material: float = MATERIAL,
    direction: int = 1,
    unit: str = "points",
    corrected: Corrected | None = None,
) -> Verdict:
    """Judge the claim that an effect is above (`direction=1`) or below (-1) its null value.

    The first rule that applies decides:
    1. inconclusive: one seed, for its spread is unknown;
    2. supported: p <= ALPHA in the claimed direction and the estimate at least `material`;
    3. supported but immaterial: the same with a smaller estimate, even if equivalent too;
    4. not supported: p <= ALPHA in the other direction;
    5. not supported: equivalent within +- `material` (two one-sided tests at ALPHA);
    6. inconclusive: anything else, with the seeds that would settle it.
    With ALPHA 0.05 and a 95 % interval, p <= ALPHA says that the interval is beyond the null value.
    A null value other than zero is a margin: beyond it is beyond it, and 3 and 5 do not apply.

    material: the smallest effect that matters, in the effect's unit (a fraction for "points").
    Raises ValueError for a material not above zero or another direction.
    """
    if not material > 0:
        raise ValueError(f"material={material!r} must be above zero: the smallest effect to matter")
    if direction not in (1, -1):
        raise ValueError(f"direction={direction!r} must be 1 (a above b) or -1 (a below b)")
    p, equal, tests = corrected or correct({"": (effect, material)})[""]
    margin = show(abs(effect.null) or material, unit, signed=False)
    seeds, decisive = None, p
    name: Name = "inconclusive"
    if p <= ALPHA and (effect.estimate - effect.null) * direction > 0:
        name, why = "supported", f"as claimed, and at least {margin}"
        if effect.null:
            why = f"not worse by {margin}"
        # Differences of accuracies carry rounding errors; 0.903 - 0.9 is a material 0.003.
        elif abs(effect.estimate) < material * (1 - ROUNDING):
            name = "supported but immaterial"
            why = f"as claimed, but less than the {margin} that would matter"
    elif p <= ALPHA:
        name = "not supported"
        why = f"worse by more than {margin}" if effect.null else "the other way"
    elif equal <= ALPHA:
        name, why, decisive = "not supported", f"equivalent within {margin}", equal
    else:
        seeds = seeds_needed(effect, material, ALPHA / (tests * effect.family))
        if effect.null:
            why = f"being worse by {margin} is neither shown nor excluded"
        elif effect.low > 0 or effect.high < 0:  # of a plain interval, after an adjustment
            why = "the interval leaves out zero, but not after correction"
        else:
            why = f"neither told from zero nor shown to be within {margin} of it"
    if effect.n > 1:
        why += f", p = {decisive:.2g}" if decisive >= 0.0001 else ", p < 0.0001"
        if tests > 1:
            why += f" after Holm's correction for {tests} comparisons"
        elif effect.family > 1:
            why += f" for {effect.family} rivals together"
    else:
        why = "one run cannot tell it from the luck of the seed"
    if seeds:
        why += f"; about {seeds:,} seeds would settle it"
    counted = "seeds" if effect.paired else "unpaired seeds"
    numbers = (effect.estimate, effect.low, effect.high, p, effect.n)
    return Verdict(name, why, *numbers, seeds, unit, counted=counted)


def reproduced(figure: float, x: npt.ArrayLike, rounding: float = 0.0) -> Verdict:
    """Judge whether a single further run of these settings could have given a printed figure.

    The runs `x` and the figure are fractions; the rest is as for `statistics.further_run`.
    Supported if the figure lies in the prediction interval of one run, not supported outside.
    Inconclusive for one run, and for another figure than all of too few runs gave.
    """
    return matches(further_run(figure, x, rounding))


def matches(effect: Effect) -> Verdict:
    """Judge what `statistics.further_run` found of a printed figure, a fraction."""
    printed = show(effect.null, "%")
    where = f"where {100 * effect.confidence:.0f} % of further runs would"
    name: Name = "inconclusive"
    if effect.n < 2:
        why = f"one run cannot tell how far from {printed} others fall"
    elif effect.p <= ALPHA:
        name, why = "not supported", f"{printed} does not fall {where}"
    elif effect.p == 1 or effect.sd > 0:
        name, why = "supported", f"{printed} falls {where}"
    else:
        why = f"{printed} is not what all {effect.n} runs gave, but they are too few to exclude it"
    kind = INTERVAL.replace("interval", "prediction interval")
    numbers = (effect.estimate, effect.low, effect.high, effect.p, effect.n)
    return Verdict(name, why, *numbers, unit="%", interval=kind)


def seeds_needed(
    effect: Effect, material: float = MATERIAL, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many seeds would settle an inconclusive effect with the given power.

    If the estimate is material: enough to tell it from zero. If not: enough to show equivalence
    were there no effect (each one-sided test with power (1 + power) / 2: Chow, Shao & Wang
    2008, Sample Size Calculations in Clinical Research), which also tells `material` from zero.
    With a null value other than zero: enough to tell the estimate from that.
    Takes the observed sd for the true one, so it is rough for few seeds. None for one seed, and
    for an estimate that is the null value.
    """
    if effect.n < 2 or (effect.null and math.isclose(effect.estimate, effect.null)):
        return None
    if effect.sd == 0:  # the sign test of `statistics`: 2 * 0.5**n <= alpha
        return max(effect.n + 1, math.ceil(math.log2(2 / alpha)))
    distance = abs(effect.estimate - effect.null)
    if effect.null or distance >= material:
        size, goal, level = distance / effect.sd, power, alpha / 2
    else:
        size, goal, level = material / effect.sd, (1 + power) / 2, alpha

    # One-sided throughout, and searched here: statsmodels gives NaN for the far tail of a large
    # two-sided effect, and its solve_power then finds no root. The one-sided power
    # of an effect of many thousand sds is NaN too, before SciPy 1.14: it is 1 to every digit.
    def enough(n: int) -> bool:
        return not TTestPower().power(size, float(n), level, alternative="larger") < goal

    low, high = effect.n, effect.n + 1
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
