"""Pictures of runs: what is drawn is what the runs say."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from fmnist_lab.config import Config
from fmnist_lab.pictures import style
from fmnist_lab.runs.records import table
from fmnist_lab.verdicts.statistics import mean_interval

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture
def with_curve(made_up_run):
    """Return a function that makes a run with these validation accuracies, an epoch each."""

    def make(values, seed=0, **fields):
        run = made_up_run(Config(seed=seed, **fields), epochs=len(values))
        run.history["validation_accuracy"][:] = values
        return run

    return make


def entries(ax):
    legend = ax.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def drawn(ax, number=0):
    line = ax.get_lines()[number]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


# --- Curves


def test_a_line_is_the_mean_over_seeds_up_to_where_the_first_stopped(with_curve):
    ax = style.curves([with_curve([0.2, 0.4]), with_curve([0.4, 0.8, 0.9], seed=1)], by="depth")
    x, y = drawn(ax)
    assert list(x) == [1, 2]
    assert y == pytest.approx([0.3, 0.6])


def test_the_band_reaches_from_the_lowest_seed_to_the_highest(with_curve):
    ax = style.curves([with_curve([0.2, 0.4]), with_curve([0.4, 0.8], seed=1)], by="depth")
    corners = ax.collections[0].get_paths()[0].vertices
    assert {(1, 0.2), (1, 0.4), (2, 0.4), (2, 0.8)} <= {tuple(corner) for corner in corners}


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        ("epoch", [1, 2]),
        ("step", [100, 200]),  # 48,000 images in batches of 480
        ("seconds", [3, 7]),
        ("train_accuracy", [0.25, 0.75]),
    ],
)
def test_a_curve_can_be_drawn_against_several_clocks(with_curve, against, expected):
    run = with_curve([0.5, 0.6], batch_size=480)
    run.history["seconds"][:] = [3, 4]
    run.history["train_accuracy"][:] = [0.25, 0.75]
    assert list(drawn(style.curves([run], by="depth", against=against))[0]) == expected


def test_the_last_partial_batch_is_a_step(with_curve):
    assert style.steps_an_epoch(with_curve([0.5], train_size=1000, batch_size=300)) == 4


def test_the_legend_counts_the_seeds_of_each_setting_and_leaves_out_the_backdrop(with_curve):
    runs = [with_curve([0.5], depth=2), with_curve([0.5]), with_curve([0.5], seed=1)]
    ax = style.curves(runs, by="depth", backdrop=[with_curve([0.5], depth=3)])
    assert entries(ax) == ["1 (2 seeds)", "2 (1 seed)"]
    assert ax.get_lines()[0].get_color() == style.BACKDROP


def test_settings_are_told_apart_by_colour_and_line_and_marker():
    looks = [style.look(n) for n in range(8)]
    for part in ("color", "ls", "marker"):
        assert len({str(look[part]) for look in looks}) == 8


def test_a_loss_that_is_not_finite_is_a_gap_in_its_curve(with_curve):
    run = with_curve([0.5, 0.6])
    run.history["validation_loss"][:] = [1.0, None]
    _, y = drawn(style.curves([run], by="depth", metric="validation_loss"))
    assert np.isnan(y).tolist() == [False, True]


@pytest.mark.parametrize(("fraction", "shown"), [(0.85, "85 %"), (0.825, "82.5 %")])
def test_the_ticks_of_an_accuracy_are_not_rounded(with_curve, fraction, shown):
    ax = style.curves([with_curve([0.5, 0.9])], by="depth")
    assert ax.yaxis.get_major_formatter()(fraction) == shown


# --- Dots


def test_every_run_is_a_circle_and_every_setting_of_two_seeds_has_an_interval(made_up_run):
    accuracies = {(1, 0): 0.5, (1, 1): 0.6, (2, 0): 0.7}
    runs = [
        made_up_run(Config(depth=depth, seed=seed), accuracy=accuracy)
        for (depth, seed), accuracy in accuracies.items()
    ]
    ax = style.dots(table(runs), by="depth")
    circles = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [sorted(line.get_ydata()) for line in circles] == [
        pytest.approx([50, 60]),
        pytest.approx([70]),
    ]
    (interval,) = ax.containers
    expected = mean_interval([50, 60])
    ((_, low), (_, high)) = interval.lines[2][0].get_segments()[0]
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]


# --- Accuracy against the learning rate


def test_a_point_is_the_mean_over_seeds_at_its_rate(made_up_run):
    runs = [
        made_up_run(Config(learning_rate=rate, seed=seed), accuracy=accuracy)
        for rate, seed, accuracy in ((1e-3, 0, 0.5), (1e-3, 1, 0.7), (1e-2, 0, 0.4))
    ]
    ax = style.rates(table(runs), by="depth")
    x, y = drawn(ax)
    assert list(x) == [1e-3, 1e-2]
    assert list(y) == pytest.approx([0.6, 0.4])
    bars = ax.containers[0].lines[2][0].get_segments()
    assert bars[0][:, 1] == pytest.approx([0.5, 0.7])
    assert ax.get_xscale() == "log"
    assert entries(ax) == ["1 (2 seeds)"]


# --- The table


def test_the_summary_has_a_row_a_setting_in_percent(made_up_run):
    runs = [
        made_up_run(Config(seed=seed), accuracy=accuracy, stopped_by=end)
        for seed, (accuracy, end) in enumerate(((0.5, "epochs"), (0.6, "patience")))
    ]
    row = style.summary(table(runs), "depth").loc["1"]
    assert row["seeds"] == 2
    assert row["validation accuracy (%)"] == 55
    assert row["standard deviation"] == 7.07  # 10 points apart: 10 / sqrt(2)
    assert (row["hit the cap"], row["diverged"]) == (1, 0)


def test_one_seed_has_no_standard_deviation(made_up_run):
    row = style.summary(table([made_up_run(Config())]), "depth").loc["1"]
    assert np.isnan(row["standard deviation"])


def test_no_runs_are_empty_pictures_and_an_empty_table():
    nothing = table([])
    for ax in (
        style.curves([], by="depth"),
        style.dots(nothing, by="depth"),
        style.rates(nothing, by="depth"),
    ):
        ax.figure.canvas.draw()
        assert not ax.get_lines()
        assert not entries(ax)
    assert style.summary(nothing, "depth").empty


@pytest.mark.parametrize(
    ("value", "shown"),
    [(256, "256"), (0.05, "0.05"), (2.05e-5, "2.05e-5"), ("cross_entropy", "cross entropy")],
)
def test_a_value_is_shown_as_it_is_written(value, shown):
    assert style.label(value) == shown
