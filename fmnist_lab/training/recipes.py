"""How tutorials train: networks in PyTorch's own words, with the quirks that only a tutorial has.

A recipe's seeds train side by side: each layer holds the weights of S networks, which see batches
of their own and learn nothing of each other. With one seed this is the loop of every tutorial.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fmnist_lab.data import Data, generator
from fmnist_lab.runs.recipes import RECIPES, Recipe, Trial

from .environment import environment

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
PART = 1_000  # images evaluated at once


class Linear(nn.Module):
    """The linear layers of S networks: weights (S, inputs, outputs), biases (S, 1, outputs)."""

    def __init__(self, weights: Tensor, biases: Tensor):
        super().__init__()
        self.weights, self.biases = nn.Parameter(weights), nn.Parameter(biases)

    def forward(self, inputs: Tensor) -> Tensor:  # (S, B, inputs)
        return torch.baddbmm(self.biases, inputs, self.weights)


def weights(recipe: Recipe, inputs: int, outputs: int, draw: torch.Generator) -> list[Tensor]:
    """Draw one network's initial weights (inputs, outputs) and biases (1, outputs) of a layer.

    "pytorch": both uniform within 1 / sqrt(inputs), as `nn.Linear`. "xavier": weights uniform
    within sqrt(2 * scale / (inputs + outputs)), as MXNet's `Xavier(magnitude=scale)`; 3 is Glorot's
    (Glorot & Bengio 2010, equation 16), which Keras takes. "normal": of deviation `scale`. Without
    PyTorch's, biases are zero.
    """
    weight, bias = torch.empty(inputs, outputs), torch.zeros(1, outputs)
    if recipe.initial == "normal":
        return [weight.normal_(0, recipe.scale, generator=draw), bias]
    bound = (2 * recipe.scale / (inputs + outputs)) ** 0.5
    if recipe.initial == "pytorch":
        bound = inputs**-0.5
        bias.uniform_(-bound, bound, generator=draw)
    return [weight.uniform_(-bound, bound, generator=draw), bias]


def network(recipe: Recipe, seeds: Sequence[int], inputs: int = 784) -> nn.Sequential:
    """Return the networks of these seeds: (S, B, 784) images to (S, B, 10) logits."""
    draws, layers = [generator(seed, "weights") for seed in seeds], list[nn.Module]()
    for layer in recipe.layers:
        if isinstance(layer, int):
            members = [weights(recipe, inputs, layer, draw) for draw in draws]
            layers.append(Linear(*map(torch.stack, zip(*members, strict=True))))
            inputs = layer
        else:
            dropout = isinstance(layer, float)
            layers.append(nn.Dropout(layer) if dropout else ACTIVATIONS[layer]())
    return nn.Sequential(*layers)


def train(recipe: str, seeds: Sequence[int], data: Data) -> list[Trial]:
    """Train a recipe with these seeds, side by side on the CPU, and return what they gave.

    Raises KeyError for a recipe that is none of `RECIPES`.
    """
    given, started, many = RECIPES[recipe], time.perf_counter(), len(seeds)
    mean, deviation = given.standardised
    images, unseen = (data.images - mean) / deviation, (data.test_images - mean) / deviation
    first, end = given.validation
    used = torch.cat([torch.arange(first), torch.arange(end, len(images))])
    orders = [generator(seed, "order") for seed in seeds]
    torch.manual_seed(generator(seeds[0], "dropout").initial_seed())  # of the masks of all
    model = network(given, seeds)
    kinds = {
        "adam": lambda p: torch.optim.Adam(p, given.learning_rate, eps=given.epsilon, fused=True),
        "sgd": lambda p: torch.optim.SGD(p, given.learning_rate, given.momentum, fused=True),
    }
    optimizer = kinds[given.optimizer](model.parameters())
    history: list[dict[str, Tensor]] = []
    for _ in range(given.epochs):
        order = [used[torch.randperm(len(used), generator=draw)] for draw in orders]
        rows = torch.stack(order if given.shuffled else [used] * many)  # (S, N)
        right = torch.zeros(many)
        for batch in rows.split(given.batch_size, 1):
            labels = data.labels[batch]  # (S, B)
            logits = model(images[batch])  # (S, B, 10)
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            optimizer.zero_grad()
            (many * loss).backward()  # of a mean over S networks: each has its own loss's gradient
            optimizer.step()
            right += (logits.detach().argmax(2) == labels).sum(1)
        tested = correct(model, unseen, data.test_labels, many)  # (S, 10000)
        batches = [batch.mean(1) for batch in tested.split(given.batch_size, 1)]
        held = correct(model, images[first:end], data.labels[first:end], many)
        history.append({
            "train_accuracy": right / rows.shape[1],
            "test_accuracy": tested.mean(1),
            "test_accuracy_by_batch": torch.stack(batches).mean(0),
            "validation_accuracy": held.mean(1),
        })  # fmt: skip
    seconds = (time.perf_counter() - started) / many
    told = environment(torch.device("cpu"), torch.float32, seeds)
    names = [name for name in history[0] if end or name != "validation_accuracy"]
    return [
        Trial(recipe, seed, given.settings(), data.digest, {
            name: [round(float(epoch[name][member]), 5) for epoch in history] for name in names
        }, seconds, told)
        for member, seed in enumerate(seeds)
    ]  # fmt: skip


@torch.no_grad()
def correct(model: nn.Module, images: Tensor, labels: Tensor, many: int) -> Tensor:
    """Return whether each of the networks is right about each image, as 0 or 1: (S, n)."""
    model.eval()
    parts = [model(part.expand(many, -1, -1)).argmax(2) for part in images.split(PART)]
    model.train()
    return (torch.cat(parts, 1) == labels).float()
