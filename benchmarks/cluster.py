"""Throughput of a Dask cluster of two workers on this machine, against one of them.

    python -m benchmarks.cluster

trains ten seeds of 1 x 128 at batch 64 on one worker, then on both, alternately, and prints the
medians and their ratio. The workers are warm: they have trained before. Needs the extra
`[cluster]`, and two cores with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.sources import locate
from fmnist_lab.sweeps.sweep import sweep

SEEDS = 10
START = 300.0  # seconds that a process may take to start


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--epochs", type=int, default=5, help="of each run")
    parser.add_argument("--rounds", type=int, default=5, help="of one worker, then two")
    given = parser.parse_args(arguments)
    one, two = throughputs(given.epochs, given.rounds)
    print(f"{SEEDS} seeds of 1 x 128, batch 64, {given.epochs} epochs; medians of {given.rounds}")
    print(f"one worker:  {one:.2f} runs/s")
    print(f"two workers: {two:.2f} runs/s")
    print(f"ratio:       {two / one:.2f}")


def throughputs(epochs: int, rounds: int) -> tuple[float, float]:
    """Return the runs per second of one worker and of two, medians of alternating rounds."""
    from distributed import Client

    configs = [Config(batch_size=64, epochs=epochs, seed=seed) for seed in range(SEEDS)]
    with store(), cluster(workers=2) as address, Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=START)
        names = list(client.nthreads())
        crews = [client.get_executor(workers=some, pure=False) for some in (names[:1], names)]
        for name in names:
            throughput(client.get_executor(workers=[name], pure=False), configs[:1])
        measured = [[throughput(crew, configs) for crew in crews] for _ in range(rounds)]
    one, two = zip(*measured, strict=True)
    return statistics.median(one), statistics.median(two)


def throughput(executor: Executor, configs: list[Config]) -> float:
    """Return how many of these runs an executor trains per second; none is on record."""
    shutil.rmtree(records.home() / "runs", ignore_errors=True)
    started = time.perf_counter()
    sweep(configs, executor=executor, progress=False)
    return len(configs) / (time.perf_counter() - started)


@contextmanager
def store() -> Iterator[None]:
    """Use an empty store, with a link to the data set, here and in processes started here."""
    root = locate()
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "data").symlink_to(root)
        with patch.dict(os.environ, FMNIST_LAB_HOME=home):
            yield


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start a scheduler and workers on the loopback interface; yield the scheduler's address."""
    dask = [sys.executable, "-m", "dask"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def start(*words: str) -> None:
            process = subprocess.Popen(
                [*dask, *words, "--no-dashboard", "--host=127.0.0.1"],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)

        file = folder / "scheduler.json"
        start("scheduler", "--port=0", f"--scheduler-file={file}")
        deadline = time.monotonic() + START
        while not (file.exists() and file.read_text().endswith("}")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no scheduler started within {START:g} s.")
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        for number in range(workers):
            local = f"--local-directory={folder / str(number)}"
            start("worker", address, "--nthreads=1", "--no-nanny", local)
        yield address


if __name__ == "__main__":
    main()
