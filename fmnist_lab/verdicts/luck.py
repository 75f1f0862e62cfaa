"""What luck does to a result: which part of a seed it comes from, and how trials add to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod

import numpy as np
import numpy.typing as npt
import pandas as pd

from .statistics import CONFIDENCE

FloatArray = npt.NDArray[np.float64]

DRAWS = 1_000  # tables drawn for an interval: enough for two digits of its ends


def variance_components(
    table: npt.ArrayLike, factors: Sequence[str], confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """Split a result's variance into its parts, from runs in which all factors are crossed.

    `table` has one axis per factor and one run per cell. A row of the result is one factor, or
    several that act together (the last row also contains what is left over): its `variance`, in
    the square of the table's unit, its `share` of the sum, and `low` to `high`, the share's
    interval.

    The estimates are those of the analysis of variance, with negative ones set to zero (Searle,
    Casella & McCulloch 1992, Variance Components, chapter 4); the intervals come from tables drawn
    with normal effects of the estimated variances (a parametric bootstrap).
    """
    values = np.asarray(table, float)
    found = _components(values, values.shape)
    rng = np.random.default_rng(0)  # the same table always gives the same interval
    drawn = np.zeros((DRAWS, *values.shape))
    for axes, variance in zip(_subsets(values.ndim), found, strict=True):
        shape = [n if axis in axes else 1 for axis, n in enumerate(values.shape)]
        drawn += rng.normal(0, np.sqrt(variance), (DRAWS, *shape))
    shares = _components(drawn, values.shape)  # (subsets, DRAWS)
    shares /= shares.sum(0)
    tail = 50 * (1 - confidence)
    return pd.DataFrame(
        {
            "variance": found,
            "share": found / found.sum(),
            "low": np.percentile(shares, tail, axis=1),
            "high": np.percentile(shares, 100 - tail, axis=1),
        },
        index=[" × ".join(factors[axis] for axis in axes) for axes in _subsets(values.ndim)],
    )


def expected_best(values: npt.ArrayLike, trials: npt.ArrayLike) -> FloatArray:
    """Return the expected best of that many trials, each drawn from `values` with replacement.

    Source: Dodge et al. 2019, Show Your Work, equation 2; `trials` (k,) gives (k,).
    """
    ordered = np.sort(np.asarray(values, float))
    below = np.arange(ordered.size + 1) / ordered.size  # the chance that a trial is at most each
    return np.diff(below ** np.asarray(trials, float)[:, None], axis=1) @ ordered


def _subsets(factors: int) -> list[tuple[int, ...]]:
    """Return the factors that act alone or together, as their axes: single ones first."""
    sizes = range(1, factors + 1)
    return [axes for size in sizes for axes in combinations(range(factors), size)]


def _components(tables: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Return the variance of each of `_subsets`: (subsets, ...) of tables (..., *sizes)."""
    subsets = _subsets(len(sizes))
    last = tuple(range(-len(sizes), 0))  # the factors' axes
    left = tables - tables.mean(last, keepdims=True)
    found: dict[tuple[int, ...], FloatArray] = {}
    for axes in subsets:  # what these factors do beyond fewer of them
        others = tuple(last[n] for n in range(len(sizes)) if n not in axes)
        effect = left.mean(others, keepdims=True)
        left = left - effect
        freedom = prod(sizes[n] - 1 for n in axes)
        found[axes] = (effect**2).sum(last) / freedom  # the mean square, one run per cell
    for axes in reversed(subsets):  # expected: its own variance and a share of those it is part of
        for more in subsets:
            if {*axes} < {*more}:
                runs = prod(n for axis, n in enumerate(sizes) if axis in {*more} - {*axes})
                found[axes] = found[axes] - found[more] / runs
    return np.maximum([found[axes] for axes in subsets], 0.0)
