"""How parameters follow their gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from fmnist_lab.config import Config

from .layers import Operations

# Adam as in PyTorch's defaults, which are those of Kingma & Ba (2015), algorithm 1.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


Rate = float | Tensor  # of all steps, or where each step's stands: one number


class Optimizer(Protocol):
    """Updates parameters by their gradient, one step at a time."""

    def state(self) -> list[Tensor]:
        """Return what a step changes besides the parameters."""

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        """Yield what updates the parameters."""


# Each is the call inside the public optimiser (`torch.optim.Adam(fused=True)` and so on), whose
# Python took as long again as the update of 100 thousand parameters (101 against 50 microseconds).
# They are not public: tests/training/test_private.py fails with a sentence when one changes.


class Adam:
    """Adam: two moments of each parameter's gradient, and the steps so far."""

    call: Callable[..., object] = staticmethod(torch._fused_adam_)

    def __init__(self, flat: Tensor, config: Config):
        self.moment1, self.moment2 = flat.new_zeros(flat.shape), flat.new_zeros(flat.shape)
        self.steps = torch.zeros((), device=flat.device)
        self.weight_decay = config.weight_decay

    def state(self) -> list[Tensor]:
        return [self.moment1, self.moment2, self.steps]

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        # A number would be made a tensor every time, which takes longer.
        yield partial(self.steps.add_, self.steps.new_ones(()))
        yield partial(
            self.call, [flat], [gradient], [self.moment1], [self.moment2], [], [self.steps],
            lr=rate, beta1=BETA1, beta2=BETA2, weight_decay=self.weight_decay, eps=EPSILON,
            amsgrad=False, maximize=False,
        )  # fmt: skip


class AdamW(Adam):
    """Adam whose weight decay is apart from the gradient (Loshchilov & Hutter, 2019)."""

    call = staticmethod(torch._fused_adamw_)


class SGD:
    """Stochastic gradient descent, with Nesterov's momentum where there is momentum."""

    def __init__(self, flat: Tensor, config: Config):
        self.momentum, self.weight_decay = config.momentum, config.weight_decay
        self.velocity = [flat.new_zeros(flat.shape)] if config.momentum else []

    def state(self) -> list[Tensor]:
        return self.velocity

    def step(self, flat: Tensor, gradient: Tensor, rate: Rate) -> Operations:
        yield partial(
            torch._fused_sgd_, [flat], [gradient], self.velocity, weight_decay=self.weight_decay,
            momentum=self.momentum, lr=rate, dampening=0.0, nesterov=self.momentum > 0,
            maximize=False, is_first_step=False,
        )  # fmt: skip


OPTIMIZERS: dict[str, Callable[[Tensor, Config], Optimizer]] = {
    "adam": Adam, "adamw": AdamW, "sgd": SGD,
}  # fmt: skip
