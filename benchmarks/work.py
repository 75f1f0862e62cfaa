"""What is trained: the workloads, a share of an epoch, and what a trainer must report."""

from __future__ import annotations

import json
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fmnist_lab.training.shapes import INPUT_DIM, OUTPUT_DIM, layer_sizes, parameter_count

IMAGES = 48_000  # in an epoch: the book's training split
LEARNING_RATE = 2.05e-4  # of Adam; its other settings are PyTorch's defaults:
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
CLASSES, PIXELS = OUTPUT_DIM, INPUT_DIM
JUDGED = 500  # training images on which a trainer's loss is checked
LEAST = 5  # steps in a share of an epoch, at least

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Workload:
    """One kind of training: a network, a batch size, and the cores that all may use."""

    depth: int  # hidden layers
    width: int
    batch: int  # images per step
    cores: int
    seeds: int = 1  # networks that are trained
    images: int = IMAGES  # per epoch
    precision: str = "float32"  # or bfloat16: of the products' operands
    device: str = "cpu"  # or cuda, which computes; the cores feed it

    @property
    def title(self) -> str:
        """Return the workload in words."""
        network = f"{self.depth} × {self.width}, batch {self.batch}"
        if self.precision != "float32":
            network += f", {self.precision}"
        return network if self.seeds == 1 else f"{self.seeds} seeds of {network}"

    @property
    def steps(self) -> int:
        """Return the steps of an epoch of one network; the last may be smaller."""
        return -(-self.images // self.batch)

    @property
    def threads(self) -> int:
        """Return how many threads compute a network: all cores, or one if there are many seeds."""
        return self.cores if self.seeds == 1 else 1

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Return (inputs, outputs) of each layer."""
        return layer_sizes(self.depth, self.width)

    @property
    def parameters(self) -> int:
        """Return the weights and biases of one network."""
        return parameter_count(self.depth, self.width)


WORKLOADS = {
    "1x128-b1": Workload(1, 128, 1, cores=1),
    "1x128-b16": Workload(1, 128, 16, cores=1),
    "1x128-b64": Workload(1, 128, 64, cores=1),
    "2x512-b256": Workload(2, 512, 256, cores=2),
    "2x4192-b512": Workload(2, 4192, 512, cores=2),
    "4x2096-b512": Workload(4, 2096, 512, cores=2),
    "2x4192-b512-bf16": Workload(2, 4192, 512, cores=2, precision="bfloat16"),
    "4x2096-b512-bf16": Workload(4, 2096, 512, cores=2, precision="bfloat16"),
    "10-seeds": Workload(1, 128, 64, cores=2, seeds=10),
}


@dataclass(frozen=True, eq=False)  # eq would compare arrays, which gives no bool
class Work:
    """A workload with its data: what a trainer gets to train."""

    workload: Workload  # its `images` are those below
    pixels: npt.NDArray[np.float32]  # (n, 784) in [0, 1]
    labels: npt.NDArray[np.int64]  # (n,)
    seed: int = 0  # of the first network; the others' follow

    def members(self) -> Iterator[Work]:
        """Yield the work of each seed alone."""
        for seed in range(self.seed, self.seed + self.workload.seeds):
            yield replace(self, workload=replace(self.workload, seeds=1), seed=seed)


def prepare(folder: Path) -> None:
    """Write the training images (48000, 784) and their labels where a `Host` finds them."""
    from fmnist_lab import data

    everything, (train, _) = data.load(), data.split(0)
    np.save(folder / "pixels.npy", everything.images[train].numpy())
    np.save(folder / "labels.npy", everything.labels[train].numpy())


def as_json(results: dict[str, Any]) -> bytes:
    """Return results in the form of the book's files."""
    return f"{json.dumps(results, indent=1)}\n".encode()


def share(workload: Workload, seconds_a_step: float, limit: float) -> int:
    """Return how many images a trainer of that speed sees in `limit` seconds.

    All of them, or 5, 10, 20, 50, 100 … steps of them, so that few different shares occur.
    """
    round_numbers = (digit * 10**power for power in range(6) for digit in (1, 2, 5))
    rungs = [steps for steps in round_numbers if LEAST <= steps < workload.steps]
    rungs.append(workload.steps)
    steps = max((n for n in rungs if n * seconds_a_step <= limit), default=rungs[0])
    return min(steps * workload.batch, workload.images)


def wait(device: str) -> None:
    """Return when the device has done what PyTorch asked of it."""
    if device != "cpu":
        from torch import cuda  # here, because JAX's processes do not need PyTorch

        cuda.synchronize()


class Timed(ABC):
    """Work that can be repeated; created in the process that does it."""

    @abstractmethod
    def epoch(self) -> None:
        """Do the work of one epoch; return when it is done."""

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, of all threads."""
        return time.process_time()

    def peak_bytes(self) -> int:
        """Return the most memory held so far."""
        return peak_bytes()

    def close(self) -> None:  # noqa: B027  # most have nothing to release
        """End what outlives the object."""


class Trainer(Timed):
    """Trains an epoch at a time, shuffling included, and can report what it did."""

    @abstractmethod
    def steps(self) -> int:
        """Return the optimiser's own count of the steps so far, of one network."""

    @abstractmethod
    def parameters(self) -> int:
        """Return the weights and biases of all networks."""

    @abstractmethod
    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        """Return class scores, up to a constant per image: (n, 10), or (S, n, 10) of S networks."""


class InTurn(Trainer):
    """Trains the networks of several seeds one after another, each with its own trainer."""

    def __init__(self, kind: Callable[[Work], Trainer], work: Work):
        self.trainers = [kind(member) for member in work.members()]

    def epoch(self) -> None:
        for trainer in self.trainers:
            trainer.epoch()

    def steps(self) -> int:
        (steps,) = {trainer.steps() for trainer in self.trainers}
        return steps

    def parameters(self) -> int:
        return sum(trainer.parameters() for trainer in self.trainers)

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return np.stack([trainer.logits(pixels) for trainer in self.trainers])


def loss(trainer: Trainer, work: Work) -> float:
    """Return the mean cross-entropy of a trainer's networks on some of the training images."""
    scores = trainer.logits(work.pixels[:JUDGED]).astype(float)  # (..., n, 10)
    scores -= scores.max(-1, keepdims=True)
    right = scores[..., np.arange(scores.shape[-2]), work.labels[:JUDGED]]  # (..., n)
    return float((np.log(np.exp(scores).sum(-1)) - right).mean())


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the parent held before this process was started
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
