"""fmnist_lab.pictures.trials: what a budget of trials buys."""

import numpy as np
import pytest

from fmnist_lab import pictures
from fmnist_lab.config import Config
from fmnist_lab.runs.runs import Runs


@pytest.fixture
def tuned(made_up_run):
    """Return three rates of each of two losses, with known accuracies."""
    reached = {"mse": (0.80, 0.85, 0.90), "cross_entropy": (0.86, 0.87, 0.88)}
    return Runs(
        made_up_run(Config(loss=loss, learning_rate=rate), accuracy=accuracy)
        for loss, values in reached.items()
        for rate, accuracy in zip((1e-4, 1e-3, 1e-2), values, strict=True)
    )


def test_a_line_a_setting_goes_from_the_mean_towards_the_best(tuned):
    left, right = pictures.budgets({"loss": tuned, "learning_rate": tuned})
    assert [line.get_label() for line in left.get_lines()] == ["MSE", "cross-entropy"]
    for line, values in zip(
        left.get_lines(), ((0.80, 0.85, 0.90), (0.86, 0.87, 0.88)), strict=True
    ):
        assert list(line.get_xdata()) == [1, 2, 3]
        assert line.get_ydata()[0] == pytest.approx(np.mean(values))
        assert np.mean(values) < line.get_ydata()[2] < max(values)
    assert len(right.get_lines()) == 3


def test_the_best_is_in_sight_and_nothing_is_drawn_of_no_runs(tuned):
    (ax,) = pictures.budgets({"loss": tuned})
    low, high = ax.get_ylim()
    assert low < max(line.get_ydata().max() for line in ax.get_lines()) < high
    (empty,) = pictures.budgets({"loss": Runs()})
    assert not empty.get_lines()
