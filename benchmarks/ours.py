"""The trainer of fmnist_lab: alone or with stacked seeds, and with one process a core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from fmnist_lab.config import Config
from fmnist_lab.training.model import initial_network
from fmnist_lab.training.stack import Stack, Training

from .processes import Processes
from .work import CLASSES, LEARNING_RATE, Floats, InTurn, Trainer, Work, wait


class Ours(Trainer):
    """Trains the seeds of a workload as one stack."""

    def __init__(self, work: Work):
        workload = work.workload
        seeds = range(work.seed, work.seed + workload.seeds)
        networks = [initial_network(workload.depth, workload.width, seed) for seed in seeds]
        operands = getattr(torch, workload.precision)
        self.device = workload.device
        self.stack = Stack(networks, torch.device(self.device), torch.float32, operands)
        self.shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.pixels = torch.from_numpy(work.pixels).to(self.device, operands)
        labels = torch.from_numpy(work.labels)
        targets = torch.nn.functional.one_hot(labels, CLASSES).T.to(torch.float32).contiguous()
        targets = targets.to(self.device)
        config = Config(
            depth=workload.depth, width=workload.width, batch_size=workload.batch,
            learning_rate=LEARNING_RATE, train_size=len(self.pixels),
        )  # fmt: skip
        self.training = Training(self.stack, self.pixels, targets, config)

    def epoch(self) -> None:
        orders = [torch.randperm(len(self.pixels), generator=each) for each in self.shuffles]
        self.training.epoch(torch.stack(orders).to(self.device))
        wait(self.device)

    def steps(self) -> int:
        return int(self.stack.steps)

    def parameters(self) -> int:
        return self.stack.flat.numel()

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        images = torch.from_numpy(pixels).to(self.pixels).expand(self.stack.size, -1, -1)
        logits = self.stack.forward([images.mT, *self.stack.buffers(len(pixels))])
        return logits.mT.float().cpu().numpy()


class OursInFloat32(Ours):
    """Trains in float32, whatever the workload's precision."""

    def __init__(self, work: Work):
        super().__init__(replace(work, workload=replace(work.workload, precision="float32")))


class OursInTurn(InTurn):
    """Trains the seeds one after another."""

    def __init__(self, work: Work):
        super().__init__(Ours, work)


class OursInProcesses(Processes, Trainer):
    """Trains the seeds in one process a core, as a sweep does, each process one after another."""

    def __init__(self, work: Work):
        super().__init__(OursInTurn, work)

    def steps(self) -> int:
        (steps,) = set(self.ask("steps"))
        return steps

    def parameters(self) -> int:
        return sum(self.ask("parameters"))

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return np.concatenate(self.ask("logits", pixels))
