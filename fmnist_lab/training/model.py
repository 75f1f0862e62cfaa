"""The report's network: a multilayer perceptron with ReLU."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from .shapes import INPUT_DIM, OUTPUT_DIM


class FashionClassifier(nn.Module):
    """Map flattened images to class scores (logits).

    `hidden_layers` linear layers of `width` neurons, each followed by ReLU, then a linear layer
    to `output_dim` scores: the network of the report's section 2.1, initialised as PyTorch does.
    """

    def __init__(self, input_dim: int, hidden_layers: int, width: int, output_dim: int):
        super().__init__()
        dims = [input_dim, *[width] * hidden_layers]
        hidden = [m for a, b in itertools.pairwise(dims) for m in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(dims[-1], output_dim))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)  # (B, input_dim) -> (B, output_dim)

    def linears(self) -> list[nn.Linear]:
        """Return the linear layers, input side first."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]


def empty_network(depth: int, width: int) -> FashionClassifier:
    """Return a network of that shape whose parameters hold no numbers."""
    with torch.device("meta"):
        return FashionClassifier(INPUT_DIM, depth, width, OUTPUT_DIM)


def initial_network(depth: int, width: int, torch_seed: int) -> FashionClassifier:
    """Build a freshly initialised network on the CPU, drawn from a generator of its own.

    The weights are those of `torch.manual_seed(torch_seed)` and `FashionClassifier(…)`. The
    global generator is not used, because runs may train in threads of one process.
    """
    generator = torch.Generator().manual_seed(torch_seed)
    network = empty_network(depth, width)  # do not draw weights that are replaced at once
    network.to_empty(device="cpu")
    with torch.no_grad():
        for linear in network.linears():  # as nn.Linear does, which takes no generator
            nn.init.kaiming_uniform_(linear.weight, a=5**0.5, generator=generator)
            bound = linear.in_features**-0.5
            linear.bias.uniform_(-bound, bound, generator=generator)
    return network


def network_of(depth: int, width: int, parameters: np.ndarray) -> FashionClassifier:
    """Return the network whose parameters, one after the other, are `parameters` (P,)."""
    network = FashionClassifier(INPUT_DIM, depth, width, OUTPUT_DIM)
    vector_to_parameters(torch.from_numpy(parameters.copy()), network.parameters())
    return network
