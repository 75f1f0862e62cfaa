"""How tutorials train, and what training as they say leaves behind.

`python -m benchmarks.recipes` trains them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .records import damaged, unsealed

FOLDER = Path(__file__).parent / "trials"  # of the published trials, a file per recipe
# By name: `title`, `cite` (keys of book/references.bib) and the settings.
RECIPES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Trial:
    """One training by a recipe; accuracies are fractions, one per epoch.

    `train_accuracy` is the running mean over an epoch's batches, each taken before its step, as
    Keras prints it; `test_accuracy_by_batch` the plain mean over test batches, the last of which
    is smaller, as some tutorials print it; `validation_accuracy` is of the images held out, if any.
    """

    recipe: str
    seed: int
    settings: dict[str, Any]
    data: str  # the data set's digest
    history: dict[str, list[float]]
    seconds: float  # the trial's share of the wall time of those trained beside it
    environment: dict[str, Any]


def read(path: Path) -> list[Trial]:
    """Read a file of trials, one per line. Raises `DamagedError` if a single byte has changed."""
    try:
        return [Trial(**unsealed(line)) for line in path.read_bytes().splitlines(keepends=True)]
    except (ValueError, TypeError) as fault:
        raise damaged(f"{path}", f"{fault}") from fault


@cache
def trials(recipe: str) -> list[Trial]:
    """Return a recipe's published trials, by seed; none if it has not been run yet."""
    path = FOLDER / f"{recipe}.jsonl"
    return read(path) if path.exists() else []
