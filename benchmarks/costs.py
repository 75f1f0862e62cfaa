"""What using the package costs besides training: `python -m benchmarks.costs`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fmnist_lab.sources import locate
from fmnist_lab.training.environment import usable_cpus

from .work import as_json

IMPORTED = ("torch", "fmnist_lab", "fmnist_lab.sweeps.sweep", "fmnist_lab.chapter")
TIMED = "import time; start = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"
READ = """
import time
from fmnist_lab.runs.records import read_published
start = time.perf_counter()
count = len(read_published())
print(time.perf_counter() - start, count)
"""
MEMORY = """
import torch
from fmnist_lab.config import Config
from fmnist_lab.training.model import initial_network
from fmnist_lab.training.shapes import parameter_count
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training
networks = [initial_network(1, 128, seed) for seed in range(4)]
pixels, targets = torch.rand(1, 784), torch.rand(10, 1)
training = Training(Stack.of(networks, pixels, targets), pixels, targets, Config(train_size=1))
largest = [tensor for tensor in training.held() if tensor.numel() >= training.stack.flat.numel()]
print(sum({id(t): t.nbytes for t in largest}.values()) / (4 * parameter_count(1, 128)))
"""
SWEEP = """
import sys, time
from fmnist_lab.config import Config
from fmnist_lab.sweeps.sweep import sweep
seeds, epochs, train_size = map(int, sys.argv[1:])
def configs(first):
    settings = dict(depth=1, width=128, batch_size=64, epochs=epochs, patience=epochs)
    return [
        Config(seed=seed, train_size=train_size, **settings)
        for seed in range(first, first + seeds)
    ]
sweep([Config(depth=1, width=128, batch_size=64, epochs=1, train_size=64)], progress=False)
start = time.perf_counter()
for config in configs(0):
    sweep([config], progress=False)
between = time.perf_counter()
sweep(configs(seeds), progress=False)
print(between - start, time.perf_counter() - between)
"""


def measure(
    repeats: int = 5, seeds: int = 10, epochs: int = 10, train_size: int = 48_000
) -> dict[str, Any]:
    """Return all costs; the last three parameters set the size of a sweep, in turn and together."""
    imports: dict[str, list[float]] = {module: [] for module in IMPORTED}
    reading = []
    for _ in range(repeats):
        for module, seconds in imports.items():
            seconds += [round(t, 3) for t in printed(TIMED.format(f"import {module}"))]
        taken, published = printed(READ)
        reading.append(round(taken, 4))
    (held,) = printed(MEMORY)
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "data").symlink_to(locate())
        in_turn, together = printed(
            SWEEP, seeds, epochs, train_size, environment={"FMNIST_LAB_HOME": home}
        )
    return {
        "import_seconds": imports,
        "published_runs": int(published),
        "read_published_seconds": reading,
        "stack_bytes_a_parameter": held,
        "sweep": {
            "seeds": seeds,
            "epochs": epochs,
            "train_size": train_size,
            "workers": min(usable_cpus(), seeds),
            "in_turn_seconds": round(in_turn, 2),
            "together_seconds": round(together, 2),
        },
    }


def printed(
    program: str, *arguments: int, environment: dict[str, str] | None = None
) -> list[float]:
    """Run a program in a new interpreter and return the numbers that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | (environment or {}), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(word) for word in done.stdout.split()]


if __name__ == "__main__":
    print(as_json(measure()).decode(), end="")
