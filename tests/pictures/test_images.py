import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fmnist_lab.data import CLASSES
from fmnist_lab.pictures.calibration import precision_recall
from fmnist_lab.pictures.calibration import reliability as reliability_table
from fmnist_lab.pictures.images import (
    GAP,
    beside_printed,
    by_class,
    class_counts,
    gallery,
    grey_levels,
    matrix,
    reliability,
)
from fmnist_lab.pictures.style import axes
from fmnist_lab.verdicts.statistics import prediction_interval


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def canvas(ax):
    (image,) = ax.images
    return np.asarray(image.get_array())


def labels(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


# --- gallery ---


def test_a_gallery_puts_images_row_by_row():
    images = np.stack([np.full(784, grey) for grey in (0.1, 0.2, 0.3)])
    drawn = canvas(gallery(images, columns=2))
    assert drawn.shape == (2 * 28 + GAP, 2 * 28 + GAP)
    assert (drawn[:28, :28] == 0.1).all()
    assert (drawn[:28, 28 + GAP :] == 0.2).all()
    assert (drawn[28 + GAP :, :28] == 0.3).all()
    assert (drawn[28 + GAP :, 28 + GAP :] == 0).all()  # no fourth image: white


def test_a_gallery_shows_zero_white_and_one_black():
    (image,) = gallery(np.zeros((1, 784)), columns=1).images
    assert image.to_rgba(np.array([0.0, 1.0]))[:, :3].tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_gallery_takes_images_of_any_shape():
    assert canvas(gallery(np.ones((2, 28, 56)), columns=1)).shape == (2 * 28 + GAP, 56)


def test_captions_stand_under_their_images_and_clear_of_the_next_row():
    ax = gallery(np.ones((4, 784)), columns=2, captions=["a", "b\nb", "c", "d"])
    ax.figure.canvas.draw()
    assert texts(ax) == ["a", "b\nb", "c", "d"]
    inside = [text.get_window_extent().transformed(ax.transData.inverted()) for text in ax.texts]
    for box in inside[:2]:  # the image's axis points down: its bottom is the larger y
        top, bottom = sorted((box.y0, box.y1))
        assert top > 27
        assert (canvas(ax)[int(bottom) + 1] == 1).sum() in (0, 56)
        assert bottom < np.flatnonzero(canvas(ax)[30:, 0])[0] + 30


def test_the_rows_of_a_gallery_are_named_at_their_middle():
    ax = gallery(np.ones((4, 784)), columns=2, rows=["above", "below"])
    assert labels(ax.yaxis) == ["above", "below"]
    assert ax.get_yticks().tolist() == [13.5, 28 + GAP + 13.5]


def test_a_gallery_of_nothing_is_white():
    assert not canvas(gallery(np.zeros((0, 784)), columns=5)).any()


@pytest.mark.parametrize("names", [{"captions": ["one"]}, {"rows": ["one", "two"]}])
def test_a_gallery_refuses_captions_or_rows_that_do_not_fit(names):
    with pytest.raises(ValueError, match="give one for each, or none"):
        gallery(np.zeros((3, 784)), columns=3, **names)


# --- matrix ---


def test_a_matrix_writes_its_counts_and_leaves_zeros_out():
    ax = matrix([[9, 1], [0, 4]], names=("shirt", "coat"))
    assert texts(ax) == ["9", "1", "4"]
    assert labels(ax.xaxis) == labels(ax.yaxis) == ["shirt", "coat"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_the_shade_of_a_cell_is_the_root_of_its_share_of_the_row():
    shades = canvas(matrix([[9, 1], [0, 4]], names=("shirt", "coat")))
    assert shades.tolist() == [[pytest.approx(0.9**0.5), pytest.approx(0.1**0.5)], [0, 1]]


def test_the_numbers_of_a_matrix_can_be_read_on_every_shade():
    ax = matrix(np.array([[100 - n, n] for n in range(0, 100, 2)]), names=("shirt", "coat"))
    (image,) = ax.images

    def luminance(color):
        part = np.asarray(plt.matplotlib.colors.to_rgb(color))
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05  # WCAG 2.1

    for text in ax.texts:
        column, row = (int(value) for value in text.get_position())
        cell = luminance(image.to_rgba(image.get_array()[row, column])[:3])
        ratio = cell / luminance(text.get_color())
        assert max(ratio, 1 / ratio) >= 4.5, text.get_text()


def test_a_matrix_of_nothing_is_drawn_without_a_number():
    assert texts(matrix(np.zeros((10, 10)))) == []


# --- reliability, classes, pixels, split ---


def test_a_reliability_diagram_has_the_diagonal_and_a_line_a_run():
    table = reliability_table([0.2, 0.9, 0.95], [False, True, True])
    ax = reliability([table, table])
    diagonal, *runs = ax.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert len(runs) == 2
    assert runs[0].get_xydata().tolist() == table[["confidence", "accuracy"]].to_numpy().tolist()
    assert ax.get_legend().get_texts()[1].get_text() == "2 runs"


def test_the_marker_of_a_fuller_bin_is_larger():
    table = reliability_table([0.2, *[0.9] * 30], [True] * 31)
    (points,) = reliability([table]).collections
    small, large = points.get_sizes()
    assert large > small > 0


def test_precision_and_recall_are_drawn_as_mean_and_range_over_runs():
    tables = [precision_recall([[4, 0], [n, 4 - n]]) for n in (0, 2)]  # recall of class 1: 1, 0.5
    ax = by_class(tables, names=("shirt", "coat"))
    recall = ax.containers[1]
    assert recall.lines[0].get_xdata().tolist() == [1, 0.75]
    (bar,) = recall.lines[2]
    assert [segment[:, 0].tolist() for segment in bar.get_segments()] == [[1, 1], [0.5, 1]]
    assert labels(ax.yaxis) == ["shirt", "coat"]


def test_ticks_close_to_each_other_are_not_rounded_to_one_number():
    tables = [precision_recall([[1000 - n, n], [n, 1000 - n]]) for n in (100, 105)]
    ax = by_class(tables, names=("shirt", "coat"))
    ax.figure.canvas.draw()
    ticks = labels(ax.xaxis)
    assert len(set(ticks)) == len(ticks) > 2
    assert "89.6 %" in ticks


def test_grey_levels_are_shares_of_all_pixels():
    ax = grey_levels({"train": np.array([[0, 0, 0, 1.0]]), "test": np.array([100 / 255])})
    train, test = (line.get_ydata() for line in ax.lines)
    assert (train[0], train[255], train.sum()) == (0.75, 0.25, 1)
    assert test[100] == 1


def test_the_chosen_seeds_counts_stand_out_from_the_others():
    counts = pd.DataFrame([[1190, 1210], [1200, 1195]], index=[3, 4], columns=["shirt", "coat"])
    ax = class_counts(counts, 4, expected=1200, sd=29)
    line, other, chosen = ax.lines
    assert line.get_ydata()[0] == 1200
    assert other.get_ydata().tolist() == [1190, 1210]
    assert chosen.get_ydata().tolist() == [1200, 1195]
    assert chosen.get_label() == "seed 4"
    (band,) = ax.patches
    assert (band.get_y(), band.get_height()) == (1200 - 58, 116)


# --- printed figures ---


def test_runs_stand_beside_the_printed_figure_with_their_prediction_interval():
    values = [0.89, 0.90, 0.895]
    ax = beside_printed({"validation": values}, {"validation": [0.899]})
    assert texts(ax) == ["89.9"]
    (bar,) = ax.containers[0].lines[2]
    span = prediction_interval(values)
    low, high = bar.get_segments()[0][:, 0]
    assert (low, high) == (pytest.approx(100 * span.low), pytest.approx(100 * span.high))
    assert labels(ax.yaxis) == ["validation"]


def test_two_printed_figures_do_not_write_over_each_other():
    ax = beside_printed({"validation": [0.85, 0.86]}, {"validation": [0.899, 0.897]})
    ax.figure.canvas.draw()
    lower, higher = (text.get_window_extent() for text in ax.texts)
    assert texts(ax) == ["89.7", "89.9"]
    assert lower.x1 < higher.x0


@pytest.mark.parametrize("values", [[], [0.89]])
def test_without_two_runs_there_is_no_interval(values):
    ax = beside_printed({"validation": values}, {"validation": [0.899]})
    assert not ax.containers
    assert texts(ax) == ["89.9"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: gallery(np.zeros((1, 784)), columns=1, ax=ax),
        lambda ax: matrix(np.eye(10), ax=ax),
        lambda ax: reliability([], ax=ax),
        lambda ax: by_class([], ax=ax),
        lambda ax: grey_levels({"train": np.zeros(4)}, ax=ax),
        lambda ax: beside_printed({"test": []}, {}, ax=ax),
    ],
)
def test_every_picture_draws_on_the_axes_it_is_given(draw):
    ax = axes()
    assert draw(ax) is ax
    assert len(plt.get_fignums()) == 1


def test_ten_classes_are_named_unless_others_are_given():
    assert labels(by_class([]).yaxis) == list(CLASSES)
