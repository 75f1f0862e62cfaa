"""Fixtures of pictures: runs with given curves; no figure stays open."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

from fmnist_lab.config import Config

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture
def with_curve(made_up_run):
    """Return a function that makes a run with these values of one metric, an epoch each."""

    def make(values, metric="validation_accuracy", seed=0, **fields):
        best = {"best_epoch": fields.pop("best_epoch")} if "best_epoch" in fields else {}
        run = made_up_run(Config(seed=seed, **fields), epochs=len(values), **best)
        run.history[metric][:] = values
        return run

    return make
