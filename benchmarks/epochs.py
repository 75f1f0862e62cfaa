"""The time of an epoch, in one sitting, of each setting whose training time a verdict compares.

    python -m benchmarks.epochs

Recorded seconds depend on what else the machine did that day. Here all settings take turns on idle
cores; a verdict multiplies their median by each run's epochs (`verdicts.measures.SECONDS`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from fmnist_lab import data
from fmnist_lab.config import Config
from fmnist_lab.files import put
from fmnist_lab.sweeps.studies import BATCH_SIZE, BEST, SMALL
from fmnist_lab.training import environment, trainer
from fmnist_lab.verdicts.measures import EPOCHS, epoch_key

from .work import as_json

ROUNDS = 3


def settings() -> Iterator[Config]:
    """Yield the settings that claims B4 and C3 compare, C3's in both precisions."""
    for batch_size in BATCH_SIZE.values:
        yield replace(SMALL, batch_size=batch_size)
    for precision in ("float32", "bfloat16"):
        yield replace(BEST, precision=precision)
        for depth in (3, 4):
            yield replace(BEST, precision=precision, depth=depth, width=2096)


def seconds(config: Config, fashion: data.Data) -> float:
    """Return how long one epoch takes, validation included, as a run records it."""
    with environment.threads(config):
        for epoch in trainer.train([replace(config, epochs=1)], fashion, keep=frozenset()):
            return epoch.finished[0].seconds
    raise AssertionError("a training has an epoch")


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Return the seconds of an epoch of every setting, one per round, and where they were taken."""
    fashion = data.load("cpu")
    found: dict[str, list[float]] = {}
    for n in range(rounds):
        for config in settings():
            found.setdefault(epoch_key(config), []).append(round(seconds(config, fashion), 4))
            print(f"round {n + 1}: {epoch_key(config)}", found[epoch_key(config)], file=sys.stderr)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": environment.commit(),
        "processor": environment.processor(),
        "cores": environment.usable_cpus(),
        "seconds": found,
    }


if __name__ == "__main__":
    put(Path(EPOCHS), as_json(measure()))
