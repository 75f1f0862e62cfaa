"""Let a workload's trainers take turns, check that they did the same work, and keep the times."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from fmnist_lab.facts.benchmark import SCHEMA
from fmnist_lab.training.environment import commit, processor, usable_cpus

from .host import Host, State
from .remote import Remote, RemoteError, limited
from .trainers import SINGLE, Entry, entries
from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Workload

PACKAGES = (
    "fmnist-lab", "torch", "torchvision", "numpy", "scikit-learn", "skorch", "lightning", "keras",
    "jax",
)  # fmt: skip
# Losses after an epoch, or a share of one, depend on initial weights and order: scikit-learn and
# Keras start from their own weights (seen: a factor of 1.26 after 50 steps).
SAME_LOSS = 1.5

Say = Callable[[str], None]


class OtherWorkError(ValueError):
    """A trainer did not do the work of the workload; the message says in what way."""


def head(repeats: int, limit: float, device: str = "cpu") -> dict[str, Any]:
    """Return what a reader of the results needs to know about the machine and the settings."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    gpu = {} if device == "cpu" else {"gpu": torch.cuda.get_device_name(device)}
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": {
            "processor": processor(),
            "cores": usable_cpus(),
            "memory_gib": round(memory / 2**30, 1),
            "system": platform.system(),
            **gpu,
        },
        "versions": versions,
        "adam": {"learning_rate": LEARNING_RATE, "betas": [BETA1, BETA2], "epsilon": EPSILON},
        "repeats": repeats,
        "limit_seconds": limit,
        "workloads": {},
    }


def measure(
    workload: Workload, names: Container[str], folder: Path, repeats: int, limit: float, say: Say
) -> Iterator[dict[str, Any]]:
    """Yield, after each round, the times so far of the trainers in `names` that take part.

    `folder` contains the data (`work.prepare`). A trainer that fails is named and left out.
    """
    found: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    remotes: dict[str, Remote] = {}

    def leave_out(name: str, entry: Entry, fault: Exception) -> None:
        say(f"  {entry.label} is left out: {fault}")
        left_out[name] = str(fault)
        remotes.pop(name).close()
        found.pop(name, None)

    given = workload.cores, workload.threads, workload.device
    with limited(*given) as cores, ExitStack() as stack:
        shape = describe(workload, cores)
        judge = Judge(workload, folder)
        stack.callback(judge.close)
        taking_part = {n: entry for n, entry in entries(workload).items() if n in names}
        for name, entry in taking_part.items():
            remotes[name] = Remote(Host, entry, folder, workload)
            stack.callback(remotes[name].close)
            try:
                state: State = remotes[name].ask("start", limit)
                if not entry.floor:
                    check(state, workload, judge.loss(state["images"]))
            except (RemoteError, OtherWorkError) as fault:
                leave_out(name, entry, fault)
                continue
            about = {"label": entry.label, "what": entry.what, "floor": entry.floor}
            found[name] = {**about, **state, "seconds": [], "cpu_seconds": []}
            say(f"  {entry.label}: {state['images']:,} of {workload.images:,} images per epoch")
        judge.close()
        for number in range(repeats):
            say(f"  round {number + 1} of {repeats}")
            for name in list(remotes):
                try:
                    note(found[name], workload, *remotes[name].ask("epoch"))
                    found[name]["peak_bytes"] = remotes[name].ask("peak_bytes")
                except RemoteError as fault:
                    leave_out(name, taking_part[name], fault)
            yield {**shape, "trainers": found, "left_out": left_out}


def describe(workload: Workload, cores: int) -> dict[str, Any]:
    """Return a workload's part of the results before its first trainer; it has `cores` cores."""
    shape = {
        name: getattr(workload, name)
        for name in ("title", "depth", "width", "batch", "seeds", "precision")
    }
    size = {"images": workload.images, "steps": workload.steps, "parameters": workload.parameters}
    return {**shape, **size, "cores": cores, "load_before": round(os.getloadavg()[0], 2)}


def note(found: dict[str, Any], workload: Workload, seconds: float, cpu_seconds: float) -> None:
    """Add the time of an epoch, scaled to a whole one if it was a share."""
    scale = workload.images / found["images"]
    found["seconds"].append(float(f"{scale * seconds:.4g}"))
    found["cpu_seconds"].append(float(f"{scale * cpu_seconds:.4g}"))


class Judge:
    """Knows what loss to expect: that of the expert's loop on the same images."""

    def __init__(self, workload: Workload, folder: Path):
        self.given = SINGLE["expert"], folder, replace(workload, seeds=1)
        self.losses: dict[int, float] = {}
        self.remote: Remote | None = None

    def loss(self, images: int) -> float:
        """Return the loss after one epoch of that many images."""
        if images not in self.losses:
            self.remote = self.remote or Remote(Host, *self.given)
            self.losses[images] = self.remote.ask("start", 0.0, images)["loss"]
        return self.losses[images]

    def close(self) -> None:
        """End its process, if it had to start one."""
        if self.remote is not None:
            self.remote.close()
            self.remote = None


def check(state: State, workload: Workload, expected: float) -> None:
    """Raise `OtherWorkError` unless a trainer's network and steps are right and its loss about."""
    steps = -(-state["images"] // workload.batch)
    for what, wanted in (("parameters", workload.parameters * workload.seeds), ("steps", steps)):
        if state[what] != wanted:  # type: ignore[literal-required]
            found = state[what]  # type: ignore[literal-required]
            raise OtherWorkError(f"{what} are {found:,}; the workload has {wanted:,}.")
    loss = state["loss"]
    if loss is None or not expected / SAME_LOSS <= loss <= expected * SAME_LOSS:
        raise OtherWorkError(
            f"the loss after an epoch is {loss}; it should be {expected:.3f}, give or take a "
            f"factor of {SAME_LOSS}."
        )
