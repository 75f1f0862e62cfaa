"""The pictures of the method, and the ten lines that the chapter says do what the package does."""

import re
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from fmnist_lab import config, data, facts
from fmnist_lab.config import Config
from fmnist_lab.pictures import method
from fmnist_lab.training.trainer import train
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.statistics import MATERIAL, expected_maximum

matplotlib.use("Agg")
PAGE = Path(__file__).parents[2] / "book" / "method.ipynb"


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "seed": [0, 1, 2],
            "validation_accuracy": [0.89, 0.88, 0.90],
            "test_accuracy": [0.88, 0.88, 0.88],
        }
    )


def texts(ax):
    return [text.get_text() for text in ax.texts]


def code_of_the_page():
    cells = nbformat.read(PAGE, as_version=4).cells
    (cell,) = [cell for cell in cells if "## The training loop" in cell.source]
    return re.findall(r"```python\n(.*?)```", cell.source, re.S)


def test_the_loop_of_the_page_has_ten_lines():
    _, loop = code_of_the_page()
    assert len(loop.splitlines()) == 10


@pytest.mark.slow
def test_the_loop_of_the_page_does_what_the_stack_does(fashion, monkeypatch):
    small = Config(seed=3, epochs=4, train_size=600, batch_size=128, learning_rate=2e-3)
    monkeypatch.setattr(config, "Config", lambda **_: small)
    monkeypatch.setattr(data, "load", lambda: fashion)
    names: dict[str, Any] = {}
    exec("\n".join(code_of_the_page()), names)
    *_, last = train([small], fashion)
    (run,) = last.finished
    expected = np.array(run.history["validation_loss"], float)
    np.testing.assert_allclose(names["losses"], expected, rtol=1e-4)


@pytest.mark.slow
def test_the_loop_of_the_page_stops_where_the_stack_does(fashion, monkeypatch):
    # A learning rate so large that the loss soon rises.
    small = Config(seed=0, epochs=30, patience=1, train_size=300, batch_size=300, learning_rate=0.3)
    monkeypatch.setattr(config, "Config", lambda **_: small)
    monkeypatch.setattr(data, "load", lambda: fashion)
    names: dict[str, Any] = {}
    exec("\n".join(code_of_the_page()), names)
    *_, last = train([small], fashion)
    assert last.finished[0].stopped_by == "patience"
    assert len(names["losses"]) == last.finished[0].epochs


def test_the_spread_is_shown_in_points_from_the_mean(frame):
    ax = method.spread(frame)
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_allclose(drawn["validation images"], [0, -1, 1], atol=1e-9)
    np.testing.assert_allclose(drawn["test images"], 0, atol=1e-9)


def test_the_luck_of_six_is_written_beside_its_line():
    values = np.array([0.89, 0.88, 0.90])
    ax = method.luck(values)
    assert texts(ax) == [f"best of 6: +{expected_maximum(1.0, 6):.2f}"]
    line, dots = ax.lines
    assert len(line.get_xdata()) == 20
    np.testing.assert_allclose(dots.get_ydata(), [0, 2 / 3, 1], atol=1e-9)


def test_one_run_has_no_luck_to_show():
    ax = method.luck([0.9])
    assert [list(line.get_xdata()) for line in ax.lines] == [[1]]


def test_the_picture_of_the_rule_shows_what_the_rule_says():
    ax = method.rule({"large": [0.9, 0.8, 1.0, 0.9], "one seed": [0.9], "wide": [2, -1, 1]})
    words = [text.lstrip("\u2714\u2248\u2718\ufe0e? ") for text in texts(ax)]
    assert words == ["supported", "inconclusive", "inconclusive"]
    (band,) = ax.patches
    assert band.get_x() == pytest.approx(-100 * MATERIAL)


def test_the_picture_of_patience_has_a_row_for_each_setting_of_its_claim(made_up_run):
    runs = [made_up_run(Config(), epochs=7, stopped_by=end) for end in ("patience", "epochs")]
    ax = method.epochs_trained({run.stopped_by: run for run in runs})
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows == [str(arm) for part in CLAIMS["C4"].parts for arm in part.arms]
    drawn = {ax.get_yticklabels()[int(line.get_ydata()[0])].get_text() for line in ax.lines
             if list(line.get_xdata()) == [7]}  # fmt: skip
    assert drawn == {"cross-entropy", "batch size 256", "learning rate 2.05e-4"}


def test_the_picture_of_patience_survives_an_empty_record():
    assert len(method.epochs_trained({}).get_yticklabels()) > 0


def test_the_differences_of_two_precisions_are_drawn_beside_what_would_matter():
    found = facts.precision()
    ax = method.differences(found, "bfloat16 minus float32")
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found.index)
    bars = [container.lines[2][0].get_segments()[0][:, 0] for container in ax.containers]
    assert np.array(bars) == pytest.approx(found[["low", "high"]].to_numpy())
    (band,) = ax.patches
    assert band.get_x() == pytest.approx(-100 * MATERIAL)


def test_what_a_device_and_a_seed_change_are_drawn_side_by_side():
    found = facts.again()
    ax = method.scatters(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found.index)
    drawn = {line.get_marker(): list(line.get_xdata()) for line in ax.get_lines()}
    assert (drawn["o"], drawn["D"]) == (list(found["sd"]), list(found["sd of seeds"]))
    assert len({*found.index}) == len(found)
