"""The hyperparameters of one training run."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any

LOSS_WORDS = {  # the loss functions by name, in a reader's words
    "cross_entropy": "cross-entropy",
    "mse": "MSE",
    "mae": "MAE",
    "mse_probabilities": "MSE on probabilities",
    "mae_probabilities": "MAE on probabilities",
}
LOSS_NAMES = tuple(LOSS_WORDS)
PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("adam", "adamw", "sgd", "muon")  # as in torch.optim; the last two Nesterov's
LONGEST_SHOWN = 100  # characters of a value that an error repeats
# The hyperparameters that are no numbers.
NAMED = {
    "loss": LOSS_NAMES,
    "precision": PRECISIONS,
    "optimizer": OPTIMIZERS,
    "batch_norm": ("off", "on"),
    "schedule": ("constant", "cosine"),
    "augment": ("none", "flip", "shift", "flip_shift"),
}


class PlainError(Exception):
    """An error whose message says all: a notebook shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks an exception for this
        return str(self).splitlines()


class ConfigError(PlainError, ValueError):
    """A setting that cannot be used; the message names every fault, one per line."""


@dataclass(frozen=True)
class Bounds:
    """The values a numeric hyperparameter may take, both ends included."""

    kind: type[int] | type[float]
    low: float
    high: float

    def __str__(self) -> str:
        noun = "a whole number" if self.kind is int else "a number"
        return f"{noun} from {self.low:g} to {self.high:,}"

    def admit(self, value: Any) -> bool:
        """Return whether `value` is a number, not a truth value, within the bounds."""
        number = isinstance(value, (int, float, Real)) and not isinstance(value, bool)
        inside = number and self.low <= value <= self.high  # False for NaN
        return bool(inside and (self.kind is float or value == int(value)))


TRAIN_SIZE, VALIDATION_SIZE = 48_000, 12_000  # the report's 80/20 split of the 60,000

# Wide enough for every setting of the report (its Table 1: batch 1-1024, depth 0-4, width up to
# 4192) and for anything a single machine trains; narrow enough to catch a slipped digit.
BOUNDS: dict[str, Bounds] = {
    "depth": Bounds(int, 0, 16),
    "width": Bounds(int, 1, 16_384),
    "batch_size": Bounds(int, 1, TRAIN_SIZE),
    "learning_rate": Bounds(float, 1e-9, 1.0),
    "epochs": Bounds(int, 1, 10_000),
    "patience": Bounds(int, 1, 10_000),
    "seed": Bounds(int, 0, 2**32 - 1),
    "train_size": Bounds(int, 1, TRAIN_SIZE),
    "weights_seed": Bounds(int, 0, 2**32 - 1),
    "order_seed": Bounds(int, 0, 2**32 - 1),
    "momentum": Bounds(float, 0.0, 0.999),
    "weight_decay": Bounds(float, 0.0, 1.0),
    "dropout": Bounds(float, 0.0, 0.95),
    "input_dropout": Bounds(float, 0.0, 0.95),
    "label_smoothing": Bounds(float, 0.0, 0.9),
    "average": Bounds(float, 0.0, 0.99999),
}
# Hyperparameters that play no part with some values of another one, and their value then.
IDLE: dict[str, tuple[str, tuple[Any, ...], Any]] = {
    "width": ("depth", (0,), 0),
    "momentum": ("optimizer", ("adam", "adamw"), 0.9),
    "dropout": ("depth", (0,), 0.0),
    "batch_norm": ("depth", (0,), "off"),
    "label_smoothing": ("loss", LOSS_NAMES[1:], 0.0),
    "patience": ("schedule", ("cosine",), 5),  # the rate is zero only at `epochs`
}
# What the report left for later.
TECHNIQUES = (
    *("optimizer", "momentum", "weight_decay", "dropout", "input_dropout", "batch_norm"),
    *("label_smoothing", "average", "schedule", "augment"),
)
# Separate the sources of a seed's luck: None takes `seed`, which always draws the split.
STREAM_SEEDS = ("weights_seed", "order_seed")


@dataclass(frozen=True)
class Config:
    """Hold the hyperparameters of one training run, checked on construction.

    `depth` counts hidden layers; `depth=0` is softmax regression, in which `width` plays no part
    and is set to 0, like others that play none (`IDLE`). Every numeric field's range is in
    `BOUNDS`, every other's names in `NAMED`.

    The defaults below are frozen: a run's identity leaves out fields that have their default
    (`identity`), so changing one would rename published runs. Chapters set their own base.

    Raises `ConfigError`, naming every fault at once.
    """

    loss: str = "cross_entropy"
    depth: int = 1  # hidden layers
    width: int = 128  # neurons per hidden layer
    batch_size: int = 256  # images per step
    learning_rate: float = 2.05e-4  # the optimiser's step size
    epochs: int = 100  # at most
    patience: int = 5  # epochs without a lower validation loss before training stops
    seed: int = 0
    train_size: int = TRAIN_SIZE  # images trained on
    precision: str = "float32"  # of the operands of matrix products; all else is float32
    weights_seed: int | None = None  # of the initial weights alone
    order_seed: int | None = None  # of the order of the training images alone
    optimizer: str = "adam"
    momentum: float = 0.9  # Nesterov's, of sgd and muon
    weight_decay: float = 0.0  # apart from the gradient in adamw and muon, else added to it
    dropout: float = 0.0  # share of each hidden layer's activations that a step drops
    input_dropout: float = 0.0  # share of pixels that a step drops
    batch_norm: str = "off"  # on: of each hidden layer, before ReLU
    label_smoothing: float = 0.0  # share of a target that all classes get alike; in no metric
    average: float = 0.0  # share that an average of the weights, evaluated instead, keeps per step
    schedule: str = "constant"  # cosine: up over a twentieth of all steps, then down to zero
    augment: str = "none"  # mirror images, shift them by up to a pixel, or both, at random

    def __post_init__(self) -> None:
        for name, value in check(vars(self)).items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Build a Config from a mapping; an unknown name is an error."""
        check(values)
        return cls(**values)

    def stream_seed(self, stream: str) -> int:
        """Return the seed of one of `data.STREAMS`: its own, where it has one."""
        own = {"weights": self.weights_seed, "order": self.order_seed}.get(stream)
        return self.seed if own is None else own

    @property
    def steps_an_epoch(self) -> int:
        """How many batches an epoch has; the last may be smaller."""
        return -(-self.train_size // self.batch_size)

    def identity(self) -> dict[str, Any]:
        """Return the fields that differ from their default, by name.

        A field added later, with a default that does what was done before, leaves the identity
        of older runs as it was.
        """
        return {
            name: value
            for name, value in sorted(vars(self).items())
            if value != type(self).__dataclass_fields__[name].default
        }


def number(value: Any) -> Any:
    """Return the number, list or tuple of numbers that a text spells; all else as it is.

    A command line gives texts, and so does papermill for a tuple and for `-y` with 1e-3, which
    YAML 1.1 does not read as a number. What is allowed is checked with the rest.
    """
    if isinstance(value, list | tuple):
        return [number(one) for one in value]
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        with suppress(ValueError):
            return kind(value)
    inner = value[1:-1]
    if value in (f"[{inner}]", f"({inner})") and not {*"[]()"} & {*inner}:  # lists within are none
        parts = [number(part) for part in inner.split(",") if part.strip()]
        return value if any(isinstance(part, str) for part in parts) else parts
    return value


def scientific(value: float) -> str:
    """Write a learning rate as the report does: 2.05e-5."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def written(value: Any) -> str:
    """Return a hyperparameter's value as text: what is below a tenth as the report writes rates."""
    if isinstance(value, float):
        return scientific(value) if 0 < value < 0.1 else f"{value:g}"
    return str(value)


def shown(value: Any) -> str:
    """Return what was given, as Python writes it, in one short line: it may be anything."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a number of more digits than Python writes, or an object's own fault
        return f"something of type {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def folder_named(variable: str) -> Path | None:
    """Return the folder that an environment variable names, or None if it is not set or empty.

    Raises `ConfigError` for the home of a user whom the machine does not know.
    """
    if not (given := os.environ.get(variable)):
        return None
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"{variable} is {given!r}; it must be a folder: no such user.") from None


def names() -> tuple[str, ...]:
    """Return the names of all hyperparameters that a reader sets."""
    return tuple(field.name for field in fields(Config) if field.name not in STREAM_SEEDS)


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Say in one sentence that `name` is unknown, and which name may have been meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}."
    return f"there is no parameter {shown(name)}: {hint}"


def check(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with whole floats made ints and numbers made floats where due.

    What plays no part (`IDLE`) takes its idle value: `width` 0 beside `depth` 0.

    Raises `ConfigError` with one line per fault: the parameter, its value and what is allowed.
    """
    checked: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in values.items():
        if name in NAMED:
            if not isinstance(value, str) or value not in NAMED[name]:
                faults.append(f"{name} is {shown(value)}; allowed are {', '.join(NAMED[name])}.")
            checked[name] = value
        elif name in STREAM_SEEDS and value is None:
            checked[name] = None
        elif name in BOUNDS:
            unused = name == "width" and values.get("depth") == 0
            bounds = replace(BOUNDS[name], low=0) if unused else BOUNDS[name]
            if bounds.admit(value):
                checked[name] = bounds.kind(value)
            else:
                faults.append(f"{name} is {shown(value)}; it must be {bounds}.")
        else:
            faults.append(unknown_name(name, names()))
    if faults:
        raise ConfigError("\n".join(faults))
    for name, (other, beside, idle) in IDLE.items():
        if name in checked and checked.get(other) in beside:
            checked[name] = idle
    return checked
