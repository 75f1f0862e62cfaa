"""The report's network: a multilayer perceptron with ReLU."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fmnist_lab.config import Config

from .shapes import INPUT_DIM, OUTPUT_DIM


class FashionClassifier(nn.Module):
    """Map flattened images to class scores (logits).

    `hidden_layers` linear layers of `width` neurons, each followed by ReLU, then a linear layer
    to `output_dim` scores: the network of the report's section 2.1, initialised as PyTorch does.
    Beyond the report, batch normalisation may come before each ReLU and dropout after it, and
    pixels may be dropped.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_layers: int,
        width: int,
        output_dim: int,
        *,
        batch_norm: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ):
        super().__init__()
        dims = [input_dim, *[width] * hidden_layers]
        layers: list[nn.Module] = [nn.Dropout(input_dropout)] * (input_dropout > 0)
        for inputs, outputs in itertools.pairwise(dims):
            layers.append(nn.Linear(inputs, outputs))
            if batch_norm:
                layers.append(nn.BatchNorm1d(outputs))
            layers.append(nn.ReLU())
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(dims[-1], output_dim))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.flatten(1))  # (B, input_dim) or (B, 1, 28, 28) -> (B, output_dim)

    def linears(self) -> list[nn.Linear]:
        """Return the linear layers, input side first."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def numbers(self) -> list[Tensor]:
        """Return all parameters, then the statistics that batch normalisation evaluates with."""
        statistics = [buffer for buffer in self.buffers() if buffer.is_floating_point()]
        return [*self.parameters(), *statistics]


def techniques(config: Config) -> dict[str, Any]:
    """Return what a config's network has beyond the report's."""
    return {
        "batch_norm": config.batch_norm == "on",
        "dropout": config.dropout,
        "input_dropout": config.input_dropout,
    }


def initial_network(
    depth: int, width: int, torch_seed: int, **techniques: Any
) -> FashionClassifier:
    """Build a freshly initialised network on the CPU, drawn from its own generator.

    The weights are those of `torch.manual_seed(torch_seed)` and `FashionClassifier(…)`. The
    global generator is not used, because runs may train in threads of one process.
    """
    generator = torch.Generator().manual_seed(torch_seed)
    network = empty_network(
        depth, width, **techniques
    )  # do not draw weights that are replaced at once
    network.to_empty(device="cpu")
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, nn.Linear):  # as it does itself, but it takes no generator
                nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
                bound = layer.in_features**-0.5
                layer.bias.uniform_(-bound, bound, generator=generator)
            elif isinstance(layer, nn.BatchNorm1d):
                layer.reset_parameters()
    return network


def empty_network(depth: int, width: int, **techniques: Any) -> FashionClassifier:
    """Return a network of that shape whose parameters have no values."""
    with torch.device("meta"):
        return FashionClassifier(INPUT_DIM, depth, width, OUTPUT_DIM, **techniques)


def network_of(config: Config, numbers: np.ndarray) -> FashionClassifier:
    """Return a config's network, for evaluation, with these `numbers()`, one after another."""
    vector = torch.from_numpy(numbers.copy())
    empty = empty_network(config.depth, config.width, **techniques(config))
    network = empty.to_empty(device="cpu").to(vector.dtype)
    held = network.numbers()
    with torch.no_grad():
        for tensor, own in zip(held, vector.split([t.numel() for t in held]), strict=True):
            tensor.copy_(own.view_as(tensor))
    return network.eval()
