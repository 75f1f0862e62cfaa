"""Curves: the mean and the band of seeds; no spike is lost; runs meet at their best epoch."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab import pictures
from fmnist_lab.config import Config
from fmnist_lab.pictures.curves import around_best
from fmnist_lab.pictures.style import BACKDROP, label, look, looks
from fmnist_lab.runs.run import HISTORY, pack
from fmnist_lab.runs.runs import Runs
from tests.pictures.seen import drawn, entries, heights, lines

LOSSES = ("cross_entropy", "mse", "mae")


@pytest.fixture
def with_loss(with_curve):
    """Return a function that makes a run with these validation losses, best at the first epoch."""
    return partial(with_curve, metric="validation_loss", best_epoch=1)


@pytest.fixture
def by_loss(made_up_run):
    """Two seeds of each loss; the second stops an epoch earlier."""
    return [
        made_up_run(Config(loss=loss, seed=seed), epochs=4 - seed)
        for loss in LOSSES
        for seed in (0, 1)
    ]


# --- Curves


def test_a_line_is_the_mean_over_seeds_up_to_where_the_first_stopped(with_curve):
    ax = pictures.curves([with_curve([0.2, 0.4]), with_curve([0.4, 0.8, 0.9], seed=1)], by="depth")
    x, y = drawn(ax)
    assert list(x) == [1, 2]
    assert y == pytest.approx([0.3, 0.6])


def test_the_band_reaches_from_the_lowest_seed_to_the_highest(with_curve):
    ax = pictures.curves([with_curve([0.2, 0.4]), with_curve([0.4, 0.8], seed=1)], by="depth")
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
    assert list(drawn(pictures.curves([run], by="depth", against=against))[0]) == expected


def test_the_names_count_the_seeds_where_they_differ_and_the_backdrop_is_grey(with_curve):
    runs = [with_curve([0.5], depth=2), with_curve([0.6]), with_curve([0.6], seed=1)]
    ax = pictures.curves(runs, by="depth", backdrop=[with_curve([0.7], depth=3)])
    assert entries(ax) == ["3 (1)", "1 (2)", "2 (1)"]
    colors = [line.get_color() for line in ax.get_legend().get_lines()]
    assert [color == BACKDROP for color in colors] == [True, False, False]


@pytest.mark.parametrize(("by", "values"), [("loss", ["mae", "mse"]), ("width", [512, 2096])])
def test_a_value_has_one_look_in_every_picture(made_up_run, by, values):
    known = looks(by, [])
    runs = [made_up_run(Config(**{by: value})) for value in values]
    names = [label(value) for value in values]
    for draw in (pictures.curves, lambda runs, by: pictures.rates(Runs(runs).table(), by=by)):
        shown = lines(draw(runs, by=by)) | lines(draw(runs[::-1], by=by))
        containers = draw(runs, by=by).containers
        shown |= {bars.get_label(): bars.lines[0] for bars in containers}
        colors = [shown[name].get_color() for name in names]
        assert colors == [known[value]["color"] for value in values]


def test_a_value_that_no_published_study_has_comes_after_those_that_have_one():
    known = looks("width", [])
    assert looks("width", [64]) == known | {64: look(len(known))}


def test_settings_are_told_apart_by_colour_and_line_and_marker():
    looks = [look(n) for n in range(8)]
    for part in ("color", "ls", "marker"):
        assert len({str(look[part]) for look in looks}) == 8


def test_a_loss_that_is_not_finite_is_a_gap_in_its_curve(with_curve):
    run = with_curve([0.5, 0.6])
    run.history["validation_loss"][:] = [1.0, None]
    _, y = drawn(pictures.curves([run], by="depth", metric="validation_loss"))
    assert np.isnan(y).tolist() == [False, True]


@pytest.mark.parametrize(("fraction", "shown"), [(0.85, "85 %"), (0.825, "82.5 %")])
def test_the_ticks_of_an_accuracy_are_not_rounded(with_curve, fraction, shown):
    ax = pictures.curves([with_curve([0.5, 0.9])], by="depth")
    assert ax.yaxis.get_major_formatter()(fraction) == shown


def test_accuracies_are_shown_from_twelve_points_below_the_best_up(with_curve):
    runs = [with_curve([0.2, 0.80, 0.84]), with_curve([0.3, 0.85, 0.90], seed=1)]
    low, high = pictures.curves(runs, by="depth").get_ylim()
    assert (low, high) == pytest.approx((0.78, 0.91))


def test_an_accuracy_that_stays_lower_is_in_sight(with_curve):
    low, _ = pictures.curves([with_curve([0.5]), with_curve([0.9], depth=2)], by="depth").get_ylim()
    assert low == pytest.approx(0.49)
    behind = [with_curve([0.4], depth=3)]
    low, _ = pictures.curves([with_curve([0.9])], by="depth", backdrop=behind).get_ylim()
    assert low == pytest.approx(0.39)


def test_panels_of_accuracy_share_an_axis_with_room_for_the_highest(with_curve):
    runs = [with_curve([0.7, 0.9]), with_curve([0.6, 0.8], loss="mse")]
    for run, top in zip(runs, (0.97, 0.85), strict=True):
        run.history["train_accuracy"][:] = [0.5, top]
    for ax in pictures.train_and_validation(runs, by="loss"):
        assert ax.get_ylim() == pytest.approx((0.78, 0.98))


# --- A panel a setting


@pytest.mark.parametrize("kind", ["accuracy", "loss"])
def test_each_setting_has_a_panel_with_its_training_and_its_validation_curve(by_loss, kind):
    drawn = pictures.train_and_validation(by_loss, by="loss", kind=kind)
    assert [ax.get_title() for ax in drawn] == [
        "cross-entropy (2 seeds)",
        "MSE (2 seeds)",
        "MAE (2 seeds)",
    ]
    for ax in drawn:
        assert set(lines(ax)) == {"training", "validation"}


def test_a_panel_ends_where_the_first_run_stopped(by_loss):
    ax, *_ = pictures.train_and_validation(by_loss, by="loss")
    assert list(lines(ax)["training"].get_xdata()) == [1, 2, 3]


def test_a_panel_shows_the_mean_over_seeds(made_up_run):
    histories = [{name: [value] for name in HISTORY} for value in (0.2, 0.6)]
    runs = [made_up_run(Config(seed=n), history=h, epochs=1) for n, h in enumerate(histories)]
    (ax,) = pictures.train_and_validation(runs, by="loss")
    assert lines(ax)["validation"].get_ydata() == pytest.approx([0.4])


@pytest.mark.parametrize(("kind", "shared"), [("accuracy", True), ("loss", False)])
def test_accuracies_share_an_axis_and_losses_do_not(by_loss, kind, shared):
    first, second, _ = pictures.train_and_validation(by_loss, by="loss", kind=kind)
    first.set_ylim(0, 0.123)
    assert (second.get_ylim() == (0, 0.123)) is shared


def test_no_runs_are_an_empty_panel():
    (ax,) = pictures.train_and_validation([], by="loss")
    assert not ax.get_lines()


def test_loss_and_accuracy_show_each_history_on_training_and_validation_images(made_up_run):
    one, other = made_up_run(Config()).history, made_up_run(Config(), epochs=4).history
    diverged = other | {"validation_loss": [1.0, None, None, None]}
    loss, accuracy = pictures.loss_and_accuracy({"one": one, "other": diverged})
    for ax, kind in ((loss, "loss"), (accuracy, "accuracy")):
        assert ax.get_ylabel() == kind
        rows = [line.get_ydata().tolist() for line in ax.get_lines()]
        parts = f"validation_{kind}", f"train_{kind}"
        wanted = [history[part] for history in (one, diverged) for part in parts]
        np.testing.assert_array_equal(
            [value for row in rows for value in row],
            np.array([value for row in wanted for value in row], float),
        )
        colors = [line.get_color() for line in ax.get_lines()]
        assert colors[0] == colors[1] != colors[2] == colors[3]
    (legend,) = loss.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "other"]


@pytest.mark.parametrize(("epochs", "whole"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3])])
def test_the_ticks_of_few_epochs_are_whole(made_up_run, epochs, whole):
    run = made_up_run(Config(), epochs=epochs)
    axes = [pictures.curves([run], by="depth"), *pictures.loss_and_accuracy({"": run.history})]
    for ax in axes:
        low, high = ax.get_xlim()
        assert [tick for tick in ax.get_xticks() if low <= tick <= high] == whole


def test_loss_and_accuracy_are_drawn_where_they_are_told():
    given = pictures.panels(2)
    assert pictures.loss_and_accuracy({}, given) is given


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
    ax = pictures.step_losses(run, strokes=strokes)
    length = -(-len(losses) // strokes)
    stretches = [losses[start : start + length] for start in range(0, len(losses), length)]
    assert len(stretches) <= strokes
    expected = [end for stretch in stretches for end in (min(stretch), max(stretch))]
    assert heights(ax)["steps"].tolist() == expected
    plt.close(ax.figure)


@pytest.mark.parametrize(("strokes", "said"), [(3, "lowest to highest loss of 4 steps"), (12, "")])
def test_the_axis_says_how_many_steps_share_a_stroke(made_up_run, strokes, said):
    run = made_up_run(Config(), step_losses=pack(np.arange(12, dtype=np.float16)))
    assert pictures.step_losses(run, strokes=strokes).get_xlabel().partition("stroke: ")[2] == said


def test_losses_that_are_not_finite_are_left_out(made_up_run):
    losses = np.array([1, np.inf, 2, np.nan], np.float16)
    ax = pictures.step_losses(made_up_run(Config(), step_losses=pack(losses)), strokes=1)
    assert heights(ax)["steps"].tolist() == [1, 2]


def test_an_epochs_mean_stands_at_the_middle_of_its_steps(made_up_run):
    run = made_up_run(Config(), epochs=2, step_losses=pack(np.ones(8, np.float16)))
    (means,) = (
        line for line in pictures.step_losses(run).get_lines() if "mean" in str(line.get_label())
    )
    assert list(means.get_xdata()) == [2, 6]
    assert list(means.get_ydata()) == run.history["train_loss"]


def test_a_run_without_step_losses_is_refused(made_up_run):
    with pytest.raises(ValueError, match="stored without its step losses"):
        pictures.step_losses(made_up_run(Config()))


# --- Around the best epoch, near the lowest, the fit


def test_runs_are_laid_on_each_other_at_their_best_epoch_and_measured_in_percent(with_loss):
    runs = [
        with_loss([3.0, 2.0, 2.5], best_epoch=2),
        with_loss([5.0, 4.0, 1.0, 1.5, 2.0], best_epoch=3, seed=1),
    ]
    found = around_best(runs, "validation_loss", before=1)
    assert found.index.tolist() == [-1, 0, 1, 2]
    assert found[runs[0].id].tolist() == pytest.approx([50, 0, 25, np.nan], nan_ok=True)
    assert found[runs[1].id].tolist() == pytest.approx([300, 0, 50, 100])


def test_a_run_that_ended_at_its_best_epoch_or_has_none_is_left_out(with_loss):
    runs = [with_loss([3.0, 2.0], best_epoch=2), with_loss([3.0, 2.0], best_epoch=0, seed=1)]
    assert around_best(runs, "validation_loss", before=1).empty


def test_the_heading_counts_the_seeds_that_went_on_after_their_best_epoch(with_loss):
    runs = [
        with_loss([2.0, 1.0, 1.5], best_epoch=2, depth=2),
        with_loss([2.0, 1.0], best_epoch=2, depth=2, seed=1),
        with_loss([2.0, 1.0], best_epoch=2, depth=3),
    ]
    ax = pictures.after_best(runs, by="depth")
    assert entries(ax) == ["2"]
    assert ax.get_title("left") == "hidden layers, 1 seed each"


def test_a_backdrop_is_drawn_without_an_entry_in_the_legend(with_loss):
    shown, behind = (with_loss([2.0, 1.0, 1.5], best_epoch=2, depth=d) for d in (1, 2))
    ax = pictures.after_best([shown], by="depth", backdrop=[behind])
    assert entries(ax) == ["1"]
    assert len(ax.get_lines()) == 3  # both runs and the mark of the best epoch


def test_a_loss_is_shown_from_its_lowest_value_of_all_to_a_multiple_of_it(with_loss):
    runs = [with_loss([9.0, 2.0, 3.0]), with_loss([9.0, 6.0, 5.0], depth=2)]
    ax = pictures.near_lowest(runs, by="depth", times=2)
    drawn = [line.get_ydata().tolist() for line in ax.get_lines()]
    assert drawn == [[9.0, 2.0, 3.0], [9.0, 6.0, 5.0]]
    assert ax.get_ylim() == (1.9, 4.0)


def test_training_accuracies_too_are_shown_from_twelve_points_below_the_best_up(with_curve):
    run = with_curve([0.2, 0.7, 0.85])
    run.history["train_accuracy"][:] = [0.1, 0.6, 0.9]
    ax = pictures.curves([run], by="depth", against="train_accuracy")
    assert ax.get_xlim() == pytest.approx((0.78, 0.91))
    assert ax.get_ylim() == pytest.approx((0.73, 0.86))
    diagonal = ax.get_lines()[-1]
    assert (diagonal.get_xy1(), diagonal.get_slope()) == ((1, 1), 1)
