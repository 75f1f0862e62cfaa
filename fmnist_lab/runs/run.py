"""What one training run leaves behind."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from fmnist_lab.config import Config

# Raised when a run's meaning changes: the split, the initial weights, the order, the metrics.
SCHEMA = 1

PARTS = ("predictions", "step_losses", "weights")  # what a stored run may lack, being bulky
HISTORY = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")


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

    `history` holds one number an epoch: `train_loss` and `train_accuracy` are running means over
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
        if self.predictions is None:
            raise ValueError(f"run {self.id} was stored without its test predictions.")
        classes, probability = np.split(unpack(self.predictions, np.uint8), 2)
        return classes, probability / 255

    def losses_by_step(self) -> np.ndarray:
        """Return the training loss of every step, float16, in order.

        Raises `ValueError` if the run kept none.
        """
        if self.step_losses is None:
            raise ValueError(f"run {self.id} was stored without its step losses.")
        return unpack(self.step_losses, np.float16)

    def best_weights(self) -> np.ndarray:
        """Return the parameters at the best epoch, float32, in the order of the network's own.

        Raises `ValueError` if the run kept none.
        """
        if self.weights is None:
            raise ValueError(f"run {self.id} was stored without its weights.")
        return unpack(self.weights, np.float32)

    def holds(self, parts: frozenset[str]) -> bool:
        """Return whether the run holds these bulky parts, as far as its training gave any."""
        given = parts if self.best_epoch else parts & {"step_losses"}
        return all(getattr(self, part) is not None for part in given)

    def keeping(self, parts: frozenset[str]) -> Run:
        """Return the run without the bulky parts that are not in `parts`."""
        dropped: dict[str, Any] = {part: None for part in PARTS if part not in parts}
        return replace(self, **dropped)

    def to_json(self) -> str:
        """Return the run as one line of JSON."""
        return canonical({"schema": SCHEMA, "id": self.id, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Read what `to_json` wrote.

        Raises `ValueError` if the schema is another or the identity does not fit the content.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or not {"schema", "id", "config"} <= values.keys():
            raise ValueError("it is no record of a run")
        schema, identity = values.pop("schema"), values.pop("id")
        if schema != SCHEMA:
            raise ValueError(f"run {identity} has schema {schema}; this version reads {SCHEMA}.")
        run = cls(**{**values, "config": Config.from_dict(values["config"])})
        if run.id != identity:
            raise ValueError(f"run {identity} says it is another: its content hashes to {run.id}.")
        return run


def pack(values: np.ndarray) -> str:
    """Return an array's bytes, compressed, as text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 9)).decode()


def unpack(text: str, dtype: type) -> np.ndarray:
    """Return the array that `pack` was given."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)
