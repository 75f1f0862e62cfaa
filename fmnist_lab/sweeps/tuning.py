"""How a learning rate is chosen: from a whole grid, or from a bracket around the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Bracket(NamedTuple):
    """The rates to run, as far as accuracies tell, and the one chosen once they tell."""

    rates: tuple[float, ...]
    chosen: float | None = None

    def reason(self, grid: Sequence[float]) -> str:
        """Say why rates outside cannot change the choice."""
        if self.chosen is None:
            return "not chosen yet"
        if len(self.rates) == len(grid):
            return "every rate was run"
        return "accuracy falls on either side of the best, and has one hump"


def bracket(
    accuracies: Mapping[float, float], grid: Sequence[float], guess: float | None
) -> Bracket:
    """Return the bracket that a guess and the accuracies of some rates lead to.

    It starts at three neighbouring rates of the ascending grid around the guess and is extended
    by one at a time until a worse rate stands on either side of the best, or the grid ends; of
    equally good rates the lowest is best. Without a guess it is the whole grid.
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
