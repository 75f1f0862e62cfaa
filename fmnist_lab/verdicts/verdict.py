"""The verdict on a conclusion, given the statistics of its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy.typing as npt
from scipy import stats
from statsmodels.stats.power import TTestPower

from .statistics import (
    ALPHA,
    MATERIAL,
    ROUNDING,
    Effect,
    equivalence,
    holm,
    prediction_interval,
)

Name = Literal[
    "not supported", "not run yet", "inconclusive", "supported but immaterial", "supported"
]
POWER = 0.8  # Cohen 1988, Statistical Power Analysis for the Behavioral Sciences
NAMES: tuple[Name, ...] = get_args(Name)  # weakest first
T = TypeVar("T")


@dataclass(frozen=True)
class Verdict:
    """Say whether the runs bear out a conclusion, and why."""

    name: Name
    reason: str  # one sentence with the numbers
    estimate: float | None = None  # None where nothing was run
    low: float = -math.inf  # the interval shown; unadjusted unless from `best_of`
    high: float = math.inf
    p: float = 1.0  # two-sided against zero, as decided on: adjusted where there are several
    n: int = 0  # seeds
    seeds_needed: int | None = None  # if inconclusive; None where these runs cannot tell


def show(value: float, unit: str = "points", signed: bool = True) -> str:
    """Write a value with its unit; a fraction as percentage "points" or, for a level, in "%".

    A difference of natural logarithms has the unit "×" and is written as the ratio it is.
    """
    if unit == "×":
        return f"×{math.exp(value):.3g}".replace("-", "−")
    sign = "+" if signed else ""
    digits = ",.0f" if abs(value) >= 100 else ".3g"  # 12,000 steps, not 1.2e+04
    if unit in ("points", "%"):
        value, digits = round(100 * value, 2) + 0.0, ".2f"  # + 0.0: no "-0.00"
    return f"{value:{sign}{digits}} {unit}".replace("-", "−").strip()


def show_limits(low: float, high: float, unit: str = "points", signed: bool = True) -> str:
    """Write an interval with its unit once, as in "−0.43 to +0.13 points"."""
    first, last = show(low, unit, signed), show(high, unit, signed)
    return f"{first.removesuffix(unit).rstrip()} to {last}"


def verdict(
    difference: Effect | None,
    material: float = MATERIAL,
    direction: int = 1,
    alpha: float = ALPHA,
    unit: str = "points",
) -> Verdict:
    """Judge the claim that a difference is above (`direction=1`) or below (-1) zero.

    The first rule that applies decides:
    1. not run yet: `difference` is None;
    2. inconclusive: one seed, for its spread is unknown;
    3. supported: p <= alpha in the claimed direction and the estimate at least `material`;
    4. supported but immaterial: the same with a smaller estimate, even if equivalent too;
    5. not supported: p <= alpha in the other direction;
    6. not supported: equivalent within +- `material` (two one-sided tests at alpha);
    7. inconclusive: anything else, with the seeds that would settle it.
    With alpha 0.05 and a 95 % interval, p <= alpha says that the interval is beyond zero.

    material: the smallest effect that matters, in the difference's unit (a fraction for "points").
    Raises ValueError for a material not above zero or another direction.
    """
    equal = equivalence(difference, material) if difference else 1.0
    p = difference.p if difference else 1.0
    return _decide(difference, p, equal, material, direction, alpha, unit)


def verdicts(
    differences: Mapping[str, Effect | None],
    material: float | Mapping[str, float] = MATERIAL,
    direction: int | Mapping[str, int] = 1,
    alpha: float = ALPHA,
    unit: str | Mapping[str, str] = "points",
) -> dict[str, Verdict]:
    """Judge a chapter's comparisons together, with Holm's correction.

    As `verdict`, but rules 3 to 5 use the Holm-adjusted two-sided p-value against zero, and rule 6
    the Holm-adjusted p-value of equivalence (a second family, so that a chapter wrongly rejects a
    conclusion no more often than it wrongly supports one). Each `Verdict` holds the adjusted p and
    the plain interval, which can therefore leave out zero in an inconclusive verdict; its reason
    then says so. Comparisons not run yet count with p = 1, so running them later can only lower
    the others' adjusted p-values. `material`, `direction` and `unit` may differ by name.
    """
    margins = {name: _of(material, name) for name in differences}
    ps = holm([effect.p if effect else 1.0 for effect in differences.values()])
    equals = holm([equivalence(e, margins[n]) if e else 1.0 for n, e in differences.items()])
    family = len(differences)
    return {
        name: _decide(
            differences[name],
            float(p),
            float(equal),
            margins[name],
            _of(direction, name),
            alpha,
            _of(unit, name),
            family,
        )
        for name, p, equal in zip(differences, ps, equals, strict=True)
    }


def combine(parts: Mapping[str, Verdict], how: Literal["all", "any"] = "all") -> Verdict:
    """Join the verdicts on a claim's parts: under "all" the weakest decides, under "any" the best.

    From weak to strong as in `NAMES`; among equals the larger p decides under "all", the smaller
    under "any". No further correction is due under "all": if every part is shown at level alpha,
    so is the whole (Berger 1982, the intersection-union test). The numbers are the deciding part's;
    `seeds_needed` covers every inconclusive part under "all". Raises ValueError for no part.
    """
    if not parts or how not in ("all", "any"):
        raise ValueError(f"how={how!r} with {len(parts)} parts; give 'all' or 'any' and a part")

    def strength(item: tuple[str, Verdict]) -> tuple[int, float]:
        return NAMES.index(item[1].name), -item[1].p

    name, decider = (min if how == "all" else max)(parts.items(), key=strength)
    reason = decider.reason if len(parts) == 1 else f"{name}: {decider.reason}"
    seeds = decider.seeds_needed
    if how == "all" and decider.name == "inconclusive":
        needs = [part.seeds_needed for part in parts.values() if part.name == decider.name]
        seeds = None if None in needs else max(n for n in needs if n is not None)
    return replace(decider, reason=reason, seeds_needed=seeds)


def reproduced(
    figure: float,
    x: npt.ArrayLike,
    rounding: float = 0.0,
    alpha: float = ALPHA,
    unit: str = "%",
) -> Verdict:
    """Judge whether a single further run of these settings could have given a printed figure.

    Supported if the figure lies in the prediction interval of one run among the runs `x`, not
    supported outside. `rounding` is half a unit of the figure's last digit (0.0005 for 89.9 %): a
    figure that rounds from inside is inside. Where all runs agree the interval is one value; a
    further run differs from it in at most 2 of n + 1 cases (Wilks 1941, on tolerance limits), which
    is then the p-value. Inconclusive for one run, and where that p-value is above alpha.
    """
    span = prediction_interval(x, 1 - alpha)
    off = max(0.0, abs(figure - span.estimate) - rounding)
    if off <= ROUNDING * abs(figure):
        off = 0.0
    if span.n < 2 or off == 0:
        p = 1.0
    elif span.sd == 0:
        p = 2 / (span.n + 1)
    else:
        p = 2 * float(stats.t.sf(off / (span.sd * math.sqrt(1 + 1 / span.n)), span.n - 1))
    printed = show(figure, unit, signed=False)
    limits = show_limits(span.low, span.high, unit, signed=False)
    where = f"where {100 * (1 - alpha):.0f} % of further runs would ({limits}, {span.n} seeds)"
    name: Name = "inconclusive"
    if span.n < 2:
        reason = f"one run cannot tell how far from {printed} others fall"
    elif p <= alpha:
        name, reason = "not supported", f"{printed} does not fall {where}"
    elif off == 0 or span.sd > 0:
        name, reason = "supported", f"{printed} falls {where}"
    else:
        reason = f"{printed} is not what all {span.n} runs gave, but they are too few to exclude it"
    return Verdict(name, reason, span.estimate, span.low, span.high, p, span.n)


def seeds_needed(
    difference: Effect, material: float = MATERIAL, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many seeds would settle an inconclusive difference with the given power.

    If the estimate is material: enough to tell it from zero. If not: enough to show equivalence
    were there no difference (each one-sided test with power (1 + power) / 2: Chow, Shao & Wang
    2008, Sample Size Calculations in Clinical Research), which also tells `material` from zero.
    Takes the observed sd for the true one, so it is rough for few seeds. None for one seed.
    """
    if difference.n < 2:
        return None
    if difference.sd == 0:  # the sign test of `_effect`: 2 * 0.5**n <= alpha
        return max(difference.n + 1, math.ceil(math.log2(2 / alpha)))
    if abs(difference.estimate) >= material:
        size, goal, level = abs(difference.estimate) / difference.sd, power, alpha / 2
    else:
        size, goal, level = material / difference.sd, (1 + power) / 2, alpha

    # One-sided throughout, and searched here: statsmodels gives NaN for the far tail of a large
    # two-sided effect, and its solve_power then finds no root. The one-sided power
    # of an effect of many thousand sds is NaN too, before SciPy 1.14: it is 1 to every digit.
    def enough(n: int) -> bool:
        return not TTestPower().power(size, float(n), level, alternative="larger") < goal

    low, high = difference.n, difference.n + 1
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _of(option: T | Mapping[str, T], name: str) -> T:
    """Return the option of one comparison: its own, or the one for all."""
    return option[name] if isinstance(option, Mapping) else option


def _decide(
    effect: Effect | None,
    p: float,
    equal: float,
    material: float,
    direction: int,
    alpha: float,
    unit: str,
    family: int = 1,
) -> Verdict:
    """Apply the rules of `verdict` to p-values that are already adjusted for the family."""
    if not material > 0:
        raise ValueError(f"material={material!r} must be above zero: the smallest effect to matter")
    if direction not in (1, -1):
        raise ValueError(f"direction={direction!r} must be 1 (a above b) or -1 (a below b)")
    if effect is None:
        return Verdict("not run yet", "no runs yet")
    size, margin = show(effect.estimate, unit), show(material, unit, signed=False)
    numbers = told(effect, p, unit, family)
    name: Name = "inconclusive"
    seeds: int | None = None
    if effect.n < 2:
        reason = f"one run cannot tell: {size} may be the luck of the seed"
    elif p <= alpha and effect.estimate * direction > 0:
        # Differences of accuracies carry rounding errors; 0.903 - 0.9 is a material 0.003.
        if abs(effect.estimate) >= material * (1 - ROUNDING):
            name, reason = "supported", f"{numbers}: as claimed, and at least {margin}"
        else:
            name = "supported but immaterial"
            reason = f"{numbers}: as claimed, but less than the {margin} that would matter"
    elif p <= alpha:
        name, reason = "not supported", f"{numbers}: the other way"
    elif equal <= alpha:
        name, reason = "not supported", f"{numbers}: equivalent within {margin} ({_p(equal)})"
    else:
        seeds = seeds_needed(effect, material, alpha / (family * effect.family))
        if effect.low > 0 or effect.high < 0:  # of a plain interval, after an adjustment
            why = "the interval leaves out zero, but that p-value does not"
        else:
            why = f"neither told from zero nor shown to be within {margin} of it"
        reason = f"{numbers}: {why}; about {seeds:,} seeds would settle it"
    return Verdict(name, reason, effect.estimate, effect.low, effect.high, p, effect.n, seeds)


def told(effect: Effect, p: float, unit: str, family: int) -> str:
    """Write an effect's numbers, its interval and the p-value that counts."""
    seeds = f"{effect.n} {'seeds' if effect.paired else 'unpaired seeds'}"
    limits = show_limits(effect.low, effect.high, unit)
    spread = f"{100 * effect.confidence:.0f} % interval {limits}" if effect.sd else "all the same"
    adjusted = ""
    if family > 1:
        adjusted = f" after Holm's correction for {family} comparisons"
    elif effect.family > 1:
        adjusted = f" for {effect.family} rivals together"
    return f"{show(effect.estimate, unit)} ({spread}, {seeds}, {_p(p)}{adjusted})"


def _p(p: float) -> str:
    """Write a p-value with two digits, as far as they mean something."""
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"
