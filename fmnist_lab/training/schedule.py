"""How the learning rate changes from step to step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fmnist_lab.config import Config

WARM_UP = 20  # of so many steps one


def cosine(config: Config, epoch: int) -> Tensor:
    """Return the rate of each step (1, steps) of an epoch, the first being 1.

    Over a twentieth of all steps it rises in a straight line to the config's own, then falls along
    half a cosine, to reach zero after the last (Loshchilov & Hutter, 2017).
    """
    steps = config.steps_an_epoch
    total = steps * config.epochs
    warm = max(1, total // WARM_UP)
    step = torch.arange(steps * (epoch - 1), steps * epoch, dtype=torch.float64)
    falling = (1 + torch.cos(math.pi * (step - warm) / max(1, total - warm))) / 2
    share = torch.where(step < warm, (step + 1) / warm, falling)
    return config.learning_rate * share.unsqueeze(0)
