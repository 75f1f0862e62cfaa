"""Train a stack of networks: epochs, patience, evaluation; one Run a member."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fmnist_lab.config import Config
from fmnist_lab.data import Data, generator, split
from fmnist_lab.runs.run import HISTORY, Run, pack

from .losses import CLASSES, LOSSES
from .model import INPUT_DIM, OUTPUT_DIM, FashionClassifier, initial_network, parameter_count
from .stack import Stack, Training

# Images evaluated at once: the activations of 2 x 4192 stay under 17 MB a layer and member.
CHUNK = 1000
# A step of at least this much arithmetic is worth a second thread: below it, threads wait for
# each other longer than they compute (measured: 1 x 128 slows down, 2 x 512 at batch 256 gains).
THREADED_STEP = 1e9  # floating-point operations


@dataclass(frozen=True)
class Epoch:
    """What `train` yields after each epoch."""

    number: int  # 1-based
    metrics: dict[int, dict[str, float | None]]  # seed -> this epoch's history entries
    finished: list[Run]  # members that stopped after this epoch


@dataclass
class Member:
    """One network's bookkeeping while it trains."""

    config: Config
    order: torch.Generator  # shuffles its training images
    train: Tensor  # (train_size,) indices
    validation: Tensor  # (12000,) indices
    history: dict[str, list[float | None]] = field(
        default_factory=lambda: {name: [] for name in HISTORY}
    )
    step_losses: list[float] = field(default_factory=list)
    best_epoch: int = 0

    @classmethod
    def of(cls, config: Config) -> Member:
        train, validation = split(config.seed)
        order = generator(config.seed, "order")
        return cls(config, order, train[: config.train_size], validation)

    def shuffled(self) -> Tensor:
        """Return the training images' indices in a new order."""
        return self.train[torch.randperm(len(self.train), generator=self.order)]

    def note(self, row: Sequence[float]) -> bool:
        """Append an epoch's metrics; return whether its validation loss is the lowest yet."""
        for name, value in zip(HISTORY, row, strict=True):
            self.history[name].append(finite(value))
        losses = [math.inf if loss is None else loss for loss in self.history["validation_loss"]]
        improved = losses[-1] < min(losses[:-1], default=math.inf)
        if improved:
            self.best_epoch = len(losses)
        return improved

    def latest(self) -> dict[str, float | None]:
        """Return the last epoch's metrics."""
        return {name: values[-1] for name, values in self.history.items()}

    def stopped_by(self) -> str | None:
        """Return why training ends after this epoch, or None."""
        epochs = len(self.history["seconds"])
        if None in (self.history["train_loss"][-1], self.history["validation_loss"][-1]):
            return "divergence"
        if epochs - self.best_epoch >= self.config.patience:
            return "patience"
        return "epochs" if epochs >= self.config.epochs else None


def train(
    configs: Sequence[Config],
    data: Data,
    *,
    dtype: torch.dtype = torch.float32,
    keep: frozenset[str] = frozenset({"predictions"}),
) -> Iterator[Epoch]:
    """Train networks that differ only in their seed, on the device where `data` lies.

    `dtype` is the type of parameters, losses and, unless the config's precision is bfloat16, of
    products. Yields an `Epoch` after each; members that stop (patience, cap or divergence) come
    out of it as Runs and leave the stack. `keep` names what a Run holds besides its metrics:
    "predictions" (of the test images) and "step_losses".

    Raises `ValueError` if the configs differ in more than the seed, or share one.
    """
    config = common(configs)
    operands = torch.bfloat16 if config.precision == "bfloat16" else dtype
    images = Images.of(data, dtype, operands)
    members = [Member.of(c) for c in configs]
    stack = Stack([initial(c) for c in configs], images.pixels.device, dtype, operands)
    training = Training(stack, images.pixels, images.targets, config)
    for number in range(1, config.epochs + 1):
        started = time.perf_counter()
        order = torch.stack([member.shuffled() for member in members]).to(
            stack.flat.device
        )  # (S, N)
        validation = torch.stack([member.validation for member in members]).to(order.device)
        logits = training.epoch(order)  # (S, 10, N)
        losses, correct = score(logits, images.targets, order, config.loss)  # (S, N) each
        judged = score(
            predict(stack, images.pixels, validation), images.targets, validation, config.loss
        )
        means = torch.stack(
            [losses.mean(1), correct.mean(1), *(part.mean(1) for part in judged)], 1
        )
        rows = means.tolist()  # the epoch's only wait for the device
        seconds = (time.perf_counter() - started) / len(members)
        finished = []
        for index, member in enumerate(members):
            if "step_losses" in keep:
                member.step_losses += [
                    part.mean().item() for part in losses[index].split(config.batch_size)
                ]
            if member.note([*rows[index], seconds]):
                stack.keep_best(index)
            if member.stopped_by():
                finished.append(conclude(stack, index, member, data, images, keep))
        yield Epoch(number, {m.config.seed: m.latest() for m in members}, finished)
        if finished:
            left = [index for index, member in enumerate(members) if not member.stopped_by()]
            if not left:
                return
            members, stack = [members[i] for i in left], stack.select(left)
            training = Training(stack, images.pixels, images.targets, config)


@dataclass(frozen=True)
class Images:
    """The data as training wants it: pixels in the type of products, one-hot targets."""

    pixels: Tensor  # (60000, 784)
    targets: Tensor  # (10, 60000)
    test_pixels: Tensor  # (10000, 784)
    test_targets: Tensor  # (10, 10000)

    @classmethod
    def of(cls, data: Data, dtype: torch.dtype, operands: torch.dtype) -> Images:
        targets, test_targets = (
            torch.nn.functional.one_hot(labels, OUTPUT_DIM).T.to(dtype).contiguous()
            for labels in (data.labels, data.test_labels)
        )
        return cls(data.images.to(operands), targets, data.test_images.to(operands), test_targets)


def common(configs: Sequence[Config]) -> Config:
    """Return the first config after checking that all differ in their seed and nothing else."""
    first = configs[0]
    if any(replace(config, seed=first.seed) != first for config in configs):
        raise ValueError("a stack's configs must differ in nothing but their seed.")
    if len({config.seed for config in configs}) < len(configs):
        raise ValueError("a stack's configs must have different seeds.")
    return first


def initial(config: Config) -> FashionClassifier:
    """Return the network a config starts from."""
    seed = generator(config.seed, "weights").initial_seed()
    return initial_network(config.depth, config.width, seed)


def predict(stack: Stack, pixels: Tensor, indices: Tensor) -> Tensor:
    """Return the logits (S, 10, N) of the images at `indices` (S, N)."""
    logits = stack.flat.new_empty(stack.size, OUTPUT_DIM, indices.shape[1])
    sizes = {chunk.shape[1] for chunk in indices.split(CHUNK, 1)}
    gathered = {n: pixels.new_empty(stack.size, n, INPUT_DIM) for n in sizes}
    buffers = {n: stack.buffers(n) for n in sizes}
    for chunk, part in zip(indices.split(CHUNK, 1), logits.split(CHUNK, 2), strict=True):
        images = gathered[chunk.shape[1]]
        torch.index_select(pixels, 0, chunk.reshape(-1), out=images.view(-1, INPUT_DIM))
        part.copy_(stack.forward([images.mT, *buffers[chunk.shape[1]]]))
    return logits


def score(logits: Tensor, targets: Tensor, indices: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """Return each image's loss and whether it is classified right, as 0 or 1; both (S, N).

    `logits` (S, 10, N) are those of the images at `indices` (S, N), `targets` (10, M) all images'.
    """
    wanted = targets.index_select(1, indices.reshape(-1)).view(OUTPUT_DIM, *indices.shape)
    wanted = wanted.movedim(1, 0)  # (S, 10, N)
    chosen = logits.max(CLASSES, keepdim=True).indices  # as argmax's, in a seventh of the time
    return LOSSES[loss].value(logits, wanted), wanted.gather(CLASSES, chosen).squeeze(CLASSES)


def conclude(
    stack: Stack, index: int, member: Member, data: Data, images: Images, keep: frozenset[str]
) -> Run:
    """Evaluate a member that has stopped and return its Run."""
    last, logits = evaluate(stack.select([index]), member, images)
    best = dict.fromkeys(last)
    if member.best_epoch:
        best, logits = evaluate(stack.select([index], best=True), member, images)
    predictions = step_losses = None
    if "predictions" in keep and member.best_epoch:
        probability, classes = torch.softmax(logits, CLASSES).max(CLASSES)
        halves = torch.cat([classes, (probability * 255).round()])
        predictions = pack(halves.to(torch.uint8).cpu().numpy())
    if "step_losses" in keep:
        with np.errstate(over="ignore"):  # beyond 65,504 float16 holds infinity
            step_losses = pack(np.array(member.step_losses, np.float16))
    return Run(
        config=member.config,
        data=data.digest,
        history=member.history,
        stopped_by=member.stopped_by() or "",
        best_epoch=member.best_epoch,
        best=best,
        last=last,
        environment=environment(stack),
        predictions=predictions,
        step_losses=step_losses,
    )


def evaluate(
    stack: Stack, member: Member, images: Images
) -> tuple[dict[str, float | None], Tensor]:
    """Return a one-member stack's loss and accuracy on each part, and its test logits (10, N)."""
    metrics = {}
    everything = torch.arange(len(images.test_pixels))
    parts = {
        "train": (images.pixels, images.targets, member.train),
        "validation": (images.pixels, images.targets, member.validation),
        "test": (images.test_pixels, images.test_targets, everything),
    }
    for name, (pixels, targets, part) in parts.items():
        indices = part.to(pixels.device).unsqueeze(0)  # (1, N)
        logits = predict(stack, pixels, indices)
        losses, right = score(logits, targets, indices, member.config.loss)
        metrics[f"{name}_loss"] = finite(losses.mean().item())
        metrics[f"{name}_accuracy"] = finite(right.mean().item())
    return metrics, logits[0]


def finite(value: float) -> float | None:
    """Return `value` to six significant digits, or None if it is infinite or not a number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


@contextmanager
def threads(config: Config, at_most: int | None = None) -> Iterator[None]:
    """Compute on as many CPU threads as the work of one step is worth; restore them after."""
    before = torch.get_num_threads()
    work = 6 * parameter_count(config.depth, config.width) * config.batch_size
    most = at_most or usable_cpus()
    torch.set_num_threads(most if work >= THREADED_STEP else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def usable_cpus() -> int:
    """Return how many CPUs this process may use; a container may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows


def environment(stack: Stack) -> dict[str, Any]:
    """Return what a reader needs to know to repeat a run."""
    device = stack.flat.device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{processor()}, {torch.get_num_threads()} thread(s)"
    return {
        "commit": commit(),
        "device": name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "fmnist_lab": version("fmnist-lab"),
        "precision": str(stack.operands.dtype).removeprefix("torch."),
        "python": platform.python_version(),
        "stack": stack.size,
        "torch": torch.__version__,
    }


@cache
def processor() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@cache
def commit() -> str | None:
    """Return the git commit of the checkout this package runs from, if it is one."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", here, "rev-parse", "--short=12", "HEAD"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
