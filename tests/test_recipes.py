"""Recipes: how tutorials train, held against PyTorch's own words; and the trials published."""

import hashlib
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import recipes
from fmnist_lab.data import Data, generator
from fmnist_lab.runs import recipes as records
from fmnist_lab.runs.recipes import FOLDER, RECIPES, trials
from fmnist_lab.runs.records import DamagedError
from fmnist_lab.sources import DIGEST

SEED = 3


@pytest.fixture(scope="module")
def small() -> Data:
    draw = torch.Generator().manual_seed(0)
    images, tests = torch.rand(130, 784, generator=draw), torch.rand(50, 784, generator=draw)
    labels = torch.randint(0, 10, (180,), generator=draw)
    return Data(images, labels[:130], tests, labels[130:], "0" * 16)


def by_pytorch(recipe: recipes.Recipe, data: Data) -> tuple[nn.Sequential, list[float]]:
    """Train one network as a tutorial does; return it with its test accuracies."""
    draw, inputs, layers = generator(SEED, "weights"), 784, list[nn.Module]()
    for layer in recipe.layers:
        if isinstance(layer, int):
            weights, biases = recipes.weights(recipe, inputs, layer, draw)
            layers.append(linear := nn.Linear(inputs, layer))
            linear.weight.data, linear.bias.data = weights.T.contiguous(), biases[0]
            inputs = layer
        else:
            layers.append(nn.ReLU())
    network, accuracies = nn.Sequential(*layers), []
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=recipe.epsilon)
    else:
        optimizer = torch.optim.SGD(network.parameters(), recipe.learning_rate, recipe.momentum)
    mean, deviation = recipe.standardised
    first, end = recipe.validation
    used = [n for n in range(len(data.images)) if not first <= n < end]
    order = generator(SEED, "order")
    for _ in range(recipe.epochs):
        drawn = torch.randperm(len(used), generator=order).tolist()
        rows = [used[n] for n in drawn] if recipe.shuffled else used
        for start in range(0, len(rows), recipe.batch_size):
            batch = rows[start : start + recipe.batch_size]
            logits = network((data.images[batch] - mean) / deviation)
            loss = nn.CrossEntropyLoss()(logits, data.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = network((data.test_images - mean) / deviation).argmax(1) == data.test_labels
        accuracies.append(right.double().mean().item())
    return network, accuracies


@pytest.mark.parametrize("name", [name for name in RECIPES if "dropout" not in name])
def test_a_network_among_others_trains_as_alone_in_pytorchs_own_words(name, small, monkeypatch):
    recipe = replace(recipes.Recipe.of(name), epochs=2)
    recipe = replace(recipe, validation=(0, 30) if recipe.validation[1] else (0, 0))
    monkeypatch.setattr(recipes.Recipe, "of", lambda name: recipe)
    found = recipes.train(name, [1, SEED, 5], small)[1]
    assert found.history["test_accuracy"] == pytest.approx(by_pytorch(recipe, small)[1], abs=1e-5)
