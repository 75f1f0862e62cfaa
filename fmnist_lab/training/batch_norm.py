"""Batch normalisation (Ioffe & Szegedy, 2015), as in `torch.nn.BatchNorm1d`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .layers import Operations, Signal

EPSILON, MOMENTUM = 1e-5, 0.1  # PyTorch's defaults


@dataclass(frozen=True)
class Normalized:
    """Normalises by the running mean and variance, in place: the layer in evaluation."""

    held = ()
    inputs: Signal
    outputs: Signal
    scale: Tensor  # (S, features), like all that follow
    shift: Tensor
    mean: Tensor
    variance: Tensor

    def forward(self) -> Operations:
        yield self.normalize

    def normalize(self) -> None:
        factor = self.scale * (self.variance + EPSILON).rsqrt()
        shift = self.shift - self.mean * factor
        values = self.outputs.values
        values.copy_(torch.addcmul(shift.unsqueeze(2), values, factor.unsqueeze(2)))

    def backward(self, *gradients: Tensor) -> Operations:
        raise NotImplementedError("a network in evaluation does not learn")


class BatchNorm:
    """Normalises each feature over the batch, in place, and tracks its mean and variance."""

    def __init__(
        self, inputs: Signal, outputs: Signal, scale: Tensor, shift: Tensor, *running: Tensor
    ):
        self.outputs, (self.mean, self.variance) = outputs, running
        self.scale, self.shift = scale.unsqueeze(2), shift.unsqueeze(2)
        self.normal = scale.new_empty(outputs.values.shape)  # the outputs before scale and shift
        self.root = self.scale.new_empty(self.scale.shape)  # 1 / standard deviation
        self.held = (self.normal,)

    def forward(self) -> Operations:
        yield self.normalize

    def normalize(self) -> None:
        values, images = self.outputs.values, self.outputs.values.shape[2]
        variance, mean = torch.var_mean(values.to(self.normal.dtype), 2, correction=0, keepdim=True)
        torch.rsqrt(variance + EPSILON, out=self.root)
        torch.sub(values, mean, out=self.normal).mul_(self.root)
        values.copy_(torch.addcmul(self.shift, self.normal, self.scale))
        self.mean.lerp_(mean.squeeze(2), MOMENTUM)
        unbiased = variance.squeeze(2) * (images / max(images - 1, 1))
        self.variance.lerp_(unbiased, MOMENTUM)

    def backward(self, *gradients: Tensor) -> Operations:
        yield partial(self.propagate, *gradients)

    def propagate(self, scale: Tensor, shift: Tensor) -> None:
        """Fill the gradients of scale and shift, then the delta below by the chain rule."""
        delta = self.outputs.delta
        exact = delta.to(self.normal.dtype)
        torch.sum(exact, 2, out=shift)
        torch.sum(exact * self.normal, 2, out=scale)
        mean = torch.addcmul(shift.unsqueeze(2), self.normal, scale.unsqueeze(2)) / delta.shape[2]
        delta.copy_((exact - mean).mul_(self.scale * self.root))
