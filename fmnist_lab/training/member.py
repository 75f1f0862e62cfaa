"""One network of a stack: its images, what it has reached, the Run it becomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fmnist_lab.config import Config
from fmnist_lab.data import Data, generator, split
from fmnist_lab.runs.run import HISTORY, Run, pack

from .augment import variants
from .environment import environment
from .evaluation import Images, evaluate, finite
from .losses import CLASSES
from .steps import Training


@dataclass
class Member:
    """One network's bookkeeping while it trains."""

    config: Config
    together: Sequence[int]  # the seeds of the stack that it began in
    streams: Mapping[str, torch.Generator]  # for what an epoch draws
    train: Tensor  # (train_size,) indices
    validation: Tensor  # (12000,) indices
    history: dict[str, list[float | None]] = field(
        default_factory=lambda: {name: [] for name in HISTORY}
    )
    step_losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    lowest: float = math.inf  # the validation loss of that epoch

    @classmethod
    def of(cls, config: Config, together: Sequence[int]) -> Member:
        train, validation = split(config.seed)
        streams = {n: generator(config.stream_seed(n), n) for n in ("order", "dropout", "augment")}
        return cls(config, together, streams, train[: config.train_size], validation)

    def draws(self) -> dict[str, Tensor]:
        """Return what chance decides in an epoch: the order (N,) of the training images' indices.

        With dropout also its keys (steps, layers), with augmentation each image's variant (N,).
        """
        config, streams, images = self.config, self.streams, len(self.train)
        drawn = {"order": self.train[torch.randperm(images, generator=streams["order"])]}
        layers = (config.input_dropout > 0) + config.depth * (config.dropout > 0)
        if layers:
            shape = config.steps_an_epoch, layers
            drawn["keys"] = torch.randint(-(2**31), 2**31, shape, generator=streams["dropout"])
        if config.augment != "none":
            known = len(variants(config.augment))
            drawn["variants"] = torch.randint(known, (images,), generator=streams["augment"])
        return drawn

    def note(self, row: Sequence[float]) -> bool:
        """Append an epoch's metrics; return whether its validation loss is the lowest yet."""
        for name, value in zip(HISTORY, row, strict=True):
            self.history[name].append(finite(value))
        loss = self.history["validation_loss"][-1]
        if loss is None or loss >= self.lowest:
            return False
        self.lowest, self.best_epoch = loss, len(self.history["seconds"])
        return True

    def latest(self) -> dict[str, float | None]:
        """Return the last epoch's metrics."""
        return {name: values[-1] for name, values in self.history.items()}

    def stopped_by(self) -> str | None:
        """Return why training ends after this epoch, or None."""
        epochs = len(self.history["seconds"])
        if None in (self.history["train_loss"][-1], self.history["validation_loss"][-1]):
            return "divergence"
        constant = self.config.schedule == "constant"
        if constant and epochs - self.best_epoch >= self.config.patience:
            return "patience"
        return "epochs" if epochs >= self.config.epochs else None


def conclude(
    training: Training, index: int, member: Member, data: Data, images: Images, keep: frozenset[str]
) -> Run:
    """Evaluate a member that has stopped, `index` in its stack, and return its Run."""
    parts = {"train": member.train, "validation": member.validation}
    chosen = training.evaluated().select([index])
    last, logits = evaluate(chosen, images, parts, member.config.loss)
    best = dict(last) if member.best_epoch else dict.fromkeys(last)
    bulky: dict[str, str] = {}
    if member.best_epoch:
        if member.best_epoch < len(member.history["seconds"]):  # otherwise it is the last
            chosen = training.stack.select([index], training.best)
            best, logits = evaluate(chosen, images, parts, member.config.loss)
        if "predictions" in keep:
            probability, classes = torch.softmax(logits, CLASSES).max(CLASSES)
            halves = torch.cat([classes, (probability * 255).round()])
            bulky["predictions"] = pack(halves.to(torch.uint8).cpu().numpy())
        if "weights" in keep:
            bulky["weights"] = pack(chosen.values.float().cpu().numpy())
    if "step_losses" in keep:
        with np.errstate(over="ignore"):  # float16 turns what is above 65,504 into infinity
            bulky["step_losses"] = pack(np.array(member.step_losses, np.float16))
    return Run(
        config=member.config,
        data=data.digest,
        history=member.history,
        stopped_by=member.stopped_by() or "",
        best_epoch=member.best_epoch,
        best=best,
        last=last,
        environment=environment(chosen.flat.device, chosen.operands.dtype, member.together),
        **bulky,
    )
