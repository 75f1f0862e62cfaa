"""Panels of their own and logarithmic axes, drawn from made-up runs."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

from fmnist_lab.config import Config
from fmnist_lab.pictures import scales
from fmnist_lab.pictures.style import BACKDROP
from fmnist_lab.runs.records import table
from fmnist_lab.runs.run import HISTORY

matplotlib.use("Agg")

LOSSES = ("cross_entropy", "mse", "mae")
RATES = (2.05e-3, 2.05e-4)


@pytest.fixture(autouse=True)
def _closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture
def by_loss(made_up_run):
    """Two seeds of each loss; the second stops an epoch earlier."""
    return [
        made_up_run(Config(loss=loss, seed=seed), epochs=4 - seed)
        for loss in LOSSES
        for seed in (0, 1)
    ]


@pytest.fixture
def by_rate(made_up_run):
    """One run a learning rate: the large one stopped by patience, the small one at the cap."""
    return [
        made_up_run(Config(learning_rate=rate), accuracy=accuracy, stopped_by=end)
        for rate, accuracy, end in zip(RATES, (0.5, 0.75), ("patience", "epochs"), strict=True)
    ]


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


@pytest.mark.parametrize("kind", ["accuracy", "loss"])
def test_each_setting_has_a_panel_with_its_training_and_its_validation_curve(by_loss, kind):
    drawn = scales.train_and_validation(by_loss, by="loss", kind=kind)
    assert [ax.get_title() for ax in drawn] == [
        "cross entropy (2 seeds)",
        "mse (2 seeds)",
        "mae (2 seeds)",
    ]
    for ax in drawn:
        assert set(lines(ax)) == {"training", "validation"}


def test_a_panel_ends_where_the_first_run_stopped(by_loss):
    ax, *_ = scales.train_and_validation(by_loss, by="loss")
    assert list(lines(ax)["training"].get_xdata()) == [1, 2, 3]


def test_a_panel_shows_the_mean_over_seeds(made_up_run):
    histories = [{name: [value] for name in HISTORY} for value in (0.2, 0.6)]
    runs = [made_up_run(Config(seed=n), history=h, epochs=1) for n, h in enumerate(histories)]
    (ax,) = scales.train_and_validation(runs, by="loss")
    assert lines(ax)["validation"].get_ydata() == pytest.approx([0.4])


@pytest.mark.parametrize(("kind", "shared"), [("accuracy", True), ("loss", False)])
def test_accuracies_share_an_axis_and_losses_do_not(by_loss, kind, shared):
    first, second, _ = scales.train_and_validation(by_loss, by="loss", kind=kind)
    first.set_ylim(0, 0.123)
    assert (second.get_ylim() == (0, 0.123)) is shared


def test_no_runs_are_an_empty_panel():
    (ax,) = scales.train_and_validation([], by="loss")
    assert not ax.get_lines()


def test_rates_stand_at_their_values_on_a_logarithmic_axis(by_rate):
    ax = scales.along(table(by_rate), by="learning_rate")
    assert ax.get_xscale() == "log"
    means, *_ = ax.get_lines()
    assert list(means.get_xdata()) == sorted(RATES)
    assert list(means.get_ydata()) == [0.75, 0.5]


def test_a_run_that_hit_the_cap_has_a_marker_of_its_own(by_rate):
    shown = lines(scales.along(table(by_rate), by="learning_rate"))
    assert shown["stopped by patience"].get_marker() == "o"
    assert list(shown["stopped by patience"].get_xdata()) == [2.05e-3]
    assert shown["hit the cap on epochs"].get_marker() == "^"
    assert list(shown["hit the cap on epochs"].get_xdata()) == [2.05e-4]
    assert "diverged" not in shown


def test_the_backdrop_is_grey_and_without_an_entry_in_the_legend(by_rate):
    front, behind = table(by_rate[:1]), table(by_rate[1:])
    ax = scales.along(front, by="learning_rate", backdrop=behind)
    (legend,) = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == "stopped by patience"
    grey = [line for line in ax.get_lines() if line.get_color() == BACKDROP]
    assert [list(line.get_xdata()) for line in grey] == [[2.05e-4], [2.05e-4]]


def test_a_value_of_zero_makes_the_axis_linear(made_up_run):
    runs = [made_up_run(Config(depth=depth)) for depth in (0, 1)]
    assert scales.along(table(runs), by="depth").get_xscale() == "linear"


def test_no_runs_are_an_empty_picture():
    assert not scales.along(table([]), by="learning_rate").get_lines()
