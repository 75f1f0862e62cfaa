"""The sizes of the report's network, for code that needs no PyTorch."""

from __future__ import annotations

import itertools

INPUT_DIM = 784  # 28 x 28 pixels
OUTPUT_DIM = 10  # classes


def layer_sizes(depth: int, width: int) -> list[tuple[int, int]]:
    """Return (inputs, outputs) of each linear layer of a network with `depth` hidden layers."""
    dims = [INPUT_DIM, *[width] * depth, OUTPUT_DIM]
    return list(itertools.pairwise(dims))


def parameter_count(depth: int, width: int, batch_norm: bool = False) -> int:
    """Return the number of weights and biases, and of batch normalisation's scales and shifts."""
    linear = sum(inputs * outputs + outputs for inputs, outputs in layer_sizes(depth, width))
    return linear + 2 * depth * width * batch_norm
