"""Intervals and tests on measurements of many seeds.

Accuracies and their differences are fractions. A result of one run has an infinite interval and
p = 1, so nothing here is ever NaN.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

# The smallest difference in accuracy that matters, a fraction: about one binomial standard error
# of 10,000 test images at the report's 89 %, sqrt(0.89 * 0.11 / 10_000) = 0.0031.
MATERIAL = 0.003
CONFIDENCE = 0.95  # of every interval shown; convention
ALPHA = 0.05  # of every verdict; 1 - CONFIDENCE
ROUNDING = 1e-12  # relative; thousands of times the rounding error of a float64 mean
# (DRAWS + 1) * ALPHA is whole, as a simulated test needs (Davison & Hinkley 1997, Bootstrap
# Methods and their Application); a simulated p of 0.05 is then off by
# sqrt(0.05 * 0.95 / DRAWS) = 0.0015.
DRAWS = 19_999


@dataclass(frozen=True)
class Interval:
    """Hold an estimate and its interval, in the unit of the measurements."""

    estimate: float
    low: float
    high: float
    n: int  # seeds
    sd: float  # between seeds; infinite (unknown) for one seed
    confidence: float  # fraction in (0, 1)


@dataclass(frozen=True)
class Effect(Interval):
    """Hold an estimate that was tested; `sd / sqrt(n)` is its standard error."""

    p: float  # two-sided
    df: float  # degrees of freedom of the t distribution; 0 for one seed
    paired: bool = True  # whether the same seeds were on both sides
    family: int = 1  # comparisons that `p` and the interval are already adjusted for
    null: float = 0.0  # the value tested against


def against(effect: Effect, null: float) -> Effect:
    """Test an effect against a value other than zero; its estimate and interval stay the same.

    One adjusted for a family is adjusted here by Bonferroni. Without spread, see `_effect`.
    """
    p = _p_value(effect.estimate - null, effect.sd, effect.n, effect.df)
    return replace(effect, null=null, p=min(1.0, p * effect.family))


def at_level(effect: Effect, alpha: float) -> Effect:
    """Widen an effect's interval to that of a test at level alpha; Bonferroni for a family."""
    half = stats.t.isf(alpha / effect.family / 2, effect.df) * effect.sd / math.sqrt(effect.n)
    low, high = effect.estimate - half, effect.estimate + half
    return replace(effect, low=low, high=high, confidence=1 - alpha)


def censored(effect: Effect, side: int) -> Effect:
    """Bound an effect from below alone (side 1) or above (-1): the other end was not observed."""
    return replace(effect, high=math.inf) if side > 0 else replace(effect, low=-math.inf)


def paired_difference(a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = CONFIDENCE) -> Effect:
    """Estimate the mean of a - b over the seeds both have, with its paired t interval.

    A pandas Series is matched by its index (the seed), an array by position. With fewer than two
    seeds in common the runs are compared unpaired (Welch's t interval); with one run on a side the
    interval is infinite. Raises ValueError for no values, a repeated seed or a value not finite.
    """
    left, right = _by_seed(a, "a"), _by_seed(b, "b")
    scale = max(np.abs(left.to_numpy()).max(), np.abs(right.to_numpy()).max())
    here, there = left.align(right, join="inner")  # the seeds both have
    if len(here) >= 2:
        return _mean_effect(here.to_numpy() - there.to_numpy(), confidence, scale)
    n = min(len(left), len(right))
    if n < 2:
        one, other = (here, there) if len(here) else (left, right)
        estimate = one.mean() - other.mean()
        return _effect(estimate, math.inf, 1, 0, confidence, scale, bool(len(here)))
    error = math.hypot(left.std() / math.sqrt(len(left)), right.std() / math.sqrt(len(right)))
    df = n - 1.0  # where neither side varies, Satterthwaite's formula is 0 / 0
    if error > ROUNDING * scale:
        df = float(stats.ttest_ind(left, right, equal_var=False).df)
    return _effect(
        left.mean() - right.mean(), error * math.sqrt(n), n, df, confidence, scale, False
    )


def mean_interval(x: npt.ArrayLike, confidence: float = CONFIDENCE) -> Effect:
    """Estimate the mean of `x` (one value per seed) with its t interval."""
    values = _by_seed(x, "x").to_numpy()
    return _mean_effect(values, confidence, np.abs(values).max())


def prediction_interval(
    x: npt.ArrayLike, confidence: float = CONFIDENCE, mean_of: int = 1
) -> Interval:
    """Return where one further run, or the mean of m, would fall: mean ± t * sd * sqrt(1/m + 1/n).

    Source: Hahn & Meeker 1991, Statistical Intervals; normal measurements.
    """
    mean = mean_interval(x, confidence)
    half = (mean.high - mean.estimate) * math.sqrt(mean.n / mean_of + 1)  # t * sd/sqrt(n) * that
    low, high = mean.estimate - half, mean.estimate + half
    return Interval(mean.estimate, low, high, mean.n, mean.sd, confidence)


def further_run(figure: float, x: npt.ArrayLike, rounding: float = 0.0, mean_of: int = 1) -> Effect:
    """Test whether one further run, or the mean of some, could give a figure.

    The interval is that of `prediction_interval`.

    `rounding` is half a unit of the figure's last digit (0.0005 for 89.9 %): a figure that rounds
    from inside is inside. Where all runs agree the interval is one value; a further run differs
    from it in at most 2 of n + 1 cases (Wilks 1941, on tolerance limits), which is then p.
    """
    span = prediction_interval(x, mean_of=mean_of)
    off = max(0.0, abs(figure - span.estimate) - rounding)
    if span.n < 2 or off <= ROUNDING * abs(figure):
        p = 1.0
    elif span.sd == 0:
        p = 2 / (span.n + 1)
    else:
        p = 2 * float(stats.t.sf(off / (span.sd * math.sqrt(1 / mean_of + 1 / span.n)), span.n - 1))
    # So that sd / sqrt(n) is the standard error of what further runs give.
    sd = span.sd * math.sqrt(span.n / mean_of + 1)
    return Effect(**{**asdict(span), "sd": sd}, p=p, df=span.n - 1, null=figure)


def for_other_images(effect: Interval, ratio: float) -> Interval:
    """Widen an interval to hold for images that were not in the pool that the seeds split.

    `ratio` is that of validation to training images. All seeds draw both from one pool, so their
    results depend on each other: the variance of their mean is sd**2 * (1/n + ratio), not
    sd**2 / n (Nadeau & Bengio 2003).
    """
    wider = math.sqrt(1 + effect.n * ratio)
    low = effect.estimate - wider * (effect.estimate - effect.low)
    high = effect.estimate + wider * (effect.high - effect.estimate)
    return replace(effect, low=low, high=high)


def slope_trend(x: npt.ArrayLike, y: npt.ArrayLike, confidence: float = CONFIDENCE) -> Effect:
    """Fit a least-squares slope to each seed and estimate their mean with its t interval.

    x: (k,) settings, in the unit the slope is wanted per (log2 of a width: per doubling);
    y: (seeds, k), array or table.
    """
    settings, table = np.asarray(x, float), np.asarray(y, float)
    centred = settings - settings.mean()
    slopes = _by_seed(table @ centred / (centred @ centred), "y").to_numpy()
    return _mean_effect(slopes, confidence, np.abs(table).max() / np.ptp(settings))


def holm(
    pvalues: npt.ArrayLike, groups: Sequence[Hashable] | None = None
) -> npt.NDArray[np.float64]:
    """Adjust p-values for their number by Holm's method (Holm 1979), in the order given.

    Those of one group are already adjusted for each other and count as one, until the last of them
    is rejected (by the principle of Goeman & Solari 2010, The Sequential Rejection Principle).

    Written out because statsmodels' `multipletests` collects garbage in every call: a second on a
    busy machine with PyTorch loaded, 24 of the 26 that judging all claims took.
    """
    values = np.asarray(pvalues, float)
    order = np.argsort(values)
    of = range(values.size) if groups is None else groups
    # groups not yet rejected at each step
    standing = [len({of[n] for n in order[step:]}) for step in range(values.size)]
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(np.array(standing) * values[order]).clip(max=1)
    return adjusted


def best_of(
    candidates: Mapping[str, npt.ArrayLike],
    claimed: str,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
) -> dict[str, Effect]:
    """Compare the claimed best with each rival: claimed - rival, with simultaneous intervals.

    This is Dunnett's comparison with a control (Dunnett 1955) for runs paired by seed. Intervals
    and p-values hold for all rivals together: each rival keeps its own paired t test, at the level
    at which the smallest of the k p-values falls below 1 - confidence only that often. That
    level comes from simulating `draws` sets of paired t statistics at the correlation estimated
    from the differences (at zero correlation, the worst case, below 10 shared seeds).

    Why not scipy's: `scipy.stats.dunnett` takes unpaired groups of one common variance, which
    runs of different settings do not have; a quantile of `scipy.stats.multivariate_t` shares one
    variance estimate among the statistics, and erred in 7.6 % of families at 5 seeds and 5.9 % at
    10 (measured: four rivals, 3,000 families), where this simulation erred in at most 5.0 %.

    Use: `{rival: decide(effect) for rival, effect in best_of(...).items()}`; Holm's correction
    would adjust a second time. Raises ValueError for an unknown `claimed` or no rival.
    """
    if claimed not in candidates or len(candidates) < 2:
        raise ValueError(f"claimed={claimed!r} needs a rival; candidates: {sorted(candidates)}")
    series = {name: _by_seed(values, name) for name, values in candidates.items()}
    effects = {
        rival: paired_difference(series[claimed], series[rival], confidence)
        for rival in series
        if rival != claimed
    }
    tested = {rival: effect for rival, effect in effects.items() if effect.n > 1}
    if len(tested) < 2:
        return effects
    # The seeds that all have; a setting run once is not tested, and costs the others none.
    table = pd.DataFrame({name: series[name] for name in (claimed, *tested)}).dropna()
    differences = table[claimed].to_numpy()[:, None] - table[list(tested)].to_numpy()
    smallest = np.sort(_smallest_p(list(tested.values()), differences, draws))
    rank = max(1, math.floor((1 - confidence) * (draws + 1) + 1e-6))  # 1e-6: 0.05 * 20000 < 1000
    level = smallest[rank - 1]  # a p-value below it is significant for all rivals together
    for rival, effect in tested.items():
        effects[rival] = replace(
            at_level(effect, level),
            confidence=confidence,
            p=(1 + int(np.searchsorted(smallest, effect.p, side="right"))) / (draws + 1),
            family=len(tested),
        )
    return effects


def equivalence(difference: Effect, margin: float = MATERIAL) -> float:
    """Return the p-value of "the difference lies within +- margin" (two one-sided t tests).

    Source: Lakens 2017; 90 % interval inside +- margin is p < 0.05. An effect adjusted for a
    family is adjusted here by Bonferroni. Without spread between seeds, see `_effect`. An effect
    tested against a value other than zero, or bounded on one side only, is not tested for this:
    its p-value is 1.
    """
    inside = margin - abs(difference.estimate)
    bounded = math.isfinite(difference.low) and math.isfinite(difference.high)
    if not bounded or difference.null or inside <= ROUNDING * margin:
        p = 1.0
    elif difference.sd == 0:
        p = 0.5**difference.n
    else:
        p = float(stats.t.sf(inside * math.sqrt(difference.n) / difference.sd, difference.df))
    return min(1.0, p * difference.family)


def beyond(difference: Effect, margin: float = MATERIAL) -> float:
    """Return the two-sided p-value of "the difference is larger than the margin" on its side."""
    if abs(difference.estimate) <= margin or difference.null:
        return 1.0
    return against(difference, math.copysign(margin, difference.estimate)).p


def expected_maximum(sd: float, k: int) -> float:
    """Return how far the best of `k` identical configurations, run once each, lies above the mean.

    The mean of the largest of k normal values (David & Nagaraja 2003, Order Statistics), in the
    unit of `sd`. Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k={k!r} must be at least 1: the number of configurations compared")
    return sd * float(stats.norm.expect(lambda z: z * k * stats.norm.cdf(z) ** (k - 1)))


def luckiest(values: npt.ArrayLike, k: int) -> float:
    """Return the mean of the highest of k among (n,) values, over all choices of k of them.

    k is 1 to n. It is the unbiased estimate of the expected maximum of k
    (a U-statistic: Hoeffding 1948): the i-th smallest is the highest in C(i - 1, k - 1) choices.
    """
    ordered = np.sort(np.asarray(values, float))
    choices = [math.comb(smaller, k - 1) for smaller in range(len(ordered))]
    return float(ordered @ choices) / math.comb(len(ordered), k)


def _by_seed(values: npt.ArrayLike, name: str) -> pd.Series[float]:
    """Return the values as floats indexed by seed; an array's position stands for its seed."""
    series = values if isinstance(values, pd.Series) else pd.Series(np.ravel(np.asarray(values)))
    if series.empty:
        raise ValueError(f"{name} has no runs; give it one value per seed")
    if not series.index.is_unique:
        seed = series.index[series.index.duplicated()][0]
        raise ValueError(f"{name} has seed {seed} twice; give one value per seed")
    series = series.astype(float)
    finite = np.isfinite(series.to_numpy())
    if not finite.all():
        at = int(finite.argmin())
        raise ValueError(
            f"{name} is {series.iloc[at]} at seed {series.index[at]}; every value must be finite:"
            " give a diverged run its recorded accuracy, drop a seed that was not run"
        )
    return series


def _mean_effect(x: npt.NDArray[np.floating], confidence: float, scale: float) -> Effect:
    """Estimate the mean of (n,) values and test it against zero."""
    n = len(x)
    sd = float(x.std(ddof=1)) if n > 1 else math.inf
    return _effect(float(x.mean()), sd, n, n - 1, confidence, scale)


def _effect(
    estimate: float,
    sd: float,
    n: int,
    df: float,
    confidence: float,
    scale: float,
    paired: bool = True,
) -> Effect:
    """Build the t interval and p-value of an estimate with standard error sd / sqrt(n).

    scale: size of the measurements; an estimate or sd below their rounding error is zero. Where
    all seeds agree (epoch counts at the cap) a t test would be certain after two seeds, so the
    sign test decides instead: all n on one side has p = 2 * 0.5**n (Conover 1999, Practical
    Nonparametric Statistics), and the interval is the one value seen.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence!r} must be a fraction between 0 and 1")
    estimate = 0.0 if abs(estimate) <= ROUNDING * scale else float(estimate)
    if n < 2:
        return Effect(estimate, -math.inf, math.inf, n, math.inf, confidence, 1.0, 0.0, paired)
    sd = 0.0 if sd <= ROUNDING * scale else sd
    # What `stats.t` computes, without its checks of shapes: the book asks for 20,000 pairs.
    half = float(special.stdtrit(df, (1 + confidence) / 2)) * sd / math.sqrt(n)
    p = _p_value(estimate, sd, n, df)
    return Effect(estimate, estimate - half, estimate + half, n, sd, confidence, p, df, paired)


def _p_value(distance: float, sd: float, n: int, df: float) -> float:
    """Return the two-sided p-value of an estimate at a distance from the value tested against."""
    if n < 2 or distance == 0:
        return 1.0
    if sd == 0:
        return 2 * 0.5**n
    return 2 * float(special.stdtr(df, -abs(distance) * math.sqrt(n) / sd))


def _smallest_p(
    effects: list[Effect], differences: npt.NDArray[np.float64], draws: int
) -> npt.NDArray[np.float64]:
    """Draw the smallest p-value of the effects' t tests when no rival differs.

    differences: (shared seeds, k), for the correlation; returns (draws,).
    """
    k = len(effects)
    correlation = np.eye(k)
    # Measured with four rivals, equal variances: a correlation estimated from 5 seeds erred in
    # 5.9 % of families, zero correlation in 4.6 %; from 10 seeds the estimate erred in 5.0 %.
    if len(differences) >= 10:
        centred = differences - differences.mean(0)
        norm = np.sqrt((centred**2).sum(0))
        unit = centred / np.where(norm > 0, norm, 1)
        correlation = unit.T @ unit
        np.fill_diagonal(correlation, 1)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(values.clip(0))  # (k, k); root @ root.T is the correlation
    seeds = np.array([int(effect.df) + 1 for effect in effects])  # (k,)
    # A fixed seed: the same table always gives the same verdict.
    rng = np.random.default_rng(0)
    total, squares = np.zeros((draws, k)), np.zeros((draws, k))
    for seed in range(seeds.max()):
        x = rng.standard_normal((draws, k)) @ root.T * (seed < seeds)
        total, squares = total + x, squares + x**2
    variance = (squares - total**2 / seeds) / (seeds - 1)
    t = total / np.sqrt(seeds * variance)
    return (2 * special.stdtr(seeds - 1, -np.abs(t))).min(axis=1)
