"""Who trains: workers here or in a cluster, how long they take, how much memory they have."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

import psutil
import torch

from fmnist_lab.config import PRECISIONS, Config, ConfigError, shown
from fmnist_lab.training import environment
from fmnist_lab.training.memory import training_bytes

from . import cluster
from .progress import duration, estimate, settings_text, speed

STARTING = 5.0  # seconds until a process trains: it imports PyTorch and loads the images
LONGEST = 24 * 3600.0  # seconds that a sweep may take at most unless the user insists
ANYWAY = "FMNIST_LAB_ANYWAY"  # the environment variable that insists
# What a process holds whatever it trains: PyTorch and the images, in both types. Measured with
# `tests/sweeps/test_crew.py`, like the rest of `memory`.
BYTES_AT_REST = 1.1e9


class TooLarge(ConfigError):
    """A sweep that its workers cannot hold, or that takes days; the message says how to insist."""


def resolve(device: str) -> str:
    """Return the device to train on: "cpu", "cuda" or "cuda:N"; "auto" takes a GPU if there is one.

    Raises `ConfigError` if the name is unknown or the machine has no such device.
    """
    count = torch.cuda.device_count()
    allowed = ["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{n}" for n in range(count))]
    if not isinstance(device, str) or device not in allowed:
        sentence = f"device is {shown(device)}; this machine allows {', '.join(allowed)}."
        if isinstance(device, str) and device.startswith("mps"):
            sentence += " Apple's GPU is refused: nobody has checked what is trained on one."
        raise ConfigError(sentence)
    return ("cuda" if count else "cpu") if device == "auto" else device


def memory(config: Config, members: int = 1) -> float:
    """Return about how many bytes training a stack of `members` needs at its peak, at most."""
    return BYTES_AT_REST + training_bytes(config, members)


def free(device: str) -> float:
    """Return the bytes of memory that a device has free."""
    if device == "cpu":
        return psutil.virtual_memory().available
    return torch.cuda.mem_get_info(device)[0]


@dataclass(frozen=True)
class Worker:
    """A core or a GPU that trains, wherever it is."""

    device: str  # of its own machine: "cpu", "cuda" or "cuda:N"
    speeds: Mapping[str, float]  # floating-point operations per second, by precision
    memory: float  # free bytes of the device, shared by all of its workers

    @classmethod
    def here(cls, device: str) -> Worker:
        """Return a worker on this machine."""
        device = resolve(device)
        speeds = {precision: speed(device, precision) for precision in PRECISIONS}
        return cls(device, speeds, free(device))

    def seconds(self, configs: Sequence[Config]) -> float:
        """Return the most seconds that training these takes, one after the other."""
        return sum(estimate(config, self.speeds) for config in configs)


@dataclass(frozen=True)
class Crew:
    """Those who train together: an executor's workers or, without one, this machine's."""

    workers: list[Worker]
    executor: Executor | None = None
    called: str = ""  # at the end of a sentence
    # What a stack's future raises when the stack ended the processes that worked on it.
    killed: type[Exception] = BrokenExecutor

    def stacks(self, missing: Sequence[Config]) -> list[list[Config]]:
        """Return the stacks to train, the cheapest first: all seeds of a setting, or one run each.

        On a CPU stacks gain nothing over processes: one network keeps a core busy. So runs are
        single if any worker has a CPU.
        """
        on_cpu = [worker for worker in self.workers if worker.device == "cpu"]
        worker = (on_cpu or self.workers)[0]
        configs = sorted(missing, key=lambda c: (worker.seconds([c]), str(replace(c, seed=0))))
        if on_cpu:
            return [[config] for config in configs]
        return [list(stack) for _, stack in groupby(configs, lambda c: replace(c, seed=0))]

    def at_once(self, missing: Sequence[Config]) -> int:
        """Return how many of this machine's workers there is work and memory for, at least one.

        One needs no process of its own, so it is one if the work is done before others start.
        """
        if self.workers[0].seconds(missing) < STARTING:
            return 1
        fitting = self.workers[0].memory // max(memory(*needs) for needs in self._sizes(missing))
        return max(1, min(len(self.workers), len(self.stacks(missing)), int(fitting)))

    def seconds(self, missing: Sequence[Config]) -> float:
        """Return the most seconds that all workers together take."""
        alone = sorted(worker.seconds(missing) for worker in self.workers)
        count = len(self.stacks(missing)) if self.executor is not None else self.at_once(missing)
        return 1 / sum(1 / time for time in alone[:count])

    def estimate_text(self, missing: Sequence[Config]) -> str:
        """Say how many runs will be trained and how long that takes at most."""
        devices = ", ".join(sorted({worker.device for worker in self.workers}))
        takes = at_most(self.seconds(missing))
        return f"Training {len(missing)} run(s) on {devices}: {takes}{self.called}."

    def admit(self, missing: Sequence[Config]) -> None:
        """Raise `TooLarge` for a run that no worker has memory for, or a sweep that takes days."""
        largest = max(self._sizes(missing), key=lambda needs: memory(*needs))
        needed, free = memory(*largest), max(worker.memory for worker in self.workers)
        faults = []
        if needed > free:
            faults.append(
                f"{settings_text(largest[0])} needs about {needed / 1e9:.1f} GB of memory;"
                f" {free / 1e9:.1f} GB are free."
            )
        if self.seconds(missing) > LONGEST:
            faults.append(self.estimate_text(missing))
        if faults:
            raise TooLarge(
                "\n".join(faults) + f"\nTo train it all the same, set {ANYWAY}=1: before the"
                f" command, or in a notebook's first cell by %env {ANYWAY}=1."
            )

    def _sizes(self, missing: Sequence[Config]) -> list[tuple[Config, int]]:
        """Return each stack's first config and how many are in it."""
        return [(stack[0], len(stack)) for stack in self.stacks(missing)]


@contextmanager
def assemble(device: str, executor: Executor | None, address: str | None) -> Iterator[Crew]:
    """Yield the workers of an executor, of the cluster at an address, or of this machine."""
    if executor is not None:  # nothing says how many it has
        yield Crew([executor.submit(Worker.here, device).result()], executor, " on one worker")
    elif address is not None:
        with cluster.connect(address) as connected:
            workers = connected.ask(Worker.here, device)
            called = f" on {len(workers)} worker(s)"
            yield Crew(workers, connected.executor(), called, connected.killed)
    else:
        own = Worker.here(device)
        yield Crew([own] * (environment.usable_cpus() if own.device == "cpu" else 1))


def at_most(seconds: float) -> str:
    """Say how long starting, then `seconds` of training, take at most."""
    seconds += STARTING
    return "under 10 s" if seconds < 10 else f"at most {duration(seconds)}"


def insisted() -> bool:
    """Return whether the user insists on what is too large; raise `ConfigError` if unclear."""
    if (word := os.environ.get(ANYWAY, "")) not in ("", "1"):
        raise ConfigError(f"{ANYWAY} is {shown(word)}; it must be 1, or not be set.")
    return bool(word)
