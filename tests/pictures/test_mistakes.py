"""Mistakes: how predictions are drawn, class by class and image by image."""

import matplotlib
import numpy as np
import pytest
import torch

from fmnist_lab import pictures
from fmnist_lab.data import CLASSES as NAMES
from fmnist_lab.runs.predictions import Predictions
from tests.pictures.seen import canvas, labels, texts


def predicted(truth, *answers, sure=0.9):
    """Return the predictions of runs that gave these answers, all as sure."""
    classes = np.array(answers, int).reshape(len(answers), len(truth))
    return Predictions(np.array(truth), classes, np.full(classes.shape, sure))


def test_a_matrix_writes_its_counts_and_leaves_zeros_out():
    ax = pictures.matrix([[9, 1], [0, 4]])
    assert texts(ax) == ["9", "1", "4"]
    assert labels(ax.xaxis) == labels(ax.yaxis) == list(NAMES)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_the_shade_of_a_cell_is_the_root_of_its_share_of_the_row():
    shades = canvas(pictures.matrix([[9, 1], [0, 4]]))
    assert shades.tolist() == [[pytest.approx(0.9**0.5), pytest.approx(0.1**0.5)], [0, 1]]


def test_the_numbers_of_a_matrix_can_be_read_on_every_shade():
    ax = pictures.matrix(np.array([[100 - n, n] for n in range(0, 100, 2)]))
    (image,) = ax.images

    def luminance(color):
        part = np.asarray(matplotlib.colors.to_rgb(color))
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05  # WCAG 2.1

    for text in ax.texts:
        column, row = (int(value) for value in text.get_position())
        cell = luminance(image.to_rgba(image.get_array()[row, column])[:3])
        ratio = cell / luminance(text.get_color())
        assert max(ratio, 1 / ratio) >= 4.5, text.get_text()


def test_a_matrix_of_nothing_is_drawn_without_a_number():
    assert texts(pictures.matrix(np.zeros((10, 10)))) == []


def test_a_reliability_diagram_has_the_diagonal_and_a_line_a_run():
    sure = np.array([[0.2, 0.9, 0.92]] * 2)
    found = Predictions(np.array([1, 2, 3]), np.array([[0, 2, 3]] * 2), sure)
    ax = pictures.reliability(found)
    diagonal, *runs = ax.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert [run.get_xydata().tolist() for run in runs] == [[[0.2, 0], [0.91, 1]]] * 2
    assert ax.get_legend().get_texts()[1].get_text() == "2 runs"


def test_the_marker_of_a_fuller_bin_is_larger():
    sure = np.array([[0.2, *[0.9] * 30]])
    found = Predictions(np.zeros(31, int), np.zeros((1, 31), int), sure)
    (points,) = pictures.reliability(found).collections
    small, large = points.get_sizes()
    assert large > small > 0


def test_precision_and_recall_are_drawn_as_mean_and_range_over_runs():
    # Of three images of class 0 and two of class 1, the second run calls one of class 1 a 0.
    found = predicted([0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 1, 0])
    for container, middle, low in zip(pictures.by_class(found).containers,
                                      ([0.875, 1], [1, 0.75]), ([0.75, 1], [1, 0.5]),
                                      strict=True):  # fmt: skip
        assert container.lines[0].get_xdata()[:2].tolist() == middle
        (bar,) = container.lines[2]
        ends = [segment[:, 0].tolist() for segment in bar.get_segments()[:2]]
        assert ends == [[low[0], 1], [low[1], 1]]


def test_a_class_that_is_never_predicted_and_has_no_image_stands_at_zero():
    precision, recall = pictures.by_class(predicted([0], [0])).containers
    for container in (precision, recall):
        assert container.lines[0].get_xdata().tolist() == [1, *[0] * 9]


def test_ticks_close_to_each_other_are_not_rounded_to_one_number():
    truth = np.repeat(np.arange(10), 1000)
    answers = (truth + np.tile(np.arange(1000) < 100, 10)) % 10  # a tenth is called the next class
    answers[:5] = 1
    ax = pictures.by_class(predicted(truth, answers))
    ax.set_xlim(0.894, 0.901)
    ax.figure.canvas.draw()
    ticks = labels(ax.xaxis)
    assert len(set(ticks)) == len(ticks) > 2
    assert "89.6 %" in ticks


def test_without_runs_the_classes_are_named_all_the_same():
    for draw in (pictures.by_class, pictures.reliability):
        ax = draw(predicted([0]))
        ax.figure.canvas.draw()
    assert labels(pictures.by_class(predicted([0])).yaxis) == list(NAMES)


def test_answers_stand_under_the_true_class_and_wrong_ones_among_right_ones_have_a_cross():
    found = Predictions(np.array([0, 1, 2]), np.array([[0, 2, 3]]), np.array([[0.9, 0.6, 1.0]]))
    images = torch.rand(3, 784)
    ax = pictures.answers(images, found, [0, 1])
    right, wrong = (text.split("\n") for text in texts(ax))
    assert right == [NAMES[0], f"{NAMES[0]}, 90 %"]
    assert wrong == [NAMES[1], f"✗ {NAMES[2]}, 60 %"]
    (_, answer), *_ = (text.split("\n") for text in texts(pictures.answers(images, found, [1, 2])))
    assert answer == f"{NAMES[2]}, 60 %"
