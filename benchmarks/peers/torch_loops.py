"""Three loops that people write in PyTorch, from the first tutorial to an expert's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Subset, TensorDataset

from benchmarks.work import LEARNING_RATE, Floats, Trainer, Work, wait
from fmnist_lab import data
from fmnist_lab.sources import locate
from fmnist_lab.training.model import initial_network


class Loop(Trainer):
    """What the loops share: the report's network, autograd and Adam."""

    fused = False

    def __init__(self, work: Work):
        workload = work.workload
        torch.manual_seed(work.seed)  # for the shuffles
        self.batch, self.operands = workload.batch, getattr(torch, workload.precision)
        self.device = workload.device
        self.rounding = torch.autocast(
            self.device, torch.bfloat16, enabled=self.operands == torch.bfloat16
        )
        network = initial_network(workload.depth, workload.width, work.seed)
        self.network = network.to(self.device)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=LEARNING_RATE, fused=self.fused
        )

    def steps(self) -> int:
        return int(next(iter(self.optimizer.state.values()))["step"]) if self.optimizer.state else 0

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    @torch.no_grad()
    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return self.network(torch.from_numpy(pixels).to(self.device)).cpu().numpy()

    def train(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take a step on every batch of images and labels."""
        for images, labels in batches:
            self.optimizer.zero_grad(set_to_none=True)
            with self.rounding:
                loss = functional.cross_entropy(self.network(images), labels)
            loss.backward()
            self.optimizer.step()
        wait(self.device)


class Tutorial(Loop):
    """Reads image by image: torchvision's data set, `ToTensor`, a `DataLoader`."""

    def __init__(self, work: Work):
        from torchvision.datasets import FashionMNIST
        from torchvision.transforms import ToTensor

        super().__init__(work)
        everything = FashionMNIST(locate(), train=True, transform=ToTensor())
        train, _ = data.split(0)  # as in work.prepare
        images = Subset(everything, train[: work.workload.images].tolist())
        self.loader = DataLoader(images, work.workload.batch, shuffle=True)

    def epoch(self) -> None:
        self.train(
            (images.flatten(1).to(self.device), labels.to(self.device))
            for images, labels in self.loader
        )


def tensor_loader(work: Work) -> DataLoader[tuple[Tensor, ...]]:
    """Return a `DataLoader` over images and labels that are tensors in memory."""
    tensors = TensorDataset(torch.from_numpy(work.pixels), torch.from_numpy(work.labels))
    return DataLoader(tensors, work.workload.batch, shuffle=True)


class Tensors(Loop):
    """Reads tensors in memory: `TensorDataset`, a `DataLoader`."""

    def __init__(self, work: Work):
        super().__init__(work)
        self.loader = tensor_loader(work)

    def epoch(self) -> None:
        self.train(
            (images.to(self.device), labels.to(self.device)) for images, labels in self.loader
        )


class Expert(Loop):
    """Slices tensors by a permutation; fused Adam."""

    fused = True

    def __init__(self, work: Work):
        super().__init__(work)
        self.images = torch.from_numpy(work.pixels).to(self.device, self.operands)
        self.labels = torch.from_numpy(work.labels).to(self.device)

    def epoch(self) -> None:
        order = torch.randperm(len(self.images), device=self.device)
        self.train((self.images[rows], self.labels[rows]) for rows in order.split(self.batch))
