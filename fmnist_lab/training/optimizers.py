"""How parameters follow their gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from fmnist_lab.config import Config

from .layers import Operations
from .stack import Stack

# Adam with PyTorch's defaults, which are those of Kingma & Ba (2015), algorithm 1.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# Muon with PyTorch's defaults, which are its author's.
ITERATIONS, A, B, C = 5, 3.4445, -4.7750, 2.0315
RMS = 0.2  # of AdamW's steps, in units of the rate, as for `adjust_lr_fn="match_rms_adamw"`

Rate = float | Tensor  # one number: the rate of all steps, or where the step's rate is written


class Optimizer(Protocol):
    """Updates parameters by their gradient, one step at a time."""

    def state(self) -> list[Tensor]:
        """Return what a step changes besides the parameters."""

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        """Yield what updates the parameters."""


# Each makes the call inside the public optimiser (`torch.optim.Adam(fused=True)` and so on), whose
# Python code doubles the time of updating 100 thousand parameters (101 against 50 microseconds).
# The calls are not public: tests/training/test_private.py fails with a sentence when one changes.


class Adam:
    """Adam: two moments of each parameter's gradient, and the steps so far."""

    call: Callable[..., object] = staticmethod(torch._fused_adam_)

    def __init__(self, stack: Stack, config: Config):
        self.moment1, self.moment2 = torch.zeros_like(stack.flat), torch.zeros_like(stack.flat)
        self.steps = torch.zeros((), device=stack.flat.device)
        self.weight_decay = config.weight_decay

    def state(self) -> list[Tensor]:
        return [self.moment1, self.moment2, self.steps]

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        # A plain number would be made a tensor every time, which takes longer.
        yield partial(self.steps.add_, self.steps.new_ones(()))
        yield self.follow([flat], [gradient], [self.moment1], [self.moment2], rate=rate)

    def follow(self, *tensors: list[Tensor], rate: Rate) -> Callable[[], object]:
        """Return what updates parameters; takes lists of them, their gradients and both moments."""
        return partial(
            self.call, *tensors, [], [self.steps] * len(tensors[0]), lr=rate, beta1=BETA1,
            beta2=BETA2, weight_decay=self.weight_decay, eps=EPSILON, amsgrad=False,
            maximize=False,
        )  # fmt: skip


class AdamW(Adam):
    """Adam with weight decay kept apart from the gradient (Loshchilov & Hutter, 2019)."""

    call = staticmethod(torch._fused_adamw_)


class SGD:
    """Stochastic gradient descent; its momentum, if any, is Nesterov's."""

    def __init__(self, stack: Stack, config: Config):
        self.momentum, self.weight_decay = config.momentum, config.weight_decay
        self.velocity = [torch.zeros_like(stack.flat)] if config.momentum else []

    def state(self) -> list[Tensor]:
        return self.velocity

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        yield partial(
            torch._fused_sgd_, [flat], [gradient], self.velocity, weight_decay=self.weight_decay,
            momentum=self.momentum, lr=rate, dampening=0.0, nesterov=self.momentum > 0,
            maximize=False, is_first_step=False,
        )  # fmt: skip


class Muon(AdamW):
    """Moves matrices between hidden layers by orthogonal steps, all else like AdamW (Jordan, 2024).

    Such a step is scaled to be as large as AdamW's, so one rate suits both (Liu et al., 2025). It
    is computed in the type of products, because it takes many times the products of a small batch.
    """

    def __init__(self, stack: Stack, config: Config):
        super().__init__(stack, config)
        self.stack, self.momentum = stack, config.momentum
        self.size = RMS * config.width**0.5

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        yield partial(self.steps.add_, self.steps.new_ones(()))
        layouts = flat, gradient, self.moment1, self.moment2
        parts = list(zip(*(self.stack.parts(each) for each in layouts), strict=True))
        hidden = [n for n, (weights, *_) in enumerate(parts) if weights.dim() == 3][1:-1]
        rest = zip(*(part for n, part in enumerate(parts) if n not in hidden), strict=True)
        yield self.follow(*(list(each) for each in rest), rate=rate)
        for weights, own, velocity, _ in (parts[n] for n in hidden):
            yield partial(self.turn, weights, own, velocity, rate)

    def turn(self, weights: Tensor, gradient: Tensor, velocity: Tensor, rate: Rate) -> None:
        """Update matrices (S, width, width)."""
        velocity.lerp_(gradient, 1 - self.momentum)
        wanted = gradient.lerp(velocity, self.momentum).to(self.stack.operands)
        weights.mul_(1 - rate * self.weight_decay)
        weights.sub_(orthogonal(wanted).to(weights).mul_(rate * self.size))


def orthogonal(matrices: Tensor) -> Tensor:
    """Return roughly the nearest orthogonal matrices (S, n, n), by Newton–Schulz iteration.

    Its coefficients leave singular values between about 0.7 and 1.2 (Jordan, 2024).
    """
    found = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = found @ found.mT
        factor = torch.baddbmm(gram, gram, gram, beta=B, alpha=C)
        found = torch.baddbmm(found, factor, found, beta=A)
    return found


OPTIMIZERS: dict[str, Callable[[Stack, Config], Optimizer]] = {
    "adam": Adam, "adamw": AdamW, "sgd": SGD, "muon": Muon,
}  # fmt: skip
