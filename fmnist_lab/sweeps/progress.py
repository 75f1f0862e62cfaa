"""What a sweep says while it trains: a progress bar, and how long training takes at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from tqdm.auto import tqdm as auto_bar
from tqdm.std import tqdm as text_bar

from fmnist_lab.config import TECHNIQUES, VALIDATION_SIZE, Config, scientific, written
from fmnist_lab.notebook import watched
from fmnist_lab.training import environment
from fmnist_lab.training.layers import multiply
from fmnist_lab.training.shapes import parameter_count

# What a step costs besides its arithmetic, measured for 1 x 128 at batch 1 on one idle core.
SECONDS_PER_STEP = 1.1e-4


class Progress:
    """A progress bar over runs that moves with every epoch; time left assumes no early stop."""

    def __init__(self, bar: Any, hyphen: str = "-"):
        self.bar, self.hyphen = bar, hyphen
        self.lock = threading.Lock()
        self.shown: dict[Config, float] = {}  # by a stack's first config: runs shown as done so far

    def advance(self, config: Config, number: int, members: int) -> None:
        """Show that `members` runs of the stack that begins with `config` have done an epoch."""
        with self.lock:
            text = f"{settings_text(config)}: epoch {number}".replace("-", self.hyphen)
            self.bar.set_postfix_str(text, refresh=False)
            self.shown[config] = self.shown.get(config, 0.0) + members / config.epochs
            self._move(members / config.epochs)

    def finish(self, stack: Sequence[Config]) -> None:
        """Show that a stack's runs are done, whenever they stopped."""
        with self.lock:
            self._move(len(stack) - self.shown.pop(stack[0], 0.0))

    def _move(self, runs: float) -> None:
        self.bar.update(min(runs, self.bar.total - self.bar.n))  # tqdm warns of a rounding error


@contextmanager
def bar(runs: int, progress: bool) -> Iterator[Progress]:
    """Yield a progress bar: a live widget where a notebook is `watched`, else text on stderr."""
    live = watched()
    make = auto_bar if live else text_bar
    form = "{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}{postfix}]"
    options = {"total": runs, "disable": not progress, "bar_format": form, "mininterval": 0.5}
    with make(**options) as shown:
        # A browser would break 2.05e-5 at the end of a line; a terminal may lack the hyphen.
        yield Progress(shown, "\N{NON-BREAKING HYPHEN}" if live else "-")


def settings_text(config: Config) -> str:
    """Return a setting in a few words."""
    size = f"{config.depth}x{config.width}" if config.depth else "softmax regression"
    rest = f"batch {config.batch_size} rate {scientific(config.learning_rate)} seed {config.seed}"
    used = [f" {n} {written(v)}" for n, v in config.identity().items() if n in TECHNIQUES]
    return f"{config.loss} {size} {rest}{''.join(used)}"


def arithmetic(config: Config) -> float:
    """Return the floating-point operations of one epoch.

    For each parameter, an image to train on takes 2 forward and 4 backward, one to validate on 2.
    Muon's step has 15 products of each hidden matrix; other techniques add a few hundredths.
    """
    images = 6.0 * config.train_size + 2.0 * VALIDATION_SIZE
    hidden = max(0, config.depth - 1) if config.optimizer == "muon" else 0
    turned = hidden * config.steps_an_epoch * 15 * 2.0 * config.width**3
    return parameter_count(config.depth, config.width) * images + turned


@cache
def speed(device: str, precision: str = "float32") -> float:
    """Return a device's floating-point operations per second, measured with one matrix product."""
    size = 512 if device == "cpu" else 4096
    with environment.threads(Config()):  # on one core, as an estimate is
        a = torch.rand(size, size, device=device, dtype=getattr(torch, precision))
        compute = multiply(torch.mm, a, a, out=torch.empty_like(a))
        compute()
        started = time.perf_counter()
        for _ in range(5):
            product = compute()
        product[0, 0].item()  # wait for the device
        return 5 * 2 * size**3 / (time.perf_counter() - started)


def estimate(config: Config, speeds: Mapping[str, float]) -> float:
    """Return the seconds a run takes if patience never stops it; `speeds` are by precision."""
    steps = config.train_size / config.batch_size
    seconds = steps * SECONDS_PER_STEP + arithmetic(config) / speeds[config.precision]
    return config.epochs * seconds


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that fits, rounded to what an estimate can tell."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
