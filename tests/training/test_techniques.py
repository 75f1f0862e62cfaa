"""Each technique against PyTorch's own, fifty steps in double precision."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fmnist_lab.config import Config
from fmnist_lab.training.model import initial_network
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training

IMAGES, EPOCHS = 300, 5  # in batches of 32: ten steps an epoch, the last on 12 images
CONFIG = Config(depth=2, width=16, batch_size=32, learning_rate=1e-2, train_size=IMAGES)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(IMAGES, 784, generator=generator, dtype=torch.float64)
    return pixels, torch.randint(10, (IMAGES,), generator=generator)


def orders(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(IMAGES, generator=generator) for _ in range(EPOCHS)]


def trained(config, data, seeds) -> Training:
    """The training of a stack after all epochs."""
    pixels, labels = data
    targets = nn.functional.one_hot(labels, 10).T.double()
    networks = [initial_network(config.depth, config.width, seed) for seed in seeds]
    training = Training(Stack.of(networks, pixels, targets), pixels, targets, config)
    for order in zip(*map(orders, seeds), strict=True):
        list(training.epoch(torch.stack(order)))
    return training


def trained_by_pytorch(config, data, seed, make) -> nn.Module:
    """The network of a seed after the same steps of PyTorch's own; `make` makes the optimiser."""
    pixels, labels = data
    network = initial_network(config.depth, config.width, seed).double()
    optimizer = make(network.parameters(), lr=config.learning_rate)
    for order in orders(seed):
        for batch in order.split(config.batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(pixels[batch]), labels[batch]).backward()
            optimizer.step()
    return network


def parameters(network: nn.Module) -> torch.Tensor:
    return torch.cat([each.detach().reshape(-1) for each in network.parameters()])


# --- Optimisers


@pytest.mark.parametrize(
    ("settings", "make", "options"),
    [
        ({"weight_decay": 0.05}, torch.optim.Adam, {"weight_decay": 0.05}),
        ({"optimizer": "adamw"}, torch.optim.AdamW, {"weight_decay": 0.0}),
        ({"optimizer": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
        ({"optimizer": "sgd", "momentum": 0.0}, torch.optim.SGD, {}),
        (
            {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.01},
            torch.optim.SGD,
            {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
        ),
    ],
)
def test_an_optimiser_is_pytorchs(settings: dict[str, Any], make, options, data):
    config = replace(CONFIG, **settings)
    stack = trained(config, data, seeds=[3, 4]).stack
    for member, seed in enumerate([3, 4]):
        expected = trained_by_pytorch(
            config, data, seed, lambda parameters, lr: make(parameters, lr=lr, **options)
        )
        found = stack.select([member]).flat
        torch.testing.assert_close(found, parameters(expected), rtol=0, atol=1e-10)
