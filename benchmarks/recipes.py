"""Train as tutorials do, and publish the results: `python -m benchmarks.recipes`.

The networks use PyTorch's own layers, with the quirks that only tutorials have. The seeds of a
recipe train side by side: each layer has the weights of S independent networks, each with its own
batches. With one seed this is the loop of every tutorial.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fmnist_lab import data
from fmnist_lab.data import Data, generator
from fmnist_lab.files import put
from fmnist_lab.runs.recipes import FOLDER, RECIPES, Trial, read
from fmnist_lab.runs.records import DamagedError, sealed
from fmnist_lab.runs.run import canonical
from fmnist_lab.training.environment import environment
from fmnist_lab.training.steps import denormals_flushed

SEEDS = range(30)
STACK = 10  # seeds side by side: more do not fit into a processor's cache
PART = 1_000  # images evaluated at once
# Recipes but for one setting, by a recipe's name and the setting's: to see what a quirk changes.
VARIANTS: dict[str, Any] = {
    "tensorflow-epsilon": 1e-8,
    "tensorflow-initial": "pytorch",
    "quickstart-shuffled": True,
    "d2l_concise-initial": "xavier",
}


@dataclass(frozen=True)
class Recipe:
    """Holds what a tutorial's page says about its training; defaults are what most of them do."""

    layers: tuple[int | float | str, ...]  # outputs, a fraction dropped, or "relu"
    optimizer: str  # "adam" or "sgd"
    learning_rate: float
    batch_size: int  # images; the last batch may be smaller
    epochs: int
    initial: str = "pytorch"  # "xavier" as in Keras and MXNet, or "normal": see `weights`
    scale: float = 3.0  # of xavier and normal; 3 is Keras's Glorot
    momentum: float = 0.0
    epsilon: float = 1e-8  # Adam's
    shuffled: bool = True
    validation: tuple[int, int] = (0, 0)  # first image held out, and the first that is not
    standardised: tuple[float, float] = (0.0, 1.0)  # subtracted from pixels in [0, 1]; divisor

    @classmethod
    def of(cls, name: str) -> Recipe:
        """Return one of the package's recipes, or one of `VARIANTS`."""
        base, _, changed = name.partition("-")
        names = {field.name for field in fields(cls)}
        given: dict[str, Any] = {k: v for k, v in RECIPES[base].items() if k in names}
        if changed:
            given[changed] = VARIANTS[name]
        return cls(**given | {k: tuple(v) for k, v in given.items() if isinstance(v, list)})

    def settings(self) -> dict[str, Any]:
        """Return what decides the numbers, as in JSON."""
        return {key: [*v] if isinstance(v, tuple) else v for key, v in asdict(self).items()}


class Linear(nn.Module):
    """The linear layers of S networks: weights (S, inputs, outputs), biases (S, 1, outputs)."""

    def __init__(self, weights: Tensor, biases: Tensor):
        super().__init__()
        self.weights, self.biases = nn.Parameter(weights), nn.Parameter(biases)

    def forward(self, inputs: Tensor) -> Tensor:  # (S, B, inputs)
        return torch.baddbmm(self.biases, inputs, self.weights)


def weights(recipe: Recipe, inputs: int, outputs: int, draw: torch.Generator) -> list[Tensor]:
    """Draw one network's initial weights (inputs, outputs) and biases (1, outputs) for a layer.

    "pytorch": both uniform within 1 / sqrt(inputs), as in `nn.Linear`. "xavier": weights uniform
    within sqrt(2 * scale / (inputs + outputs)), as in MXNet's `Xavier(magnitude=scale)`; 3 is
    Glorot's (Glorot & Bengio 2010, equation 16), which Keras uses. "normal": normal with standard
    deviation `scale`. Except with "pytorch", biases are zero.
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
        elif isinstance(layer, float):
            layers.append(nn.Dropout(layer))
        else:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def optimizer_of(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """Return PyTorch's own optimiser for the networks."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            model.parameters(), recipe.learning_rate, eps=recipe.epsilon, fused=True
        )
    return torch.optim.SGD(model.parameters(), recipe.learning_rate, recipe.momentum, fused=True)


def train(recipe: str, seeds: Sequence[int], data: Data) -> list[Trial]:
    """Train a recipe with these seeds, side by side on the CPU, and return their trials.

    Raises KeyError for a recipe that is neither in `RECIPES` nor in `VARIANTS`.
    """
    given, started, many = Recipe.of(recipe), time.perf_counter(), len(seeds)
    mean, deviation = given.standardised
    images, unseen = (data.images - mean) / deviation, (data.test_images - mean) / deviation
    first, end = given.validation
    used = torch.cat([torch.arange(first), torch.arange(end, len(images))])
    orders = [generator(seed, "order") for seed in seeds]
    torch.manual_seed(generator(seeds[0], "dropout").initial_seed())  # for all networks' masks
    model = network(given, seeds)
    optimizer = optimizer_of(given, model)
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
            (many * loss).backward()  # a mean over S networks: each gets its own loss's gradient
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


def publish(path: Path, trials: Sequence[Trial]) -> None:
    """Write trials as records, one per line, in the order of their seeds."""
    ordered = sorted(trials, key=lambda trial: trial.seed)
    put(path, "".join(sealed(canonical(asdict(trial))) for trial in ordered).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the missing trials of the named recipes, and publish each stack as it ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    listed = ", ".join([*RECIPES, *VARIANTS])
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=f"of {listed}; all")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER", help="(the package's)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in {*RECIPES, *VARIANTS}]:
        parser.error(f"there is no recipe {unknown[0]!r}: choose from {listed}.")
    fashion = data.load()
    try:
        options.to.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        parser.error(f"the folder {options.to} cannot be used: {fault.strerror}.")
    for name in options.names or [*RECIPES, *VARIANTS]:
        seeds = SEEDS[:STACK] if name in VARIANTS else SEEDS
        path = options.to / f"{name}.jsonl"
        settings = Recipe.of(name).settings()
        try:
            known = [t for t in read(path) if t.settings == settings] if path.exists() else []
        except DamagedError as fault:
            parser.error(f"{fault}")
        missing = sorted({*seeds} - {trial.seed for trial in known})
        for start in range(0, len(missing), STACK):
            with denormals_flushed():
                known += train(name, missing[start : start + STACK], fashion)
            publish(path, known)
            print(f"{name}: {len(known)} of {len(seeds)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)  # small networks gain nothing from a second thread
    main()
