"""How the learning rate changes from step to step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fmnist_lab.config import Config

WARM_UP = 20  # one in this many steps


def cosine(config: Config, epoch: int) -> Tensor:
    """Return the rate of each step (1, steps) of an epoch, counted from 1.

    Over a twentieth of all steps it rises in a straight line to the config's rate, then falls along
    half a cosine and reaches zero after the last step (Loshchilov & Hutter, 2017).
    """
    steps = config.steps_an_epoch
    total = steps * config.epochs
    warm = max(1, total // WARM_UP)
    step = torch.arange(steps * (epoch - 1), steps * epoch, dtype=torch.float64)
    falling = (1 + torch.cos(math.pi * (step - warm) / max(1, total - warm))) / 2
    share = torch.where(step < warm, (step + 1) / warm, falling)
    return config.learning_rate * share.unsqueeze(0)
