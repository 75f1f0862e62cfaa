"""How much memory a training takes: the sum of what its parts hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from fmnist_lab.config import VALIDATION_SIZE, Config

from .environment import has_bfloat16
from .evaluation import CHUNK, SCORED, Chunk
from .model import empty_network, techniques
from .shapes import INPUT_DIM, OUTPUT_DIM, parameter_count
from .stack import Stack
from .steps import Training

# Bytes per parameter while a run that keeps its weights is written: their text, four times.
WRITTEN = 20
# Bytes per number of a bfloat16 product's factors and result where they are computed wider.
WIDENED = 4
# Bytes per weight of a hidden matrix while Muon computes its step: five numbers.
TURNED = 20


def training_bytes(config: Config, members: int) -> int:
    """Return about how many bytes training a stack takes at its peak, at most."""
    config = replace(config, seed=0)
    own, others = held(config, members)
    most = own + others
    if members > 1:  # when one leaves, the others' training is built while its own exists
        most = max(most, own + sum(held(config, members - 1)))
    normed = config.batch_norm == "on"
    return most + WRITTEN * parameter_count(config.depth, config.width, normed)


@cache
def held(config: Config, members: int) -> tuple[int, int]:
    """Return the bytes that a training holds, and those that its batches and evaluation take.

    Both are built here, from tensors without numbers.
    """
    network = empty_network(config.depth, config.width, **techniques(config))
    count = sum(number.numel() for number in network.numbers())
    values = torch.empty(members * count, device="meta")
    pixels = values.new_empty(1, INPUT_DIM, dtype=getattr(torch, config.precision))
    stack = Stack.holding(values, network, members, pixels)
    targets = values.new_empty(OUTPUT_DIM, 1)
    training = Training(stack, pixels, targets, config)
    buffers = [tensor for block in training.blocks.values() for tensor in block.held]
    buffers += Chunk(stack, CHUNK).held
    return nbytes(training.held()), nbytes(buffers) + members * passing(config)


def passing(config: Config) -> int:
    """Return the bytes that each member takes for a while, such as when its epochs are scored."""
    turned = TURNED * config.width**2 if config.optimizer == "muon" else 0
    inputs, images = max(INPUT_DIM, config.width), max(CHUNK, config.batch_size)
    largest = inputs * config.width + (inputs + config.width) * images
    widened = WIDENED * largest if config.precision == "bfloat16" and not has_bfloat16() else 0
    return SCORED * (config.train_size + VALIDATION_SIZE) + turned + widened


def nbytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors, counting each tensor once."""
    return sum({id(tensor): tensor.nbytes for tensor in tensors}.values())
