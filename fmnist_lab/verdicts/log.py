"""What has changed about the verdicts: readings, rules, and looks at more runs.

They are in `log.toml`; an entry comes before its verdicts are shown. `tests/verdicts/test_log.py`
compares the last entry of each verdict with the verdict itself.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

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


# In order of time.
LOG = tuple(
    Entry(**(each | {"moved": tuple(Moved(*words) for words in each.get("moved", ()))}))
    for each in tomllib.loads(Path(__file__).with_name("log.toml").read_text())["entry"]
)


def changed_on(claim: str) -> list[str]:
    """Return the dates on which a verdict on a claim changed: a first verdict is no change."""
    dates = [e.date for e in LOG for m in e.moved if m.claim == claim and m.before != "not run yet"]
    return list(dict.fromkeys(dates))
