"""The loss functions: what each is, and its gradient with respect to the logits.

All functions take logits and one-hot targets of shape (..., 10, B), one column per image. A value
has shape (..., B), one number per image; a gradient is that of one image's value and has the
logits' shape. Means over the ten outputs are PyTorch's (`mse_loss`, `l1_loss` with reduction
"mean").

The report does not say whether its MSE and MAE compare the one-hot target with the logits or
with the probabilities. Its network ends in logits, so `mse` and `mae` take those; the other
reading is `mse_probabilities` and `mae_probabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

CLASSES = -2  # the dimension of the ten classes


@dataclass(frozen=True)
class Loss:
    """A loss: its value per image and its gradient with respect to the logits."""

    value: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]


def _through_softmax(
    outer: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[Tensor, Tensor], Tensor]:
    """Chain a gradient with respect to probabilities through the softmax's Jacobian."""

    def gradient(logits: Tensor, targets: Tensor) -> Tensor:
        p = torch.softmax(logits, CLASSES)
        g = outer(p, targets)
        return p * (g - (g * p).sum(CLASSES, keepdim=True))

    return gradient


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean(CLASSES)


def _squared_gradient(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets) * (2 / outputs.shape[CLASSES])


def _absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs().mean(CLASSES)


def _absolute_gradient(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).sign() / outputs.shape[CLASSES]


LOSSES = {
    "cross_entropy": Loss(
        value=lambda logits, targets: -(torch.log_softmax(logits, CLASSES) * targets).sum(CLASSES),
        gradient=lambda logits, targets: torch.softmax(logits, CLASSES).sub_(targets),
    ),
    "mse": Loss(_squared, _squared_gradient),
    "mae": Loss(_absolute, _absolute_gradient),
    "mse_probabilities": Loss(
        value=lambda logits, targets: _squared(torch.softmax(logits, CLASSES), targets),
        gradient=_through_softmax(_squared_gradient),
    ),
    "mae_probabilities": Loss(
        value=lambda logits, targets: _absolute(torch.softmax(logits, CLASSES), targets),
        gradient=_through_softmax(_absolute_gradient),
    ),
}
