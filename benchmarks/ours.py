"""The trainer of fmnist_lab."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from fmnist_lab.config import Config
from fmnist_lab.training.evaluation import predict
from fmnist_lab.training.model import initial_network
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training

from .work import CLASSES, LEARNING_RATE, Floats, Trainer, Work, wait


class Ours(Trainer):
    """Trains the seeds of a workload as one stack."""

    def __init__(self, work: Work):
        workload = work.workload
        seeds = range(work.seed, work.seed + workload.seeds)
        networks = [initial_network(workload.depth, workload.width, seed) for seed in seeds]
        operands = getattr(torch, workload.precision)
        self.device = workload.device
        self.shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.pixels = torch.from_numpy(work.pixels).to(self.device, operands)
        labels = torch.from_numpy(work.labels)
        targets = torch.nn.functional.one_hot(labels, CLASSES).T.to(torch.float32).contiguous()
        targets = targets.to(self.device)
        self.stack = Stack.of(networks, self.pixels, targets)
        config = Config(
            depth=workload.depth, width=workload.width, batch_size=workload.batch,
            learning_rate=LEARNING_RATE, train_size=len(self.pixels),
        )  # fmt: skip
        self.training = Training(self.stack, self.pixels, targets, config)

    def epoch(self) -> None:
        orders = [torch.randperm(len(self.pixels), generator=each) for each in self.shuffles]
        for _ in self.training.epoch(torch.stack(orders).to(self.device)):
            pass
        wait(self.device)

    def steps(self) -> int:
        return int(self.training.optimizer.state()[-1])

    def parameters(self) -> int:
        return self.stack.flat.numel()

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        images = torch.from_numpy(pixels).to(self.pixels)
        everything = torch.arange(len(images), device=self.device).expand(self.stack.size, -1)
        logits = torch.cat(list(predict(self.stack, images, everything)), 2)
        return logits.mT.float().cpu().numpy()


class OursInFloat32(Ours):
    """Trains in float32, whatever the workload's precision."""

    def __init__(self, work: Work):
        super().__init__(replace(work, workload=replace(work.workload, precision="float32")))
