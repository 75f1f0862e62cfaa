"""What one training run leaves behind."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from fmnist_lab.config import Config, shown

# Raised when a run's meaning changes: the split, the initial weights, the order, the metrics.
SCHEMA = 1

PARTS = ("predictions", "step_losses", "weights")  # what a stored run may lack, being bulky
HISTORY = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
METRICS = tuple(f"{part}_{kind}" for part in ("train", "validation", "test")
                for kind in ("loss", "accuracy"))  # fmt: skip
ENDINGS = ("patience", "epochs", "divergence")
MOST_PARAMETERS = 2**28  # of a network that is kept
LONGEST_LINE = 200  # characters of what an environment says of a machine or a version


def identify(config: Config, data_digest: str) -> str:
    """Return a run's identity: 16 hex digits of a hash over schema, data and hyperparameters."""
    text = canonical([SCHEMA, data_digest, config.identity()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(value: Any) -> str:
    """Return `value` as JSON that is the same for equal values, whatever their order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Run:
    """One finished training.

    `history` holds one number per epoch: `train_loss` and `train_accuracy` are running means over
    the epoch's batches, each taken before its step; `validation_*` are taken at the epoch's end;
    `seconds` is the run's share of its stack's wall time. None stands where a number is not
    finite. Accuracies are fractions in [0, 1].

    `best` and `last` hold loss and accuracy on the `train`, `validation` and `test` images with
    the weights of the best epoch (lowest validation loss, 1-based; 0 if there was none) and of
    the last; the test images are read here, once, after training has ended.
    """

    config: Config
    data: str  # the data set's digest
    history: dict[str, list[float | None]]
    stopped_by: str  # "patience", "epochs" (the cap was hit) or "divergence"
    best_epoch: int
    best: dict[str, float | None]
    last: dict[str, float | None]
    environment: dict[str, Any] = field(default_factory=dict)
    predictions: str | None = None  # packed; see test_predictions
    step_losses: str | None = None  # packed; see losses_by_step
    weights: str | None = None  # packed; see best_weights

    @property
    def id(self) -> str:
        return identify(self.config, self.data)

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return len(self.history["seconds"])

    @property
    def seconds(self) -> float:
        """Training time in seconds, the run's share of its stack's."""
        return sum(second or 0.0 for second in self.history["seconds"])

    @property
    def device(self) -> str | None:
        """What trained it, as in "AMD EPYC, 2 threads"."""
        device = self.environment.get("device")
        one = device and device.endswith(", 1 thread(s)")
        return device and device.replace("thread(s)", "thread" if one else "threads")

    def test_predictions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the predicted class (10000,) and its probability (10000,) for the test images.

        Probabilities are kept to 1/255. Raises `ValueError` if the run kept none.
        """
        classes, probability = np.split(self._kept("predictions", np.uint8, 20_000), 2)
        return classes, probability / 255

    def losses_by_step(self) -> np.ndarray:
        """Return the training loss of every step, float16, in order.

        Raises `ValueError` if the run kept none.
        """
        steps = self.config.steps_an_epoch
        return self._kept("step_losses", np.float16, steps * self.epochs)

    def best_weights(self) -> np.ndarray:
        """Return the parameters at the best epoch, float32, in the order of the network's own.

        Raises `ValueError` if the run kept none.
        """
        return self._kept("weights", np.float32, MOST_PARAMETERS)

    def _kept(self, part: str, dtype: type, count: int) -> np.ndarray:
        """Return at most `count` numbers of a bulky part."""
        if (packed := getattr(self, part)) is None:
            raise ValueError(f"run {self.id} was stored without its {part.replace('_', ' ')}.")
        return unpack(packed, dtype, count)

    def holds(self, parts: frozenset[str]) -> bool:
        """Return whether the run holds these bulky parts, as far as its training gave any."""
        given = parts if self.best_epoch else parts & {"step_losses"}
        return all(getattr(self, part) is not None for part in given)

    def keeping(self, parts: frozenset[str] = frozenset()) -> Run:
        """Return the run without the bulky parts that are not in `parts`."""
        dropped: dict[str, Any] = {part: None for part in PARTS if part not in parts}
        return replace(self, **dropped)

    def agrees(self, other: Run) -> bool:
        """Return whether both record the same training, apart from times and machine."""
        mine, theirs = (
            replace(run.keeping(), environment={}, history=run.history | {"seconds": []})
            for run in (self, other)
        )
        return mine == theirs

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain JSON values.

        Hyperparameters at their defaults are left out, so adding one later changes no line.
        """
        stored = {**asdict(self), "config": self.config.identity()}
        return {"schema": SCHEMA, "id": self.id, **stored}

    @classmethod
    def from_dict(cls, record: Any) -> Run:
        """Read what `to_dict` returned; it may come from anywhere.

        Raises `ValueError` if the schema differs, the identity does not fit the content, or no
        training leaves such content.
        """
        given = record if isinstance(record, dict) else {}
        identity = given.get("id")
        if not is_digest(identity) or not isinstance(given.get("config"), dict):
            raise ValueError("it is not a record of a run")
        if given.get("schema") != SCHEMA:
            schema = shown(given.get("schema"))
            raise ValueError(f"run {identity} has schema {schema}; this version reads {SCHEMA}.")
        names = tuple(each.name for each in fields(cls))
        values = {name: value for name, value in given.items() if name not in ("schema", "id")}
        if not set(names) - set(PARTS) <= values.keys() <= set(names):
            raise ValueError(f"run {identity} must have exactly the fields {', '.join(names)}.")
        run = cls(**values | {"config": Config.from_dict(given["config"])})
        if run.id != identity:
            raise ValueError(f"run {identity} does not fit its content, which hashes to {run.id}.")
        if fault := next(faults(run), None):
            raise ValueError(f"run {identity}: {fault}")
        return run


def is_digest(value: Any) -> bool:
    """Return whether a value is a text of 16 hex digits."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) is not None


def faults(run: Run) -> Iterator[str]:
    """Yield a sentence for each value that no training leaves and no page may show."""
    if not is_digest(run.data):
        yield f"data is {shown(run.data)}; it must be a digest of 16 hex digits."
    for name, values in {"best": run.best, "last": run.last}.items():
        if not isinstance(values, dict) or not values.keys() <= set(METRICS):
            yield f"{name} must have exactly the entries {', '.join(METRICS)}."
        else:
            single = {metric: [value] for metric, value in values.items()}
            yield from (f"{name} {fault}" for fault in _out_of_range(single))
    history = run.history if isinstance(run.history, dict) else {}
    lists = list(history.values())
    most = run.config.epochs
    may_stop = run.config.schedule == "constant" or run.stopped_by == "divergence"
    if set(history) != set(HISTORY) or not all(isinstance(values, list) for values in lists):
        yield f"its history must have exactly the lists {', '.join(HISTORY)}."
    elif {len(values) for values in lists} != {run.epochs} or run.epochs > most:
        yield f"its history's lists differ in length, or have more than {most} numbers."
    elif run.epochs != most and not may_stop:
        yield f"its schedule was broken off: it has {run.epochs} epochs of {most}."
    else:
        yield from (f"history of {fault}" for fault in _out_of_range(history))
        if type(run.best_epoch) is not int or not 0 <= run.best_epoch <= run.epochs:
            yield f"best_epoch is {shown(run.best_epoch)}; it must be from 0 to {run.epochs}."
    if run.stopped_by not in ENDINGS:
        yield f"stopped_by is {shown(run.stopped_by)}; allowed are {', '.join(ENDINGS)}."
    told = run.environment if isinstance(run.environment, dict) else {"": []}
    lines = [f"{key}{value}" for key, value in told.items()]
    short = all(len(line) <= LONGEST_LINE and line.isprintable() for line in lines)
    plain = all(isinstance(value, str | int | float | None) for value in told.values())
    if not (plain and short and isinstance(told.get("device"), str | None)):
        yield f"its environment holds more than numbers and lines of {LONGEST_LINE} characters."
    if not all(isinstance(getattr(run, part), str | None) for part in PARTS):
        yield f"one of {', '.join(PARTS)} is not text."


def _out_of_range(lists: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    """Yield a sentence for each value that is not in its metric's range, or None."""
    for name, values in lists.items():
        high = 1.0 if name.endswith("accuracy") else math.inf
        limits = "a fraction" if high == 1 else "a number of at least 0"
        for value in values:
            if value is not None and not (type(value) in (int, float) and 0 <= value <= high):
                yield f"{name} is {shown(value)}; it must be {limits}."


def pack(values: np.ndarray) -> str:
    """Return an array's bytes, compressed, as text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 9)).decode()


def unpack(text: str, dtype: type, count: int) -> np.ndarray:
    """Return the array of at most `count` numbers that `pack` was given; else raise `ValueError`.

    No more bytes than that are decompressed, however much the text would expand to.
    """
    size = count * np.dtype(dtype).itemsize
    try:
        stream = zlib.decompressobj()
        content = stream.decompress(base64.b64decode(text, validate=True), size + 1)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"a packed part is damaged: {error}") from None
    if len(content) > size or not stream.eof:
        raise ValueError(f"a packed part is not an array of at most {count:,} numbers")
    return np.frombuffer(content, dtype)
