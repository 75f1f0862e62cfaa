"""What is read off runs to judge a conclusion: one number per run.

Ratios are the natural measure of epochs, times and losses, so those measures are logarithms: a
difference of two is the logarithm of a ratio, and is shown as one (unit "×").
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from fmnist_lab.config import Config
from fmnist_lab.runs.run import Run

from .statistics import MATERIAL

# The smallest ratio that matters for epochs, times and losses: a tenth. Our choice: what would be
# overlooked in a curve or a bill.
TENTH = math.log(1.1)
CHANCE = 0.1  # accuracy of guessing among ten classes: what a run that diverged at once is worth


@dataclass(frozen=True)
class Measure:
    """One number of a run; None where the run has no such number."""

    name: str
    of: Callable[[Run], float | None]
    unit: str = "points"  # of a difference, as `rules.show` writes it
    material: float = MATERIAL  # smallest difference that matters, in the measure's own scale
    # Whether the run ended before the number could be known; then it is a lower bound, and a seed
    # that has only such bounds in the settings compared says nothing.
    bound: Callable[[Run], bool] = lambda run: False
    lacking: str = "share no seed"  # why there may be nothing to compare: "these settings …"
    progress: bool = True  # whether a run that goes on after the cap on epochs might change it
    on_test: Callable[[Run], float | None] | None = None  # the same on test images, if recorded


def at_best(name: str) -> Callable[[Run], float | None]:
    """Return a function that reads a metric at the best epoch; an unrecorded accuracy is chance."""
    fallback = CHANCE if name.endswith("accuracy") else None
    return lambda run: fallback if run.best.get(name) is None else run.best[name]


def gap(metrics: dict[str, float | None], unseen: str = "validation") -> float | None:
    """Return training accuracy minus that on unseen images, of validation or test."""
    train, other = metrics.get("train_accuracy"), metrics.get(f"{unseen}_accuracy")
    return None if train is None or other is None else train - other


def log(value: float | None) -> float | None:
    """Return the natural logarithm; None for a number that has none."""
    return math.log(value) if value is not None and value > 0 else None


def curve(run: Run, metric: str) -> list[float]:
    """Return a metric after each epoch, up to the first that is not finite."""
    values: list[float] = []
    for value in run.history[metric]:
        if value is None:
            break
        values.append(value)
    return values


def jolt(values: Sequence[float] | np.ndarray) -> float | None:
    """Return a curve's typical jolt: the median absolute second difference of its points.

    A straight line has none, and a median ignores the steep first epochs. None for fewer than
    three points.
    """
    steps = np.diff(np.asarray(values, float), 2)
    steps = steps[np.isfinite(steps)]
    return float(np.median(np.abs(steps))) if steps.size else None


def epochs_to(run: Run, target: float) -> float:
    """Return the epochs, with linear interpolation, until validation accuracy reaches `target`.

    A run that does not get there counts with the most epochs it was allowed: a lower bound.
    """
    before = CHANCE
    for epoch, value in enumerate(curve(run, "validation_accuracy")):
        if value >= target:
            return epoch + (target - before) / (value - before)
        before = value
    return float(run.config.epochs)


def reaching(target: float) -> Measure:
    """Measure the epochs until validation accuracy first reaches `target`, a fraction."""
    return Measure(
        name=f"epochs to {100 * target:.0f} % validation accuracy",
        of=lambda run: log(epochs_to(run, target)),
        unit="×",
        material=TENTH,
        bound=lambda run: max(curve(run, "validation_accuracy"), default=0.0) < target,
        lacking=f"never reach {100 * target:.0f} % validation accuracy",
        progress=False,
    )


def spikiness(run: Run) -> float | None:
    """Return how much larger the training loss's jolts are by step than by epoch, as a log."""
    if run.step_losses is None:
        return None
    steps, epochs = jolt(run.losses_by_step()), jolt(curve(run, "train_loss"))
    return log(steps / epochs) if steps and epochs else None


def loss_rise(run: Run) -> float | None:
    """Return the last validation loss over the lowest, as a logarithm."""
    losses = curve(run, "validation_loss")
    return log(losses[-1] / min(losses)) if losses else None


EPOCHS = Path(__file__).parent / "epoch_seconds.json"


def epoch_key(config: Config) -> str:
    """Return what the time of an epoch depends on: neither the learning rate nor the seed."""
    size = f"{config.depth}x{config.width} batch {config.batch_size}"
    return f"{config.loss} {size} {config.train_size} images {config.precision}"


@cache
def epoch_seconds() -> dict[str, float]:
    """Return the median time of an epoch for each setting, all measured in one sitting.

    `python -m benchmarks.epochs` measures them, in turns on idle cores.
    """
    measured = json.loads(EPOCHS.read_text())["seconds"]
    return {key: float(np.median(values)) for key, values in measured.items()}


def training_time(run: Run) -> float | None:
    """Return a run's epochs times the time of one, in seconds; None where that was not measured.

    What the run itself recorded depends on what else its machine did that day.
    """
    seconds = epoch_seconds().get(epoch_key(run.config))
    return None if seconds is None else run.epochs * seconds


def _hit_cap(run: Run) -> bool:
    return run.stopped_by == "epochs"


RATE = Measure("learning rate", lambda run: run.config.learning_rate, progress=False)
ACCURACY = Measure(
    "validation accuracy", at_best("validation_accuracy"), on_test=at_best("test_accuracy")
)
TRAIN_ACCURACY = Measure("training accuracy", at_best("train_accuracy"))
TEST_ACCURACY = Measure("test accuracy", at_best("test_accuracy"))
GAP = Measure(
    "gap between training and validation accuracy",
    lambda run: gap(run.best),
    on_test=lambda run: gap(run.best, "test"),
)
LAST_GAP = Measure(
    "gap after the last epoch", lambda run: gap(run.last), on_test=lambda run: gap(run.last, "test")
)
SAVED = Measure(
    "share of the epochs allowed that patience saved",
    lambda run: 1 - run.epochs / run.config.epochs if run.stopped_by == "patience" else 0.0,
    unit="%",
    material=0.1,  # a tenth, as for ratios
    progress=False,
)
LOWEST = Measure(
    "epoch of the lowest validation loss",
    lambda run: log(run.best_epoch),
    unit="×",
    material=TENTH,
    bound=_hit_cap,
    lacking="were still improving when they hit the cap on epochs",
    progress=False,
)
FIRST_LOSS = Measure(
    "training loss in the first epoch",
    lambda run: log(run.history["train_loss"][0]),
    unit="×",
    material=TENTH,
    progress=False,
)
ROUGHNESS = Measure(
    "roughness of the validation loss",
    lambda run: log(jolt(curve(run, "validation_loss"))),
    unit="×",
    material=TENTH,
)
SPIKINESS = Measure("jolts by step over jolts by epoch", spikiness, unit="×", material=TENTH)
SECONDS = Measure(
    "training time",
    lambda run: log(training_time(run)),
    unit="×",
    material=TENTH,
    lacking="have no epoch whose time was measured",
)
