"""What a stack makes of images: logits, losses, accuracies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fmnist_lab.data import Data

from .losses import CLASSES, LOSSES
from .model import INPUT_DIM, OUTPUT_DIM
from .stack import Stack

# Images evaluated at once: the activations of 2 x 4192 stay under 17 MB a layer and member.
CHUNK = 1000


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


def predict(
    stack: Stack, pixels: Tensor, indices: Tensor, between: Callable[[], None] = lambda: None
) -> Tensor:
    """Return the logits (S, 10, N) of the images at `indices` (S, N).

    `between` is called before each chunk of them; what it raises leaves the rest undone.
    """
    logits = stack.flat.new_empty(stack.size, OUTPUT_DIM, indices.shape[1])
    sizes = {chunk.shape[1] for chunk in indices.split(CHUNK, 1)}
    gathered = {n: pixels.new_empty(stack.size, n, INPUT_DIM) for n in sizes}
    buffers = {n: stack.buffers(n) for n in sizes}
    for chunk, part in zip(indices.split(CHUNK, 1), logits.split(CHUNK, 2), strict=True):
        between()
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
        logits = predict(stack, pixels, indices)
        losses, right = score(logits, targets, indices, loss)
        metrics[f"{name}_loss"] = finite(losses.mean().item())
        metrics[f"{name}_accuracy"] = finite(right.mean().item())
    return metrics, logits[0]


def finite(value: float) -> float | None:
    """Return `value` to six significant digits, or None if it is infinite or not a number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
