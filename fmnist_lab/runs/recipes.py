"""What tutorials say of their training, and what training by such a recipe leaves behind."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fmnist_lab.files import put
from fmnist_lab.sources import DIGEST

from .records import AbsentError, own_folder, read_lines, sealed, unsealed
from .run import canonical

PUBLISHED = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Hold what a tutorial's page says of its training; a default is what most of them do."""

    title: str
    cite: tuple[str, ...]  # keys of book/references.bib
    layers: tuple[int | float | str, ...]  # outputs, a fraction dropped, or an activation
    optimizer: str  # "adam" or "sgd"
    learning_rate: float
    batch_size: int  # images; the last batch may be smaller
    epochs: int
    initial: str = "pytorch"  # "xavier" as in Keras and MXNet, or "normal": see training.recipes
    scale: float = 3.0  # of xavier and normal; 3 is Keras's Glorot
    momentum: float = 0.0
    epsilon: float = 1e-8  # Adam's
    shuffled: bool = True
    validation: tuple[int, int] = (0, 0)  # first image held out, and the first that is not
    standardised: tuple[float, float] = (0.0, 1.0)  # subtracted from pixels in [0, 1]; divisor

    def settings(self) -> dict[str, Any]:
        """Return what decides the numbers, all but the names of the source, as JSON has it."""
        chosen = {key: value for key, value in asdict(self).items() if key not in ("title", "cite")}
        return {key: [*v] if isinstance(v, tuple) else v for key, v in chosen.items()}


RECIPES = {
    name: Recipe(**{key: tuple(v) if isinstance(v, list) else v for key, v in given.items()})
    for name, given in tomllib.loads(
        Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    ).items()
}


@dataclass(frozen=True)
class Trial:
    """One training by a recipe; accuracies are fractions, one an epoch.

    `train_accuracy` is the running mean over an epoch's batches, each taken before its step, as
    Keras prints it; `test_accuracy_by_batch` the plain mean over test batches, of which the last
    is smaller, as some tutorials print it.
    """

    recipe: str
    seed: int
    settings: dict[str, Any]
    data: str  # the data set's digest
    history: dict[str, list[float]]
    seconds: float  # the trial's share of its stack's wall time
    environment: dict[str, Any]

    def repeats(self) -> bool:
        """Return whether it was trained as its recipe says now, on these data."""
        now = RECIPES.get(self.recipe)
        return now is not None and self.settings == now.settings() and self.data == DIGEST


def decode(line: bytes) -> Trial:
    """Read a record of a trial. Raises `ValueError` if a single byte is another."""
    try:
        return Trial(**unsealed(line))
    except TypeError:
        raise ValueError("it is no record of a trial") from None


def encode(trials: Sequence[Trial]) -> bytes:
    """Return trials as records, one a line, in the order of their seeds."""
    ordered = sorted(trials, key=lambda trial: trial.seed)
    return "".join(sealed(canonical(asdict(trial))) for trial in ordered).encode()


def save(trial: Trial) -> None:
    """Write a trial into the user's own store, whole or not at all."""
    put(own_folder("recipes") / f"{trial.recipe}-{trial.seed}.jsonl", encode([trial]))


@cache
def published(recipe: str) -> list[Trial]:
    """Return a recipe's published trials, by seed; none if there is no file.

    Raises `RecordError` for a file that is damaged.
    """
    return read(PUBLISHED / f"{recipe}.jsonl")


def read(path: Path) -> list[Trial]:
    """Return the trials of a file that still repeat their recipe; none if there is no file."""
    try:
        return [trial for trial in read_lines(path, decode) if trial.repeats()]
    except AbsentError:
        return []


def find(recipe: str, seeds: Sequence[int]) -> list[Trial]:
    """Return the trials on record with these seeds: published ones, else the user's own."""
    known = {trial.seed: trial for trial in published(recipe)}
    own = (own_folder("recipes") / f"{recipe}-{seed}.jsonl" for seed in seeds if seed not in known)
    known |= {trial.seed: trial for path in own for trial in read(path)}
    return [known[seed] for seed in seeds if seed in known]
