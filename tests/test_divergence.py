"""Learning rates at which training falls apart: recorded, shown and described as what they are."""

import itertools
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import explorer_data
import matplotlib.pyplot as plt
import pytest

from fmnist_lab.config import LOSS_NAMES, Config
from fmnist_lab.pictures import curves, dots, rates
from fmnist_lab.runs import records
from fmnist_lab.runs.run import ENDINGS
from fmnist_lab.sweeps.sweep import sweep

pytestmark = pytest.mark.usefixtures("home", "published")


@pytest.mark.slow
@pytest.mark.endurance("Divergence is recorded as such and drawn sensibly")
def test_at_any_rate_up_to_one_a_run_is_whole_and_every_picture_finite(trial):
    steps = trial.times(2, 5)
    found = [0.05 * 20 ** (n / (steps - 1)) for n in range(steps)]  # 0.05 to 1
    depths = range(trial.times(2, 5))
    settings = itertools.product(LOSS_NAMES, found, depths)
    base: dict[str, Any] = {"width": 64, "batch_size": 20, "train_size": 1_000, "epochs": 3}
    configs = [
        Config(loss=loss, learning_rate=min(rate, 1.0), depth=depth, **base)
        for loss, rate, depth in settings
    ]
    beyond = LOSS_NAMES if trial.at_length else ("mse",)  # numbers that outgrow float32
    large = base | {"depth": 8, "width": 512, "learning_rate": 1.0}
    configs += [Config(loss=loss, **large) for loss in beyond]
    executor = None if trial.at_length else ThreadPoolExecutor(1)  # processes take long to start
    runs = sweep(configs, executor=executor, progress=False)
    for run in runs:
        assert records.load(run.config) == run  # strict JSON, and the checks of a record
        assert run.stopped_by in ENDINGS
        missing = [name for name, values in run.history.items() if None in values]
        assert bool(missing) == (run.stopped_by == "divergence")
        parts = [*run.history.values(), run.best.values(), run.last.values()]
        numbers = [number for part in parts for number in part if number is not None]
        assert all(map(math.isfinite, numbers))
    frame = runs.table()
    for ax in (
        curves(runs, by="learning_rate"),
        rates(frame, by="depth"),
        dots(frame, by="loss"),
    ):
        assert all(map(math.isfinite, [*ax.get_xlim(), *ax.get_ylim()]))
        ax.figure.draw_without_rendering()
    plt.close("all")
    sent = explorer_data.payload(runs)
    json.loads(sent, parse_constant=pytest.fail)  # called for NaN and the infinities
    diverged = sum(run.stopped_by == "divergence" for run in runs)
    assert 0 < diverged < len(runs)
    trial.found(f"{len(runs)} trainings at rates from 0.05 to 1: {diverged} diverged")
