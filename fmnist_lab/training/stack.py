"""A stack: the parameters of networks that train together.

The S members differ only in their seed. A part, such as the weights of one layer, contains those of
all members, (S, out, in), so one batched matrix product serves them all. All parts lie in one flat
tensor, so one call of an optimiser updates them all. A stack of one is the ordinary case.

The precision is the type of what products read and write. In bfloat16 these are activations, their
gradients and a rounded copy of the parameters; products accumulate in float32, as with
`torch.autocast`. Parameters, bias gradients, moments and the loss keep the type of `flat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from .batch_norm import BatchNorm, Normalized
from .dropout import Dropout
from .layers import Layer, Linear, Operations, ReLU, Signal
from .model import FashionClassifier

# The layer that does each module's work.
LAYERS: dict[type[nn.Module], Callable[..., Layer]] = {
    nn.Linear: Linear, nn.ReLU: ReLU, nn.BatchNorm1d: BatchNorm, nn.Dropout: Dropout,
}  # fmt: skip


@dataclass(frozen=True)
class Stack:
    """Holds the numbers of S networks of one shape: all that their logits depend on."""

    network: FashionClassifier  # of that shape; its own numbers are not used
    size: int  # S
    values: Tensor  # part after part, in the order of `network.numbers()`
    flat: Tensor  # the parameters: `values` itself without batch normalisation
    operands: Tensor  # the parameters in the type of products: `flat` itself where that is its type

    @classmethod
    def of(cls, networks: Sequence[FashionClassifier], pixels: Tensor, targets: Tensor) -> Stack:
        """Stack networks on the pixels' device: in the targets' type, with products in pixels'."""
        members = zip(*(network.numbers() for network in networks), strict=True)
        parts = [torch.stack([each.detach() for each in part]) for part in members]
        values = torch.cat([part.reshape(-1) for part in parts]).to(targets)
        return cls.holding(values, networks[0], len(networks), pixels)

    @classmethod
    def holding(cls, values: Tensor, network: FashionClassifier, size: int, like: Tensor) -> Stack:
        """Return a stack of these numbers, for products in the type of `like`."""
        count = size * sum(parameter.numel() for parameter in network.parameters())
        flat = values if count == len(values) else values[:count]
        return cls(network, size, values, flat, flat.to(like))

    def select(self, members: Sequence[int], values: Tensor | None = None) -> Stack:
        """Return a stack of some members, with their numbers from `values` if given."""
        chosen = self.pick(self.values if values is None else values, members)
        return Stack.holding(chosen, self.network, len(members), self.operands)

    def pick(self, flat: Tensor, members: Sequence[int]) -> Tensor:
        """Return some members' share of a tensor laid out as `values` or `flat`."""
        return torch.cat([part[list(members)].reshape(-1) for part in self.parts(flat)])

    def parts(self, flat: Tensor) -> list[Tensor]:
        """Return each part (S, …) of a tensor laid out as `values` or `flat`, as a view of it."""
        parts, end = [], 0
        for number in self.network.numbers():
            start, end = end, end + self.size * number.numel()
            if end <= len(flat):
                parts.append(flat[start:end].view(self.size, *number.shape))
        return parts

    def by_layer(self, parts: Iterable[Tensor]) -> list[list[Tensor]]:
        """Return the parts grouped by layer, each layer's parameters together."""
        left = iter(parts)
        return [list(islice(left, len(list(m.parameters())))) for m in self.network.layers]

    def buffers(self, batch: int, deltas: bool) -> list[Signal]:
        """Return empty outputs of each linear layer for `batch` images."""
        sizes = [linear.out_features for linear in self.network.linears()]
        values = [self.operands.new_empty(self.size, size, batch) for size in sizes]
        return [Signal(each, each.new_empty(each.shape if deltas else 0)) for each in values]

    def layers(
        self, images: Tensor, buffers: Sequence[Signal], keys: Sequence[Tensor] | None = None
    ) -> list[Layer]:
        """Return the layers that lead from images (S, 784, B) to the last buffer.

        To train, they need a key (S, 1, 1) for each dropout. Without keys they evaluate: running
        statistics normalise batches, and nothing is dropped.
        """
        layers, inputs, left = [], Signal(images, images.new_empty(0)), iter(buffers)
        kinds = {**LAYERS, nn.BatchNorm1d: Normalized} if keys is None else LAYERS
        key = iter(keys or ())
        exact = self.parts(self.values)
        statistics = iter(exact[len(self.parts(self.flat)) :])
        parameters = zip(
            self.by_layer(self.parts(self.operands)), self.by_layer(exact), strict=True
        )
        for module, (rounded, own) in zip(self.network.layers, parameters, strict=True):
            if keys is None and isinstance(module, nn.Dropout):
                continue
            outputs = next(left) if isinstance(module, nn.Linear) else inputs
            given: list[Any] = rounded
            if isinstance(module, nn.BatchNorm1d):
                given = [*own, next(statistics), next(statistics)]
            elif isinstance(module, nn.Dropout):
                given = [module.p, next(key)]
            layers.append(kinds[type(module)](inputs, outputs, *given))
            inputs = outputs
        return layers

    def rounding(self) -> Operations:
        """Yield what rounds the parameters to the type that products read, if it is another one."""
        if self.operands.dtype != self.flat.dtype:
            yield partial(self.operands.copy_, self.flat)
