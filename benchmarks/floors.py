"""What every trainer of these shapes needs: the matrix products and Adam's update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fmnist_lab.config import Config
from fmnist_lab.training import optimizers
from fmnist_lab.training.model import FashionClassifier
from fmnist_lab.training.stack import Stack

from .work import LEARNING_RATE, Timed, Work, wait

Product = tuple[Callable[..., Tensor], Tensor, Tensor, Tensor]  # function, operands, result


class Products(Timed):
    """The matrix products of an epoch alone, from buffers into buffers.

    A step has, for each layer, the forward product and that of the weights' gradient and, for each
    but the first, that of the inputs' gradient.
    """

    def __init__(self, work: Work):
        self.work = work.workload
        full, last = self.work.batch, self.work.images % self.work.batch
        kind = {"dtype": getattr(torch, self.work.precision), "device": self.work.device}
        self.parts = [(self.work.images // full, products(self.work.sizes, full, **kind))]
        if last:
            self.parts.append((1, products(self.work.sizes, last, **kind)))

    def epoch(self) -> None:
        for _ in range(self.work.seeds):
            for count, step in self.parts:
                for _ in range(count):
                    for product, a, b, out in step:
                        product(a, b, out=out)
        wait(self.work.device)


def products(sizes: list[tuple[int, int]], batch: int, **kind: Any) -> list[Product]:
    """Return the products of one step; `kind` is the operands' `dtype` and `device`."""
    forward: list[Product] = []
    backward: list[Product] = []
    # For a column and a row, broadcasting takes less than half the time of a matrix product.
    outer: Callable[..., Tensor] = torch.mul if batch == 1 else torch.mm
    for number, (inputs, outputs) in enumerate(sizes):
        shapes = (batch, inputs), (inputs, outputs), (batch, outputs)
        x, w, y = (torch.rand(shape, **kind) for shape in shapes)
        forward.append((torch.mm, x, w, torch.empty_like(y)))
        if number:
            backward.append((torch.mm, y, w.T, torch.empty_like(x)))
        backward.append((outer, x.T, y, torch.empty_like(w)))
    return forward + backward[::-1]


class Adam(Timed):
    """The fused Adam update of an epoch's steps alone, all parameters in one tensor."""

    def __init__(self, work: Work):
        self.count = work.workload.steps * work.workload.seeds
        self.device = work.workload.device
        shape = 2, work.workload.parameters
        flat, gradient = torch.rand(shape, device=self.device).unbind()
        # Adam needs nothing from a stack but its parameters.
        stack = Stack(FashionClassifier(1, 0, 1, 1), 1, flat, flat, flat)
        self.step = list(optimizers.Adam(stack, Config()).step(flat, gradient, LEARNING_RATE))

    def epoch(self) -> None:
        for _ in range(self.count):
            for operation in self.step:
                operation()
        wait(self.device)
