"""A stack: the parameters of networks that train together.

The S members differ only in their seed. A part, such as the weights of one layer, holds those of
all members, (S, out, in), so one batched matrix product serves them; and all parts lie in one flat
tensor, so one call of an optimiser updates them. A stack of one is the ordinary case.

A precision is the type of what products read and write. In bfloat16 that are activations, their
gradients and a rounded copy of the parameters; products accumulate in float32, as under
`torch.autocast`. Parameters, bias gradients, moments and the loss keep the type of `flat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from .layers import LAYERS, Layer, Operations, Signal
from .model import FashionClassifier


@dataclass(frozen=True)
class Stack:
    """Hold the parameters of S networks of one shape: all that their logits depend on."""

    network: FashionClassifier  # of that shape; its own parameters play no part
    size: int  # S
    flat: Tensor  # part after part, in the order of `network.parameters()`
    operands: Tensor  # the same in the type of products: `flat` itself where that is its type

    @classmethod
    def of(cls, networks: Sequence[FashionClassifier], pixels: Tensor, targets: Tensor) -> Stack:
        """Stack networks: on the images' device, in the targets' type, for products of pixels'."""
        members = zip(*(network.parameters() for network in networks), strict=True)
        parts = [torch.stack([each.detach() for each in part]) for part in members]
        flat = torch.cat([part.reshape(-1) for part in parts]).to(targets)
        return cls(networks[0], len(networks), flat, flat.to(pixels))

    def select(self, members: Sequence[int], flat: Tensor | None = None) -> Stack:
        """Return a stack of some members, with their parameters in `flat` if that is given."""
        chosen = self.pick(self.flat if flat is None else flat, members)
        return Stack(self.network, len(members), chosen, chosen.to(self.operands))

    def pick(self, flat: Tensor, members: Sequence[int]) -> Tensor:
        """Return of a tensor that is laid out as `flat` what is some members', laid out alike."""
        return torch.cat([part[list(members)].reshape(-1) for part in self.parts(flat)])

    def parts(self, flat: Tensor) -> list[Tensor]:
        """Return each part (S, …) of a tensor that is laid out as `flat`, as a view of it."""
        shapes = [parameter.shape for parameter in self.network.parameters()]
        pieces = flat.split([self.size * shape.numel() for shape in shapes])
        return [piece.view(self.size, *shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def by_layer(self, parts: Sequence[Tensor]) -> list[list[Tensor]]:
        """Return the parts that are each layer's."""
        left = iter(parts)
        return [list(islice(left, len(list(m.parameters())))) for m in self.network.layers]

    def buffers(self, batch: int, deltas: bool) -> list[Signal]:
        """Return the outputs of each linear layer for so many images, empty ones."""
        sizes = [linear.out_features for linear in self.network.linears()]
        values = [self.operands.new_empty(self.size, size, batch) for size in sizes]
        return [Signal(each, each.new_empty(each.shape if deltas else 0)) for each in values]

    def layers(self, images: Tensor, buffers: Sequence[Signal]) -> list[Layer]:
        """Return the layers, which take images (S, 784, B) to the last buffer."""
        layers, inputs, left = [], Signal(images, images.new_empty(0)), iter(buffers)
        parameters = self.by_layer(self.parts(self.operands))
        for module, own in zip(self.network.layers, parameters, strict=True):
            outputs = next(left) if isinstance(module, nn.Linear) else inputs
            layers.append(LAYERS[type(module)](inputs, outputs, *own))
            inputs = outputs
        return layers

    def rounding(self) -> Operations:
        """Yield what rounds the parameters to what products read, where that is another type."""
        if self.operands is not self.flat:
            yield partial(self.operands.copy_, self.flat)
