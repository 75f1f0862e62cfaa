"""Train as the tutorials' own code does: `python -m benchmarks.tutorials`, needs the extra `bench`.

Five seeds each, by Keras's `fit` on JAX or a loop over PyTorch's `DataLoader`: what the recipes of
`benchmarks.recipes` are held against. Nothing is shared with those but the settings. The loop also
stands for MXNet and for Knet.jl, with their initial weights. A row of the data set's own benchmark
is no recipe, and is trained by scikit-learn alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fmnist_lab.runs.recipes import FOLDER, RECIPES, Trial, read
from fmnist_lab.runs.records import DamagedError
from fmnist_lab.sources import DIGEST, locate
from fmnist_lab.training.environment import environment

from .recipes import Recipe, publish

SEEDS = range(5)
# Fixed when the first five had ended above the recipe's runs (TensorFlow by 0.33 points, p = 0.03
# of no difference; PyTorch's quickstart by 0.69, p = 0.07), before any of these was trained. Each
# look counts for itself.
SECOND_LOOK = {"tensorflow": range(5, 15), "quickstart": range(5, 15)}
PEERS = FOLDER / "peers"
History = dict[str, list[float]]


def fashion(train: bool) -> Any:
    """Return torchvision's data set, whose images become tensors as they are asked for."""
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import ToTensor

    return FashionMNIST(locate(), train=train, transform=ToTensor())


def arrays() -> list[npt.NDArray[np.uint8]]:
    """Return training images (60000, 28, 28) and their labels, test images and theirs."""
    sets = fashion(True), fashion(False)
    return [np.asarray(part) for one in sets for part in (one.data, one.targets)]


def by_keras(name: str, seed: int) -> History:
    """Train by Keras's defaults: its initial weights, and its optimisers called by their names."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    keras.utils.set_random_seed(seed)
    recipe = Recipe.of(name)
    dense = [width for width in recipe.layers if isinstance(width, int)]
    layers = [keras.layers.Dense(width, activation="relu") for width in dense[:-1]]
    model = keras.Sequential([
        keras.Input((28, 28)), keras.layers.Flatten(), *layers, keras.layers.Dense(dense[-1])
    ])  # fmt: skip
    model.compile(
        optimizer=recipe.optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    images, labels, tests, truth = arrays()
    first, end = recipe.validation
    images, labels = (np.concatenate([part[:first], part[end:]]) for part in (images, labels))
    told = model.fit(
        images / 255.0, labels, epochs=recipe.epochs, validation_data=(tests / 255.0, truth),
        verbose=0,
    ).history  # fmt: skip
    return {"train_accuracy": told["accuracy"], "test_accuracy": told["val_accuracy"]}


def network(recipe: Recipe) -> nn.Sequential:
    """Return PyTorch's layers as a tutorial writes them, with the recipe's initial weights.

    `nn.Linear` has PyTorch's own. Keras and MXNet call Glorot's "xavier"; MXNet's magnitude is
    3 times the square of PyTorch's gain. Where weights are set, biases begin at zero.
    """
    inputs, layers = 784, list[nn.Module]([nn.Flatten()])
    for layer in recipe.layers:
        if isinstance(layer, int):
            layers.append(linear := nn.Linear(inputs, layer))
            inputs = layer
            if recipe.initial == "normal":
                nn.init.normal_(linear.weight, std=recipe.scale)
            elif recipe.initial == "xavier":
                nn.init.xavier_uniform_(linear.weight, gain=(recipe.scale / 3) ** 0.5)
            if recipe.initial != "pytorch":
                nn.init.zeros_(linear.bias)
        else:
            layers.append(nn.Dropout(layer) if isinstance(layer, float) else nn.ReLU())
    return nn.Sequential(*layers)


class Images(TensorDataset):
    """Images and labels in memory, of which `DataLoader` gets a batch by one call."""

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, ...]:
        return self[torch.tensor(rows)]


def loader(train: bool, recipe: Recipe) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Return batches of images as `ToTensor` makes them, but all at once, then standardised."""
    from torchvision.transforms.functional import normalize

    (mean, deviation), one = recipe.standardised, fashion(train)
    images = Images(normalize(one.data[:, None] / 255, [mean], [deviation]), one.targets)
    shuffled = train and recipe.shuffled
    return DataLoader(images, recipe.batch_size, shuffled, collate_fn=lambda batch: batch)


def by_pytorch(name: str, seed: int) -> History:
    """Train by the loop of PyTorch's first tutorial."""
    torch.manual_seed(seed)
    recipe = Recipe.of(name)
    model, loss_of = network(recipe), nn.CrossEntropyLoss()
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(model.parameters(), recipe.learning_rate, eps=recipe.epsilon)
    else:
        optimizer = torch.optim.SGD(model.parameters(), recipe.learning_rate, recipe.momentum)
    batches, tests = loader(True, recipe), loader(False, recipe)
    accuracies = []
    for _ in range(recipe.epochs):
        model.train()
        for images, labels in batches:
            loss = loss_of(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            right = [model(images).argmax(1) == labels for images, labels in tests]
        accuracies.append(torch.cat(right).double().mean().item())
    return {"test_accuracy": accuracies}


def by_scikit_learn(name: str, seed: int) -> History:
    """Train as the data set's benchmark does: each pixel standardised, stopped by the loss."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    images, labels, tests, truth = arrays()
    scaler = StandardScaler()
    standardised = scaler.fit_transform(images.reshape(-1, 784).astype(float))
    model = MLPClassifier(**BENCHMARK[name], random_state=seed).fit(standardised, labels)
    unseen = scaler.transform(tests.reshape(-1, 784).astype(float))
    return {"test_accuracy": [model.score(unseen, truth)]}


# scikit-learn 0.19, which the benchmark asks for, stopped after two epochs without improvement.
BENCHMARK: dict[str, dict[str, Any]] = {
    "benchmark_100": {"hidden_layer_sizes": [100], "activation": "relu", "n_iter_no_change": 2},
}
Peer = Callable[[str, int], History]
KERAS = ("tensorflow", "hands_on")
TUTORIALS: dict[str, Peer] = {
    **{name: by_keras if name in KERAS else by_pytorch for name in RECIPES},
    **dict.fromkeys(BENCHMARK, by_scikit_learn),
}
LIBRARIES: dict[Peer, list[str]] = {
    by_keras: ["keras", "jax"], by_pytorch: ["torchvision"], by_scikit_learn: ["scikit-learn"]
}  # fmt: skip


def trial(name: str, seed: int) -> Trial:
    """Train a recipe by its tutorial's kind of code, and return what came out."""
    train, started = TUTORIALS[name], time.perf_counter()
    history = train(name, seed)
    seconds = time.perf_counter() - started
    told = environment(torch.device("cpu"), torch.float32, [seed])
    told |= {library: version(library) for library in LIBRARIES[train]}
    settings = BENCHMARK.get(name) or Recipe.of(name).settings()
    rounded = {what: [round(one, 5) for one in each] for what, each in history.items()}
    return Trial(name, seed, settings, DIGEST, rounded, seconds, told)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing of the tutorials named, and publish each seed as it ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tutorials", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TUTORIAL", help=f"of {', '.join(TUTORIALS)}")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in TUTORIALS]:
        parser.error(f"there is no tutorial {unknown[0]!r}: choose from {', '.join(TUTORIALS)}.")
    PEERS.mkdir(exist_ok=True)
    for name in options.names or TUTORIALS:
        path = PEERS / f"{name}.jsonl"
        seeds = [*SEEDS, *SECOND_LOOK.get(name, ())]
        try:
            known = read(path) if path.exists() else []
            for seed in sorted({*seeds} - {one.seed for one in known}):
                known.append(trial(name, seed))
                publish(path, known)
                print(f"{name}: {len(known)} of {len(seeds)}", file=sys.stderr, flush=True)
        except DamagedError as fault:
            parser.error(f"{fault}")
        except ModuleNotFoundError as fault:
            parser.error(f"{fault}: pip install -e '.[bench]' brings it.")


if __name__ == "__main__":
    torch.set_num_threads(1)  # small networks gain nothing from a second
    main()
