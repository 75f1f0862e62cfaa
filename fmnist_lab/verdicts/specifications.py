"""How far a verdict depends on choices that others might make differently: specification curves.

The verdicts under every combination of them are in `specifications.json`, because computing them
takes minutes: `python -m benchmarks.specifications` writes it. The idea is that of Simonsohn,
Simmons & Nelson 2020, Specification curve analysis.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .rules import Name

TABLE = Path(__file__).with_name("specifications.json")
# What one might do differently, by the choice it departs from; the book's own has no name.
DEPARTURES = {
    "images": ("test images",),
    "epoch": ("last epoch",),
    "reading": ("other reading",),
    "margin": ("margin 0.2", "margin 0.5"),  # points; ratios in proportion
    "correction": ("uncorrected",),
    "seeds": ("CPU seeds",),
    "rate": ("runner-up rate",),
}
AGREEING = 0.8  # the share of specifications below which a verdict is fragile


@dataclass(frozen=True)
class Curve:
    """A verdict under every specification, by its departures; the book's own has none."""

    names: dict[frozenset[str], Name]

    @property
    def share(self) -> float:
        """The share of specifications that agree with the book's, whatever the effect's size."""
        return agreement(self.names, self.names[frozenset()])

    @property
    def fragile(self) -> bool:
        return self.share < AGREEING

    @property
    def hinge(self) -> str:
        """The departure that costs most of the agreement."""

        def lost(departure: str) -> float:
            sides: list[dict[frozenset[str], Name]] = [{}, {}]
            for made, name in self.names.items():
                sides[departure in made][made] = name
            book = self.names[frozenset()]
            return agreement(sides[0], book) - agreement(sides[1], book)

        return max(sorted(frozenset().union(*self.names)), key=lost)

    @property
    def told(self) -> str:
        """How many specifications agree, and what that depends on most, as a clause."""
        agree = f"{round(self.share * len(self.names))} of {len(self.names)}"
        return f"{agree} specifications agree; the choice that matters most: {self.hinge}"


def agreement(names: dict[frozenset[str], Name], book: Name) -> float:
    """Return the share of verdicts that say what the book's says, whatever the size."""
    size = " but "
    same = [name.split(size)[0] == book.split(size)[0] for name in names.values()]
    return sum(same) / len(same)


@cache
def curves() -> dict[tuple[str, str], Curve]:
    """Return the published verdicts' curves by claim and "as run" or "as claimed"."""
    return {
        (verdict[:2], verdict[3:]): Curve(
            {frozenset(made.split(", ")) - {""}: name for made, name in names.items()}
        )
        for verdict, names in json.loads(TABLE.read_text()).items()
    }
