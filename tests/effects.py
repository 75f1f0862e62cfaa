"""Effects made to measure."""

import math

import numpy as np

from fmnist_lab.verdicts.statistics import (
    Effect,
    mean_interval,
)


def effect(mean: float, sd: float, n: int = 10) -> Effect:
    """Measure differences with exactly this mean and standard deviation."""
    spread = np.arange(n) - (n - 1) / 2
    return mean_interval(mean + sd * spread / max(1e-9, math.sqrt(spread @ spread / max(1, n - 1))))
