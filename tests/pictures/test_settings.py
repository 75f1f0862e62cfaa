"""Settings side by side: dots and axes, drawn from made-up runs."""

from functools import partial

import pytest

from fmnist_lab import pictures
from fmnist_lab.config import Config
from fmnist_lab.pictures.style import BACKDROP, label
from fmnist_lab.runs import records
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps.studies import LOSS_TUNING, STUDIES
from fmnist_lab.sweeps.tuning import TUNING_RATES
from fmnist_lab.verdicts.statistics import mean_interval, prediction_interval
from tests.pictures.seen import drawn, entries, labels, lines, texts

RATES = (2.05e-3, 2.05e-4)


@pytest.fixture
def with_loss(with_curve):
    """Return a function that makes a run with these validation losses, best at the first epoch."""
    return partial(with_curve, metric="validation_loss", best_epoch=1)


@pytest.fixture
def by_rate(made_up_run):
    """One run a learning rate: the large one stopped by patience, the small one at the cap."""
    return [
        made_up_run(Config(learning_rate=rate), accuracy=accuracy, stopped_by=end)
        for rate, accuracy, end in zip(RATES, (0.5, 0.75), ("patience", "epochs"), strict=True)
    ]


# --- Dots, rates


def test_every_run_is_a_circle_and_every_setting_of_three_seeds_has_an_interval(made_up_run):
    accuracies = {(1, 0): 0.5, (1, 1): 0.6, (1, 2): 0.7, (2, 0): 0.7, (2, 1): 0.8}
    runs = [
        made_up_run(Config(depth=depth, seed=seed), accuracy=accuracy)
        for (depth, seed), accuracy in accuracies.items()
    ]
    ax = pictures.dots(Runs(runs).table(), by="depth")
    circles = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [sorted(line.get_ydata()) for line in circles] == [
        pytest.approx([50, 60, 70]),
        pytest.approx([70, 80]),
    ]
    (interval,) = ax.containers
    expected = mean_interval([50, 60, 70])
    ((_, low), (_, high)) = interval.lines[2][0].get_segments()[0]
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]


def test_what_a_claim_calls_the_best_stands_on_a_band(made_up_run):
    runs = [made_up_run(Config(depth=depth)) for depth in (1, 2, 3)]
    ax = pictures.dots(Runs(runs).table(), by="depth", best={"D1": [2, 3, 9]})
    assert [(band.get_x() + band.get_width() / 2) for band in ax.patches] == pytest.approx([1, 2])
    assert entries(ax) == ["best, says D1"]


def test_where_no_setting_is_called_the_best_there_is_no_legend(made_up_run):
    ax = pictures.dots(Runs([made_up_run(Config())]).table(), by="depth", best={"D1": [9]})
    assert ax.get_legend() is None  # and no warning, which would be an error here


def test_a_legend_lies_on_nothing(by_rate):
    ax = pictures.along(Runs(by_rate).table(), by="learning_rate")
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y0 >= ax.bbox.y1


def test_a_point_is_the_mean_over_seeds_at_its_rate(made_up_run):
    runs = [
        made_up_run(Config(learning_rate=rate, seed=seed), accuracy=accuracy)
        for rate, seed, accuracy in ((1e-3, 0, 0.5), (1e-3, 1, 0.7), (1e-2, 0, 0.4))
    ]
    ax = pictures.rates(Runs(runs).table(), by="depth")
    x, y = drawn(ax)
    assert list(x) == [1e-3, 1e-2]
    assert list(y) == pytest.approx([0.6, 0.4])
    bars = ax.containers[0].lines[2][0].get_segments()
    assert bars[0][:, 1] == pytest.approx([0.5, 0.7])
    assert ax.get_xscale() == "log"
    assert entries(ax) == ["1"]


def test_no_runs_are_empty_pictures():
    nothing = Runs([]).table()
    for ax in (
        pictures.curves([], by="depth"),
        pictures.dots(nothing, by="depth"),
        pictures.rates(nothing, by="depth"),
    ):
        ax.figure.canvas.draw()
        assert not ax.get_lines()
        assert not entries(ax)


# --- Along an axis


def test_rates_stand_at_their_values_on_a_logarithmic_axis(by_rate):
    ax = pictures.along(Runs(by_rate).table(), by="learning_rate")
    assert ax.get_xscale() == "log"
    means, *_ = ax.get_lines()
    assert list(means.get_xdata()) == sorted(RATES)
    assert list(means.get_ydata()) == [0.75, 0.5]


def test_a_run_that_hit_the_cap_has_a_marker_of_its_own(by_rate):
    shown = lines(pictures.along(Runs(by_rate).table(), by="learning_rate"))
    assert shown["stopped by patience"].get_marker() == "o"
    assert list(shown["stopped by patience"].get_xdata()) == [2.05e-3]
    assert shown["hit the cap on epochs"].get_marker() == "^"
    assert list(shown["hit the cap on epochs"].get_xdata()) == [2.05e-4]
    assert "diverged" not in shown


def test_the_backdrop_is_grey_and_without_an_entry_in_the_legend(by_rate):
    front, behind = Runs(by_rate[:1]).table(), Runs(by_rate[1:]).table()
    ax = pictures.along(front, by="learning_rate", backdrop=behind)
    (legend,) = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == "stopped by patience"
    grey = [line for line in ax.get_lines() if line.get_color() == BACKDROP]
    assert [list(line.get_xdata()) for line in grey] == [[2.05e-4], [2.05e-4]]


def test_a_value_of_zero_makes_the_axis_linear(made_up_run):
    runs = [made_up_run(Config(depth=depth)) for depth in (0, 1)]
    assert pictures.along(Runs(runs).table(), by="depth").get_xscale() == "linear"


def test_without_runs_nothing_lies_along_an_axis():
    assert not pictures.along(Runs([]).table(), by="learning_rate").get_lines()


# --- Roughness


def test_roughness_is_the_median_jolt_of_the_validation_loss(with_loss):
    run = with_loss([4.0, 3.0, 4.0, 3.0])  # every second difference is 2
    ax = pictures.roughness([run], by="batch_size")
    assert [line.get_ydata().tolist() for line in ax.get_lines()] == [[2.0], [2.0]]
    assert ax.get_yscale() == ax.get_xscale() == "log"


def test_each_setting_has_a_tick(with_loss):
    runs = [with_loss([4.0, 3.0, 4.0], batch_size=size) for size in (1, 16)]
    behind = [with_loss([4.0, 3.0, 4.0], batch_size=256)]
    ax = pictures.roughness(runs, by="batch_size", backdrop=behind)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "16", "256"]


def test_a_run_too_short_for_a_roughness_is_left_out(with_loss):
    ax = pictures.roughness([with_loss([4.0, 3.0])], by="batch_size")
    ax.figure.canvas.draw()
    assert not ax.get_lines()


@pytest.mark.parametrize("picture", [pictures.after_best, pictures.near_lowest, pictures.roughness])
def test_no_runs_are_an_empty_picture(picture):
    ax = picture([], by="depth")
    ax.figure.canvas.draw()
    assert not [line for line in ax.get_lines() if len(line.get_xdata()) > 2]


# --- Beside what a report prints


def test_what_the_report_prints_is_a_line_each_with_one_name_for_all():
    ax = pictures.reported(pictures.panels(1)[0], [0.899, 0.897])
    assert [line.get_ydata()[0] for line in ax.get_lines()] == [0.899, 0.897]
    assert texts(ax) == ["the report: 89.7 and 89.9 %"]


def test_what_the_report_prints_far_above_a_picture_takes_no_room_from_it():
    """As over a network that was hardly trained."""
    (ax,) = pictures.panels(1)
    ax.set_ylim(0.1, 0.2)
    pictures.reported(ax, [0.899])
    ax.figure.draw_without_rendering()
    assert ax.get_position().height > 0.5  # of the figure's


def test_runs_stand_beside_the_printed_figure_with_their_prediction_interval():
    values = [0.89, 0.90, 0.895]
    ax = pictures.beside_printed({"validation": values}, {"validation": [0.899]})
    assert texts(ax) == ["89.9"]
    (bar,) = ax.containers[0].lines[2]
    span = prediction_interval(values)
    low, high = bar.get_segments()[0][:, 0]
    assert (low, high) == (pytest.approx(100 * span.low), pytest.approx(100 * span.high))
    assert labels(ax.yaxis) == ["validation"]


def test_two_printed_figures_do_not_write_over_each_other():
    ax = pictures.beside_printed({"validation": [0.85, 0.86]}, {"validation": [0.899, 0.897]})
    ax.figure.canvas.draw()
    lower, higher = (text.get_window_extent() for text in ax.texts)
    assert texts(ax) == ["89.7", "89.9"]
    assert lower.x1 < higher.x0


@pytest.mark.parametrize("values", [[], [0.89], [0.89, 0.9]])
def test_without_three_runs_there_is_no_interval(values):
    ax = pictures.beside_printed({"validation": values}, {"validation": [0.899]})
    assert not ax.containers
    assert texts(ax) == ["89.9"]


# --- At one rate and at each setting's own


@pytest.fixture
def tuned_losses(home, published, made_up_run):
    """Runs of the losses: each is best at the third rate, 0.02 better there than at the study's."""
    first, tuning = STUDIES["loss"], LOSS_TUNING
    best = TUNING_RATES[2]
    for config in tuning.configs():
        records.save(made_up_run(config, accuracy=0.9 - 0.01 * (config.learning_rate != best)))
    for config in first.configs():
        records.save(made_up_run(config, accuracy=0.88 + 0.001 * config.seed))
    for config in STUDIES["loss_retuned"].configs():
        records.save(made_up_run(config, accuracy=0.90 + 0.001 * config.seed))
    return best


def test_a_study_is_shown_at_its_one_rate_and_at_those_chosen(tuned_losses):
    left, right = pictures.at_own_rates("loss")
    rings = [line for line in left.get_lines() if line.get_markersize() == 13]
    assert [list(line.get_xdata()) for line in rings] == [[tuned_losses]] * 3
    assert entries(right) == ["at 2.05e-4", "at its own"]
    means = [bars.lines[0] for bars in right.containers]
    assert [mean.get_ydata()[0] for mean in means] == pytest.approx([0.8845] * 3 + [0.9045] * 3)
    assert [mean.get_markerfacecolor() == "none" for mean in means] == [True] * 3 + [False] * 3
    colors = [line.get_color() for line in rings]
    assert [mean.get_color() for mean in means] == colors * 2
    assert left.get_ylim() == pytest.approx((0.8745, 0.9145))
    rate = label(tuned_losses)
    assert labels(right.xaxis) == [f"{loss}: {rate}" for loss in ("cross-entropy", "MSE", "MAE")]


@pytest.mark.usefixtures("home", "published")
def test_a_study_that_nobody_tuned_yet_is_shown_empty():
    for ax in pictures.at_own_rates("width"):
        ax.figure.canvas.draw()
        shown = [line for line in ax.get_lines() if line.get_marker() in "os"]
        assert not any(len(line.get_xdata()) for line in shown)
