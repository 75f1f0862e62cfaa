"""What a stack computes from images: logits, losses, accuracies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fmnist_lab.data import Data

from .layers import run
from .losses import CLASSES, LOSSES
from .shapes import INPUT_DIM, OUTPUT_DIM
from .stack import Stack

# Images evaluated at once: the activations of 2 x 4192 stay under 17 MB per layer and member.
CHUNK = 1000
# Bytes per image that scoring an epoch takes: logits, targets and what lies between, five in all.
SCORED = 5 * 4 * OUTPUT_DIM


@dataclass(frozen=True)
class Images:
    """The data as training needs it: pixels in the type of products, one-hot targets."""

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


class Chunk:
    """Computes the logits of a fixed number of images at a time."""

    def __init__(self, stack: Stack, images: int):
        self.images = stack.operands.new_empty(stack.size, images, INPUT_DIM)
        buffers = stack.buffers(images, deltas=False)
        layers = stack.layers(self.images.mT, buffers)
        self.operations = [operation for layer in layers for operation in layer.forward()]
        self.outputs = buffers[-1].values
        self.held = [self.images, *(signal.values for signal in buffers)]

    def logits(self, pixels: Tensor, indices: Tensor) -> Tensor:
        """Return the logits (S, 10, n) of the images at `indices` (S, n).

        The next call overwrites them.
        """
        rows = self.images.view(-1, INPUT_DIM)
        torch.index_select(pixels, 0, indices.reshape(-1), out=rows)
        run(self.operations)
        return self.outputs


def predict(stack: Stack, pixels: Tensor, indices: Tensor) -> Iterator[Tensor]:
    """Yield the logits (S, 10, n) of the images at `indices` (S, N), one chunk at a time."""
    parts = indices.split(CHUNK, 1)
    chunks = {n: Chunk(stack, n) for n in {part.shape[1] for part in parts}}
    for part in parts:
        logits = chunks[part.shape[1]].logits(pixels, part)
        yield logits.to(stack.flat.dtype, copy=True)


def score(logits: Tensor, targets: Tensor, indices: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """Return each image's loss and whether it is classified correctly, as 0 or 1; both (S, N).

    `logits` (S, 10, N) are those of the images at `indices` (S, N), `targets` (10, M) all images'.
    """
    wanted = targets.index_select(1, indices.reshape(-1)).view(OUTPUT_DIM, *indices.shape)
    wanted = wanted.movedim(1, 0)  # (S, 10, N)
    chosen = logits.max(CLASSES, keepdim=True).indices  # argmax takes seven times as long
    return LOSSES[loss].value(logits, wanted), wanted.gather(CLASSES, chosen).squeeze(CLASSES)


def evaluate(
    stack: Stack, images: Images, parts: Mapping[str, Tensor], loss: str
) -> tuple[dict[str, float | None], Tensor]:
    """Return a one-member stack's loss and accuracy on each part, and its test logits (10, N).

    `parts` holds the indices (N,) of the training and validation images, by name.
    """
    of = {name: (images.pixels, images.targets, part) for name, part in parts.items()}
    everything = torch.arange(len(images.test_pixels))
    of["test"] = images.test_pixels, images.test_targets, everything
    metrics = {}
    for name, (pixels, targets, part) in of.items():
        indices = part.to(pixels.device).unsqueeze(0)  # (1, N)
        logits = torch.cat(list(predict(stack, pixels, indices)), 2)  # (1, 10, N)
        losses, right = score(logits, targets, indices, loss)
        metrics[f"{name}_loss"] = finite(losses.mean().item())
        metrics[f"{name}_accuracy"] = finite(right.mean().item())
    return metrics, logits[0]


def finite(value: float) -> float | None:
    """Return `value` to six significant digits, or None if it is infinite or not a number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
