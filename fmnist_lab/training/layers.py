"""What a network is made of: each layer's forward and backward work, written out.

A layer serves S networks at once. A column is an image: signals have shape (S, features, B). The
other way round, products with ten columns and a softmax over rows of ten take three to eight
times as long on a processor.

A layer yields operations: calls bound to their tensors once, when training begins, because even a
view takes as long as a small product. The gradients are written by hand because, at small batches,
autograd's bookkeeping and allocating every intermediate anew cost as much as the arithmetic.
`tests/training/test_steps.py` checks every step against autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from .environment import has_bfloat16

Operations = Iterator[Callable[[], object]]


def run(operations: Iterable[Callable[[], object]]) -> None:
    """Run the operations one after the other."""
    for operation in operations:
        operation()


def multiply(product: Callable[..., Tensor], *factors: Tensor, out: Tensor) -> Callable[[], Tensor]:
    """Return the operation that fills `out` with a product.

    A processor without instructions for bfloat16 products multiplies the same numbers in single
    precision and rounds the sums; PyTorch's own way takes many times as long there.
    """
    if out.dtype == torch.bfloat16 and out.device.type == "cpu" and not has_bfloat16():
        return lambda: out.copy_(product(*(factor.float() for factor in factors)))
    return partial(product, *factors, out=out)


@dataclass(frozen=True)
class Signal:
    """What passes from layer to layer, and the loss's gradient with respect to it."""

    values: Tensor  # (S, features, B)
    delta: Tensor  # the same shape; empty where nobody needs it


class Layer(Protocol):
    """A layer at work on one batch; those that work in place have one signal at both ends."""

    @property
    def held(self) -> Sequence[Tensor]:
        """Return its own tensors, apart from signals and parameters."""

    def forward(self) -> Operations:
        """Yield what fills the outputs' values."""

    def backward(self, *gradients: Tensor) -> Operations:
        """Yield what fills the inputs' delta and the gradients from the outputs' delta.

        There is one gradient for each of the layer's parameters.
        """


@dataclass(frozen=True)
class Linear:
    """Multiplies by weights and adds biases."""

    held = ()

    inputs: Signal
    outputs: Signal
    weights: Tensor  # (S, out, in)
    biases: Tensor  # (S, out)

    def forward(self) -> Operations:
        biases, images = self.biases.unsqueeze(2), self.inputs.values
        yield multiply(torch.baddbmm, biases, self.weights, images, out=self.outputs.values)

    def backward(self, *gradients: Tensor) -> Operations:
        (weights, biases), delta, below = gradients, self.outputs.delta, self.inputs.delta
        # For one image, a column times a row: broadcasting takes half as long as a matrix product.
        product = torch.mul if delta.shape[2] == 1 else torch.bmm
        yield multiply(product, delta, self.inputs.values.mT, out=weights)
        yield partial(torch.sum, delta, 2, dtype=biases.dtype, out=biases)
        if below.numel():
            yield multiply(torch.bmm, self.weights.mT, delta, out=below)


@dataclass(frozen=True)
class ReLU:
    """Sets what is negative to zero, in place."""

    held = ()

    inputs: Signal
    outputs: Signal

    def forward(self) -> Operations:
        yield self.outputs.values.relu_

    def backward(self, *gradients: Tensor) -> Operations:
        # The public `delta.mul_(values > 0)` first allocates the mask, and turns infinity into NaN.
        # tests/training/test_private.py fails with a sentence when this call changes.
        call, delta = torch.ops.aten.threshold_backward.grad_input, self.outputs.delta
        yield partial(call, delta, self.outputs.values, 0, grad_input=delta)
