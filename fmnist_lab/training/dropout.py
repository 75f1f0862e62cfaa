"""Dropout (Srivastava et al., 2014), as in `torch.nn.Dropout`."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .layers import Operations, Signal

RANGE = 2**32  # of a hash: whole numbers from -2**31 on
# Odd numbers that mix well: those of Chris Wellons' hash "lowbias32".
MIX = (0x7FEB352D, 0x846CA68B - 2**32)


class Dropout:
    """Sets a random share of signals to zero and scales the others up, in place.

    A hash of an element's place, and of a number that the member draws for the step, decides what
    is dropped: the same alone, in any stack and on any device.
    """

    def __init__(self, inputs: Signal, outputs: Signal, p: float, key: Tensor):
        self.outputs, self.key, self.scale = outputs, key, 1 / (1 - p)
        self.lowest = round(p * RANGE) - RANGE // 2  # hash whose element is kept
        _, features, images = outputs.values.shape
        places = torch.arange(features * images, dtype=torch.int32, device=key.device)
        self.places = places.view(features, images)
        self.kept = outputs.values.new_empty(outputs.values.shape)  # 0 where dropped, else `scale`
        self.held = (self.places, self.kept)

    def forward(self) -> Operations:
        yield self.drop

    def drop(self) -> None:
        kept = hashed(self.places, self.key) >= self.lowest
        self.outputs.values.mul_(self.kept.copy_(kept).mul_(self.scale))

    def backward(self, *gradients: Tensor) -> Operations:
        if self.outputs.delta.numel():  # pixels need none
            yield partial(self.outputs.delta.mul_, self.kept)


def hashed(places: Tensor, key: Tensor) -> Tensor:
    """Hash places and keys (S, 1, 1) to whole numbers (S, features, B), evenly spread."""
    mixed = places * MIX[0] + key
    for factor in MIX:  # the signed shift brings in copies of the sign
        mixed.bitwise_xor_((mixed >> 16).bitwise_and_(0xFFFF)).mul_(factor)
    return mixed
