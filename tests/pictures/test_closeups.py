"""Close-ups: no spike is lost, runs meet at their best epoch, times are read off in between."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.config import Config
from fmnist_lab.pictures.closeups import (
    after_best,
    around_best,
    fit,
    near_lowest,
    reached,
    roughness,
    step_losses,
)
from fmnist_lab.runs.run import pack

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture
def with_curve(made_up_run):
    """Return a function that makes a run with these values of one metric, an epoch each."""

    def make(values, metric="validation_loss", best_epoch=1, seed=0, **fields):
        config = Config(seed=seed, **fields)
        run = made_up_run(config, epochs=len(values), best_epoch=best_epoch)
        run.history[metric][:] = values
        return run

    return make


def lines(ax):
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in ax.get_lines()}


def entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# --- The loss of every step


@settings(max_examples=20, deadline=None)
@given(
    losses=st.lists(st.floats(0, 100, width=16), min_size=1, max_size=200),
    strokes=st.integers(1, 40),
)
def test_thinning_keeps_the_lowest_and_the_highest_loss_of_every_stretch(
    made_up_run, losses, strokes
):
    run = made_up_run(Config(), step_losses=pack(np.array(losses, np.float16)))
    ax = step_losses(run, strokes=strokes)
    length = -(-len(losses) // strokes)
    stretches = [losses[start : start + length] for start in range(0, len(losses), length)]
    assert len(stretches) <= strokes
    expected = [end for stretch in stretches for end in (min(stretch), max(stretch))]
    assert lines(ax)["steps"].tolist() == expected
    plt.close(ax.figure)


@pytest.mark.parametrize(("strokes", "said"), [(3, "lowest to highest loss of 4 steps"), (12, "")])
def test_the_axis_says_how_many_steps_share_a_stroke(made_up_run, strokes, said):
    run = made_up_run(Config(), step_losses=pack(np.arange(12, dtype=np.float16)))
    assert step_losses(run, strokes=strokes).get_xlabel().partition("stroke: ")[2] == said


def test_losses_that_are_not_finite_are_left_out(made_up_run):
    losses = np.array([1, np.inf, 2, np.nan], np.float16)
    ax = step_losses(made_up_run(Config(), step_losses=pack(losses)), strokes=1)
    assert lines(ax)["steps"].tolist() == [1, 2]


def test_an_epochs_mean_stands_at_the_middle_of_its_steps(made_up_run):
    run = made_up_run(Config(), epochs=2, step_losses=pack(np.ones(8, np.float16)))
    (means,) = (line for line in step_losses(run).get_lines() if "mean" in str(line.get_label()))
    assert list(means.get_xdata()) == [2, 6]
    assert list(means.get_ydata()) == run.history["train_loss"]


def test_a_run_without_step_losses_is_refused(made_up_run):
    with pytest.raises(ValueError, match="stored without its step losses"):
        step_losses(made_up_run(Config()))


# --- Around the best epoch


def test_runs_are_laid_on_each_other_at_their_best_epoch_and_measured_in_percent(with_curve):
    runs = [
        with_curve([3.0, 2.0, 2.5], best_epoch=2),
        with_curve([5.0, 4.0, 1.0, 1.5, 2.0], best_epoch=3, seed=1),
    ]
    found = around_best(runs, "validation_loss", before=1)
    assert found.index.tolist() == [-1, 0, 1, 2]
    assert found[runs[0].id].tolist() == pytest.approx([50, 0, 25, np.nan], nan_ok=True)
    assert found[runs[1].id].tolist() == pytest.approx([300, 0, 50, 100])


def test_a_run_that_ended_at_its_best_epoch_or_has_none_is_left_out(with_curve):
    runs = [with_curve([3.0, 2.0], best_epoch=2), with_curve([3.0, 2.0], best_epoch=0, seed=1)]
    assert around_best(runs, "validation_loss", before=1).empty


def test_the_legend_counts_the_seeds_that_went_on_after_their_best_epoch(with_curve):
    runs = [
        with_curve([2.0, 1.0, 1.5], best_epoch=2, depth=2),
        with_curve([2.0, 1.0], best_epoch=2, depth=2, seed=1),
        with_curve([2.0, 1.0], best_epoch=2, depth=3),
    ]
    assert entries(after_best(runs, by="depth")) == ["2 (1 seed)"]


def test_a_backdrop_is_drawn_without_an_entry_in_the_legend(with_curve):
    shown, behind = (with_curve([2.0, 1.0, 1.5], best_epoch=2, depth=d) for d in (1, 2))
    ax = after_best([shown], by="depth", backdrop=[behind])
    assert entries(ax) == ["1 (1 seed)"]
    assert len(ax.get_lines()) == 3  # both runs and the mark of the best epoch


# --- Near the lowest value


def test_a_loss_is_shown_from_its_lowest_value_of_all_to_a_multiple_of_it(with_curve):
    runs = [with_curve([9.0, 2.0, 3.0]), with_curve([9.0, 6.0, 5.0], depth=2)]
    ax = near_lowest(runs, by="depth", times=2)
    drawn = [line.get_ydata().tolist() for line in ax.get_lines()]
    assert drawn == [[9.0, 2.0, 3.0], [9.0, 6.0, 5.0]]
    assert ax.get_ylim() == (1.9, 4.0)


# --- Roughness


def test_roughness_is_the_median_jolt_of_the_validation_loss(with_curve):
    run = with_curve([4.0, 3.0, 4.0, 3.0])  # every second difference is 2
    ax = roughness([run], by="batch_size")
    assert [line.get_ydata().tolist() for line in ax.get_lines()] == [[2.0], [2.0]]
    assert ax.get_yscale() == ax.get_xscale() == "log"


def test_each_setting_has_a_tick(with_curve):
    runs = [with_curve([4.0, 3.0, 4.0], batch_size=size) for size in (1, 16)]
    behind = [with_curve([4.0, 3.0, 4.0], batch_size=256)]
    ax = roughness(runs, by="batch_size", backdrop=behind)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "16", "256"]


# --- Validation against training accuracy


def test_accuracies_are_shown_from_the_low_end_on(with_curve):
    run = with_curve([0.7, 0.85], metric="validation_accuracy")
    run.history["train_accuracy"][:] = [0.6, 0.9]
    ax = fit([run], by="depth", low=0.8)
    assert ax.get_xlim() == pytest.approx((0.8, 0.91))
    assert ax.get_ylim() == pytest.approx((0.8, 0.86))


def test_a_run_that_stays_below_the_low_end_is_shown_all_the_same(with_curve):
    run = with_curve([0.2, 0.3], metric="validation_accuracy")
    low, high = fit([run], by="depth", low=0.8).get_ylim()
    assert low <= 0.2 < 0.3 <= high


# --- How long it takes to get there


def test_the_way_to_an_accuracy_is_told_in_epochs_steps_and_seconds(with_curve):
    run = with_curve([0.5, 0.7, 0.9], metric="validation_accuracy", batch_size=480)
    run.history["seconds"][:] = [2.0, 2.0, 2.0]
    found = reached([run], "batch_size", 0.8).loc["480"]
    assert found.to_dict() == {
        "runs": 1,
        "reached it": 1,
        "epochs": "2.5",  # half way from 0.7 to 0.9
        "steps": "250",
        "seconds": "5.0",
    }


def test_the_mean_is_over_the_runs_that_get_there(with_curve):
    runs = [
        with_curve(values, metric="validation_accuracy", seed=seed)
        for seed, values in enumerate(([0.5, 0.9], [0.5, 0.6], [0.9, 0.9]))
    ]
    found = reached(runs, "depth", 0.9).loc["1"]
    assert (found["runs"], found["reached it"], found["epochs"]) == (3, 2, "1.5")


def test_a_setting_that_never_gets_there_has_dashes(with_curve):
    found = reached([with_curve([0.5, 0.6], metric="validation_accuracy")], "depth", 0.9).loc["1"]
    assert found["reached it"] == 0
    assert list(found[["epochs", "steps", "seconds"]]) == ["-"] * 3


def test_a_run_too_short_for_a_roughness_is_left_out(with_curve):
    ax = roughness([with_curve([4.0, 3.0])], by="batch_size")
    ax.figure.canvas.draw()
    assert not ax.get_lines()


@pytest.mark.parametrize("picture", [after_best, fit, near_lowest, roughness])
def test_no_runs_are_an_empty_picture(picture):
    ax = picture([], by="depth")
    ax.figure.canvas.draw()
    assert not [line for line in ax.get_lines() if len(line.get_xdata()) > 2]


def test_no_runs_are_an_empty_table():
    assert reached([], "depth", 0.9).empty
