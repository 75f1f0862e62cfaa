"""Fashion-MNIST as tensors, and what a seed draws: its split, its streams of random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .config import TRAIN_SIZE, VALIDATION_SIZE
from .sources import DIGEST, locate

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip  # as torchvision.datasets.FashionMNIST.classes
# Append only: their order is part of every seed.
STREAMS = ("split", "weights", "order", "augment", "dropout")


@dataclass(frozen=True, eq=False)  # eq would compare tensors, which gives no bool
class Data:
    """Holds the whole data set on one device."""

    images: Tensor  # (60000, 784) float32 in [0, 1]
    labels: Tensor  # (60000,) int64
    test_images: Tensor  # (10000, 784) float32 in [0, 1]
    test_labels: Tensor  # (10000,) int64
    digest: str  # 16 hex digits of the SHA-256 over the four files' SHA-256

    def to(self, device: torch.device | str) -> Data:
        """Copy the tensors to `device`; those already there are shared."""
        tensors = (self.images, self.labels, self.test_images, self.test_labels)
        images, labels, test_images, test_labels = (tensor.to(device) for tensor in tensors)
        return Data(images, labels, test_images, test_labels, self.digest)


def load(device: torch.device | str = "cpu") -> Data:
    """Load all 70,000 images, flattened and scaled to [0, 1]; raise DataError if absent."""
    # Here, because it takes two seconds, which those who only split do not need.
    from torchvision.datasets import FashionMNIST

    root = locate()
    train, test = FashionMNIST(root, train=True), FashionMNIST(root, train=False)
    images, test_images = _pixels(train.data), _pixels(test.data)
    return Data(images, train.targets, test_images, test.targets, DIGEST).to(device)


def _pixels(images: Tensor) -> Tensor:
    # On the CPU, whatever the device: a GPU may round the division by a scalar in another way.
    # By NumPy, which asks the system for huge pages: gathering images drawn at random then takes
    # three quarters of the time.
    levels = images.flatten(1).numpy()  # (N, 28, 28) -> (N, 784)
    return torch.from_numpy(np.divide(levels, 255, dtype=np.float32))


def generator(seed: int, stream: str) -> torch.Generator:
    """Make the CPU generator of one of `STREAMS` of a seed.

    numpy's SeedSequence spawns the streams from the seed, so drawing more from one leaves the
    others unchanged.
    """
    child = np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream),))
    # One word of 32 bits: PyTorch's CPU generator uses no more of its seed.
    return torch.Generator().manual_seed(int(child.generate_state(1)[0]))


def split(seed: int) -> tuple[Tensor, Tensor]:
    """Draw disjoint indices of training (48000,) and validation (12000,) images, int64."""
    shuffled = torch.randperm(TRAIN_SIZE + VALIDATION_SIZE, generator=generator(seed, "split"))
    return shuffled[:TRAIN_SIZE], shuffled[TRAIN_SIZE:]
