"""What has changed about the verdicts: readings, rules, and looks at more runs.

An entry stands here before its verdicts are shown. `tests/verdicts/test_log.py` holds the last
entry of each verdict against the verdict itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from .rules import Name


@dataclass(frozen=True)
class Moved:
    """A verdict that an entry changed."""

    claim: str
    how: str  # as run or as claimed
    before: Name
    after: Name

    def __str__(self) -> str:
        return f"{self.claim} {self.how}: {self.before} → {self.after}"


@dataclass(frozen=True)
class Entry:
    """A change, when it was made and what was known by then."""

    date: str  # ISO 8601
    commit: str  # empty for the commit that adds the entry
    what: str
    known: str
    moved: tuple[Moved, ...] = ()


LOG = (
    Entry(
        "2026-11-23", "a1dd32d",
        "Fixed beforehand: settings, seeds, and the rules that choose a learning rate.",
        "194 runs at the report's learning rates: ten seeds of the small networks, one to three of "
        "the wide ones; and the verdicts on them.",
    ),
    Entry(
        "2026-11-24", "1273f01",
        "C4 is read of every setting, no more of their average.",
        "Most of its runs, and that some of them end at the cap. Averaged, patience saves 31 % of "
        "the epochs.",
        (Moved("C4", "as run", "supported", "not supported"),),
    ),
    Entry(
        "2026-11-24", "1eb26c0",
        "B4 and C3 take epochs times the time of one, measured in one sitting, for the time.",
        "The times that the runs themselves had recorded, each on its day.",
    ),
    Entry(
        "2026-11-26", "57ff946",
        "Two more seeds for S1 and D4, which rested on three.",
        "S1 was supported; D4 was inconclusive, at p = 0.068.",
        (Moved("D4", "as claimed", "inconclusive", "supported"),),
    ),
    Entry(
        "2026-11-26", "5e69ddb",
        "Ten seeds, not five, of the wide settings as run; the second five on a GPU.",
        "The verdicts on five seeds.",
        (
            Moved("D1", "as run", "inconclusive", "supported"),
            Moved("D3", "as run", "inconclusive", "supported"),
            Moved("W3", "as run", "inconclusive", "supported"),
            Moved("M1", "as run", "supported", "not supported"),
        ),
    ),
    Entry(
        "2026-11-28", "a93533e",
        "Fixed beforehand: nested tuning of losses, batch sizes and 2 × 512; crossed streams.",
        "Every verdict, and that the luck of the chosen rates was in no interval.",
    ),
    Entry(
        "2026-11-28", "5e5382b",
        "Every test of a chapter is corrected with it, printed figures and best-of claims too; a "
        "claim that is rejected because one of its parts is needs that.",
        "Every verdict, and that M1 hung on a figure rejected at p = 0.036 among three.",
        (
            Moved("M1", "as run", "not supported", "inconclusive"),
            Moved("W1", "as claimed", "supported but immaterial", "inconclusive"),
        ),
    ),
    Entry(
        "2026-11-28", "5e5382b",
        "Supported says that an effect is there; that it matters, or does not, only where that is "
        "shown too. It was a matter of the estimate before.",
        "Every verdict.",
        (
            Moved("D3", "as run", "supported", "supported but size open"),
            Moved("B3", "as run", "supported", "supported but size open"),
            Moved("W2", "as claimed", "supported", "supported but size open"),
        ),
    ),
    Entry(
        "2026-11-28", "5e5382b",
        "C4 has its first reading back; the other stands beside it. Its chapter has 14 tests now, "
        "of 40 before, which is why G2 changes.",
        "That the first reading is supported, and that the second was chosen with its runs there.",
        (
            Moved("C4", "as run", "not supported", "supported"),
            Moved("G2", "as run", "inconclusive", "not supported"),
        ),
    ),
    Entry(
        "2026-11-28", "5e5382b",
        "C2 compares the gap alone. The rise of the validation loss is withdrawn: patience ends a "
        "run five epochs after its lowest, so it cannot rise far, whatever the network.",
        "That C2 was rejected by that part, as equivalent.",
        (Moved("C2", "as run", "not supported", "inconclusive"),),
    ),
    Entry(
        "2026-11-28", "5e5382b",
        "R3, as claimed, is counted and not tested: the settings tuned are no sample of others.",
        "That none of the nine has its best rate in the range.",
    ),
)  # fmt: skip


def changed_on(claim: str) -> list[str]:
    """Return the dates on which a verdict on a claim changed."""
    dates = (entry.date for entry in LOG if any(moved.claim == claim for moved in entry.moved))
    return list(dict.fromkeys(dates))
