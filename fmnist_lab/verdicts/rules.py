"""The rule by which the statistics of runs become a verdict."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from scipy import special

from .statistics import ALPHA, CONFIDENCE, MATERIAL, Effect, at_level, beyond, equivalence, holm

Name = Literal[
    "not supported",
    "not run yet",
    "inconclusive",
    "supported but immaterial",
    "supported but size open",
    "supported",
]
MOST_SEEDS = 10**15  # that `seeds_needed` tries
POWER = 0.8  # Cohen 1988, Statistical Power Analysis for the Behavioral Sciences
NAMES: tuple[Name, ...] = get_args(Name)  # weakest first
INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"


@dataclass(frozen=True)
class Verdict:
    """Whether the runs bear out a conclusion: what was measured, and why that decides it."""

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
    null: float = 0.0  # the value tested against
    material: float = MATERIAL  # the smallest effect that matters

    @property
    def numbers(self) -> str:
        """The estimate with its interval and number, or nothing."""
        if self.estimate is None:
            return ""
        estimate = show(self.estimate, self.unit)
        if self.n < 2:
            return f"{estimate} (one run, no interval)"
        limits = f"{self.interval} {show_limits(self.low, self.high, self.unit)}"
        spread = limits if self.low < self.high else "all the same"
        if math.isinf(self.high):
            estimate = f"at least {estimate}"
            spread = f"{self.interval} from {show(self.low, self.unit)} on"
        elif math.isinf(self.low):
            estimate = f"at most {estimate}"
            spread = f"{self.interval} up to {show(self.high, self.unit)}"
        return f"{estimate} ({spread}, {self.n} {self.counted})"

    @property
    def in_units(self) -> tuple[float, float, float]:
        """The interval's low end, the estimate and the high end, in units of what matters."""
        estimate = math.nan if self.estimate is None else self.estimate
        return self.low / self.material, estimate / self.material, self.high / self.material

    @property
    def reason(self) -> str:
        """The numbers, and what follows from them."""
        return f"{self.numbers}: {self.why}" if self.numbers else self.why


class Hypothesis(NamedTuple):
    """An effect that is tested together with others."""

    effect: Effect | None  # None where it is not run yet
    material: float = MATERIAL  # the smallest that matters
    group: Hashable = None  # of tests that count as one; None for one alone


class Corrected(NamedTuple):
    """An effect's p-values, corrected for the tests made together."""

    p: float  # small for an effect
    equal: float  # small for equivalence
    beyond: float  # small for an effect larger than the smallest that matters
    tests: int
    level: float  # of the tests for an effect that are not significant
    equal_level: float  # of those for equivalence


def correct(tests: Mapping[Any, Hypothesis]) -> dict[Any, Corrected]:
    """Correct tests by Holm's method, groups of them counting as one.

    We ask three questions about each effect: is it there, does it not matter, does it matter? The
    tests of each question are a family, so each gets a wrong yes in at most 5 % of chapters. What
    is not run yet counts with p = 1, so running it later can only lower the others' p-values.
    """
    groups = [name if test.group is None else test.group for name, test in tests.items()]

    def family(p: Callable[[Effect, float], float]) -> tuple[list[float], float]:
        ps = [p(test.effect, test.material) if test.effect else 1.0 for test in tests.values()]
        found = holm(ps, groups).tolist()
        standing = {group for group, p in zip(groups, found, strict=True) if p > ALPHA}
        return found, ALPHA / max(1, len(standing))

    ps, level = family(lambda effect, material: effect.p)
    equals, equal_level = family(equivalence)
    beyonds, _ = family(beyond)
    number = len(set(groups))
    return {
        name: Corrected(*found, number, level, equal_level)
        for name, found in zip(tests, zip(ps, equals, beyonds, strict=True), strict=True)
    }


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
    2. supported: beyond the null value in the claimed direction, p <= ALPHA, and larger than
       `material`, p <= ALPHA too: the interval clears it;
    3. supported but immaterial: beyond it, but equivalent within +- `material` (two one-sided tests
       at ALPHA);
    4. supported but size open: beyond it, and neither is shown;
    5. not supported: beyond it in the other direction;
    6. not supported: equivalent within +- `material`;
    7. inconclusive: anything else, with the seeds that would settle it.

    With ALPHA 0.05 and a 95 % interval, p <= ALPHA says that the interval is beyond the null value.
    A null value other than zero is a margin: beyond it is supported, whatever the size.

    material: the smallest effect that matters, in the effect's unit (a fraction for "points").
    Raises ValueError for a material not above zero or another direction.
    """
    if not material > 0:
        raise ValueError(f"material={material!r} must be above zero: the smallest effect to matter")
    if direction not in (1, -1):
        raise ValueError(f"direction={direction!r} must be 1 (a above b) or -1 (a below b)")
    found = corrected or correct({"": Hypothesis(effect, material)})[""]
    margin = show(abs(effect.null) or material, unit, signed=False)
    name: Name = "inconclusive"
    seeds = None
    if effect.n < 2:
        why = "one run cannot tell it from the luck of the seed"
    elif found.p <= ALPHA and (effect.estimate - effect.null) * direction > 0:
        if effect.null:
            name, why = "supported", f"not worse by {margin}, {_p(found.p)}"
        elif found.beyond <= ALPHA:
            name, why = "supported", f"as claimed, and by more than {margin}, {_p(found.beyond)}"
        elif found.equal <= ALPHA:
            name = "supported but immaterial"
            why = f"as claimed ({_p(found.p)}), but by less than {margin} ({_p(found.equal)})"
        else:
            name = "supported but size open"
            why = f"as claimed, but whether by more than {margin} is open, {_p(found.p)}"
    elif found.p <= ALPHA:
        name = "not supported"
        why = f"worse by more than {margin}" if effect.null else "the other way"
        why += f", {_p(found.p)}"
    elif found.equal <= ALPHA:
        name, why = "not supported", f"equivalent within {margin}, {_p(found.equal)}"
    elif effect.null:
        why = f"being worse by {margin} is neither shown nor excluded, {_p(found.p)}"
    else:
        zero, band = _p(found.p), _p(found.equal)
        # A plain interval may say otherwise; then the corrected one, which decides, is shown.
        if effect.low > 0 or effect.high < 0:
            zero += _corrected_interval(at_level(effect, found.level), unit)
        if max(-effect.low, effect.high) < material:
            band += _corrected_interval(at_level(effect, 2 * found.equal_level), unit)
        why = f"neither told from zero ({zero}) nor shown to be within {margin} of it ({band})"
    if effect.n > 1:
        why += _correction(effect.family, found.tests)
    if effect.n > 1 and name == "inconclusive":
        seeds = seeds_needed(effect, material, ALPHA / (found.tests * effect.family))
        if seeds:
            aim = "tell it from zero, if it is the true one"
            if effect.null and effect.estimate / effect.null <= 1:
                aim = "exclude it, if there is no effect"
            elif effect.null:
                aim = "show it, if the effect seen is the true one"
            elif abs(effect.estimate) < material:
                aim = "show equivalence, if there is no effect"
            why += f"; about {seeds:,} seeds would {aim} (power {POWER})"
    counted = "seeds" if effect.paired else "unpaired seeds"
    kind = f"simultaneous {INTERVAL}" if effect.family > 1 else INTERVAL
    numbers = (effect.estimate, effect.low, effect.high, found.p, effect.n)
    return Verdict(name, why, *numbers, seeds, unit, kind, counted, effect.null, material)


def matches(effect: Effect, corrected: Corrected | None = None) -> Verdict:
    """Judge what `statistics.further_run` found of a printed figure, a fraction.

    A figure inside the interval is supported; one outside is not supported if it is outside after
    correction too, else inconclusive.
    """
    found = corrected or correct({"": Hypothesis(effect)})[""]
    printed = show(effect.null, "%")
    where = f"where {100 * effect.confidence:.0f} % of further runs would"
    name: Name = "inconclusive"
    if effect.n < 2:
        why = f"one run cannot tell how far from {printed} others fall"
    elif found.p <= ALPHA:
        name, why = "not supported", f"{printed} does not fall {where}"
    elif effect.p > ALPHA and (effect.p == 1 or effect.sd > 0):
        name, why = "supported", f"{printed} falls {where}"
    elif effect.sd > 0:
        inside = _corrected_interval(at_level(effect, found.level), "%")
        why = f"{printed} does not fall {where}, but may after correction{inside}"
    else:
        why = f"{printed} is not what all {effect.n} runs gave, but they are too few to exclude it"
    if effect.n > 1:
        why += f", {_p(found.p)}{_correction(1, found.tests)}"
    kind = INTERVAL.replace("interval", "prediction interval")
    numbers = (effect.estimate, effect.low, effect.high, found.p, effect.n)
    return Verdict(name, why, *numbers, unit="%", interval=kind)


def seeds_needed(
    effect: Effect, material: float = MATERIAL, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many seeds would settle an inconclusive effect with the given power.

    If the estimate is material: enough to tell it from zero, were it true. If not: enough to show
    equivalence, were there no effect (each one-sided test with power (1 + power) / 2: Chow, Shao &
    Wang 2008, Sample Size Calculations in Clinical Research). With a null value other than zero:
    enough to tell zero from it, or an estimate beyond it.
    Takes the observed sd for the true one, so it is rough for few seeds. None for one seed, and
    for an estimate that is the null value.
    """
    if effect.n < 2 or (effect.null and math.isclose(effect.estimate, effect.null)):
        return None
    if effect.sd == 0:  # the sign test of `statistics`: 2 * 0.5**n <= alpha
        return max(effect.n + 1, math.ceil(math.log2(2 / alpha)))
    size, goal, level = abs(effect.estimate), power, alpha / 2
    if effect.null:
        worse = effect.estimate / effect.null > 1
        size = abs(effect.estimate - effect.null) if worse else abs(effect.null)
    elif size < material:
        size, goal, level = material, (1 + power) / 2, alpha
    size /= effect.sd

    # One-sided throughout. Of an effect of many thousand sds this is NaN: then the power is 1.
    def enough(n: int) -> bool:
        threshold = special.stdtrit(n - 1, 1 - level)
        return not 1 - special.nctdtr(n - 1, size * math.sqrt(n), threshold) < goal

    return bisect_left(range(MOST_SEEDS), True, effect.n + 1, key=enough)


def _p(p: float) -> str:
    """Write a p-value with as many digits as mean something."""
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"


def _correction(rivals: int, tests: int) -> str:
    """Say what p-values are corrected for, if for anything."""
    rivals_too = [f" for {rivals} rivals together"] * (rivals > 1)
    holm_too = [f" after Holm's correction for {tests} tests"] * (tests > 1)
    return " and".join(rivals_too + holm_too)


def _corrected_interval(effect: Effect, unit: str) -> str:
    """Write the interval that decides."""
    return f"; the interval that decides is {show_limits(effect.low, effect.high, unit)}"
