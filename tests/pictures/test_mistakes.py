"""Mistakes: counts by class, confidence held against accuracy, and how both are drawn."""

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab import pictures
from fmnist_lab.config import Config
from fmnist_lab.data import CLASSES as NAMES
from fmnist_lab.pictures.mistakes import (
    Predictions,
    confidence_bins,
    confusion,
    expected_calibration_error,
    precision_recall,
)
from fmnist_lab.runs.run import pack
from tests.pictures.seen import canvas, labels, texts

TRUTH = [0, 0, 0, 1, 1, 2]
GUESSES = [0, 0, 1, 1, 0, 1]
LABELS = [0, 1, 2, 3]
# Two runs: the first errs on images 1 and 3, the second on 2 and 3.
CLASSES = [[0, 2, 2, 9], [0, 1, 1, 8]]
CONFIDENCE = [[255, 204, 51, 102], [255, 255, 153, 204]]  # in 255ths


# --- Counts and calibration


def test_the_confusion_matrix_counts_true_classes_in_rows():
    assert confusion(TRUTH, GUESSES, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_the_confusion_matrix_holds_every_image_once():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(10, size=(2, 500))
    counts = confusion(labels, predictions)
    assert counts.shape == (10, 10)
    assert counts.sum() == 500
    assert counts.sum(axis=1).tolist() == np.bincount(labels, minlength=10).tolist()


def test_precision_and_recall_divide_hits_by_columns_and_rows():
    table = precision_recall(confusion(TRUTH, GUESSES, 3))
    # columns: 2 of 3 predicted 0 are right, 1 of 3 predicted 1, none was predicted 2
    assert table["precision"].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    # rows: 2 of 3 zeros are found, 1 of 2 ones, 0 of 1 twos
    assert table["recall"].tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert table["support"].tolist() == [3, 2, 1]


def test_a_class_without_images_has_recall_zero_and_not_nan():
    assert precision_recall(confusion([0], [0], 2))["recall"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0], "both be"),
        ([0, 10], [0, 1], "labels must be whole numbers from 0 to 9"),
        ([0, 1], [0, -1], "predictions must be whole numbers from 0 to 9"),
        ([0, 1], [0.5, 1.0], "predictions must be whole numbers"),
    ],
)
def test_the_confusion_matrix_refuses_what_is_no_class(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        confusion(labels, predictions)


# Bins of width 0.5: (0, 0.5] holds 0.3 (wrong) and 0.5 (right): mean 0.4, accuracy 0.5, gap 0.1;
# (0.5, 1] holds 0.7, 0.9 (right) and 0.8 (wrong): mean 0.8, accuracy 2/3, gap 2/15.
SURE = [0.3, 0.5, 0.7, 0.9, 0.8]
CORRECT = [False, True, True, True, False]


def test_reliability_compares_confidence_with_accuracy_in_bins():
    table = confidence_bins(SURE, CORRECT, bins=2)
    assert table["low"].tolist() == [0, 0.5]
    assert table["high"].tolist() == [0.5, 1]
    assert table["confidence"].tolist() == pytest.approx([0.4, 0.8])
    assert table["accuracy"].tolist() == pytest.approx([0.5, 2 / 3])
    assert table["count"].tolist() == [2, 3]


def test_the_calibration_error_weights_gaps_by_images():
    # 2/5 * 0.1 + 3/5 * 2/15 = 0.04 + 0.08
    assert expected_calibration_error(SURE, CORRECT, bins=2) == pytest.approx(0.12)


def test_a_bin_without_images_is_left_out():
    table = confidence_bins([0.0, 1.0], [False, True])
    assert table["count"].tolist() == [1, 1]
    assert table["low"].tolist() == pytest.approx([0, 14 / 15])
    assert not table.isna().to_numpy().any()


def test_a_classifier_that_is_always_sure_is_off_by_its_error_rate():
    assert expected_calibration_error([1.0] * 4, [True, True, True, False]) == pytest.approx(0.25)


def test_a_calibrated_classifier_has_almost_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 100_000)
    correct = rng.uniform(size=100_000) < confidence
    # sampling alone gives about sqrt(2/pi) * sqrt(0.2 / 7,000) = 0.004 a bin
    assert expected_calibration_error(confidence, correct) < 0.01
    # shown 0.05 surer than it is, it is off by 0.05
    sure = np.minimum(confidence * 0.9 + 0.05, 1)
    off = float(np.mean(np.abs(sure - confidence)))
    assert expected_calibration_error(sure, correct) == pytest.approx(off, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_one_bin_compares_the_means_and_more_bins_never_lower_the_error(images):
    confidence, correct = zip(*images, strict=True)
    whole = expected_calibration_error(confidence, correct, bins=1)
    assert whole == pytest.approx(abs(np.mean(confidence) - np.mean(correct)), abs=1e-9)
    assert whole - 1e-9 <= expected_calibration_error(confidence, correct, bins=15) <= 1
    assert confidence_bins(confidence, correct)["count"].sum() == len(images)


@pytest.mark.parametrize(
    ("confidence", "correct", "bins", "message"),
    [
        ([0.5, 1.5], [True, True], 15, "give probabilities, not logits"),
        ([0.5, float("nan")], [True, True], 15, "must lie in"),
        ([0.5], [True, False], 15, "both be"),
        ([0.5], [True], 0, "bins=0 must be at least 1"),
        ([], [], 15, "holds no images"),
    ],
)
def test_the_calibration_error_refuses_what_is_no_confidence(confidence, correct, bins, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(confidence, correct, bins)


# --- The predictions of several runs


def packed(classes, confidence):
    return pack(np.array([*classes, *confidence], np.uint8))


@pytest.fixture
def runs(made_up_run):
    return [
        made_up_run(Config(seed=seed), predictions=packed(classes, confidence))
        for seed, (classes, confidence) in enumerate(zip(CLASSES, CONFIDENCE, strict=True))
    ]


@pytest.fixture
def found(runs):
    return Predictions.of(runs, LABELS)


def test_every_runs_predictions_are_a_row(found):
    assert found.classes.tolist() == CLASSES
    assert found.confidence.tolist() == (np.array(CONFIDENCE) / 255).tolist()
    assert found.correct.tolist() == [[True, False, True, False], [True, True, False, False]]


def test_a_run_without_predictions_is_left_out(runs, made_up_run):
    found = Predictions.of([made_up_run(Config(seed=7)), *runs], LABELS)
    assert found.classes.tolist() == CLASSES


def test_as_many_labels_as_predictions_are_needed(runs):
    with pytest.raises(ValueError, match="3 labels for 4 predictions; give one for each"):
        Predictions.of(runs, LABELS[:3])


def test_the_confusion_matrix_is_the_mean_over_runs(found):
    matrix = found.confusion()
    assert matrix[0, 0] == 1  # both right
    assert (matrix[1, 1], matrix[1, 2]) == (0.5, 0.5)
    assert (matrix[3, 9], matrix[3, 8]) == (0.5, 0.5)
    assert matrix.sum() == len(LABELS)


def test_precision_and_recall_are_given_run_by_run(found):
    assert [table["recall"].tolist()[:4] for table in found.by_class()] == [
        [1, 0, 1, 0],
        [1, 1, 0, 0],
    ]


def test_only_images_that_every_run_got_wrong_count_as_always_wrong(found):
    assert found.always_wrong().tolist() == [3]


def test_the_surest_mistakes_come_first(made_up_run):
    run = made_up_run(Config(), predictions=packed([9, 9, 9, 3], [90, 240, 180, 255]))
    assert Predictions.of([run], LABELS).always_wrong().tolist() == [1, 2, 0]


def test_calibration_is_judged_run_by_run(found):
    # Each confidence has a bin of its own. Run 1: |1 - 1|, |0 - 0.8|, |1 - 0.2|, |0 - 0.4| are
    # 2.0 in all; run 2: |1 - 1| twice, |0 - 0.6|, |0 - 0.8| are 1.4 in all; of 4 images each.
    assert found.calibration_errors() == pytest.approx([0.5, 0.35])
    assert [table["count"].sum() for table in found.reliability()] == [4, 4]


def test_the_floor_of_the_calibration_error_is_what_luck_alone_gives(made_up_run):
    sure = np.full(4000, 204)  # 80 %: all in one bin
    run = made_up_run(Config(), predictions=packed(np.zeros(4000), sure))
    (floor,) = Predictions.of([run], np.zeros(4000)).calibration_floor()
    # The mean absolute error of a share: sqrt(2 / pi) * sqrt(0.8 * 0.2 / 4000) = 0.005, give or
    # take sqrt(1 - 2 / pi) of that standard error over sqrt(20): 0.0009
    assert floor == pytest.approx(0.005, abs=0.003)


def test_a_run_that_is_always_sure_has_no_floor(made_up_run):
    run = made_up_run(Config(), predictions=packed([0] * 4, [255] * 4))
    assert Predictions.of([run], LABELS).calibration_floor() == [0]


def test_no_runs_give_empty_answers_and_no_warning():
    found = Predictions.of([], LABELS)
    assert found.classes.shape == (0, 4)
    assert found.confusion().tolist() == np.zeros((10, 10)).tolist()
    assert found.always_wrong().size == 0
    for answers in (found.by_class(), found.reliability(), found.calibration_errors()):
        assert answers == []
    assert found.calibration_floor() == []


# --- Pictures


def test_a_matrix_writes_its_counts_and_leaves_zeros_out():
    ax = pictures.matrix([[9, 1], [0, 4]], names=("shirt", "coat"))
    assert texts(ax) == ["9", "1", "4"]
    assert labels(ax.xaxis) == labels(ax.yaxis) == ["shirt", "coat"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_the_shade_of_a_cell_is_the_root_of_its_share_of_the_row():
    shades = canvas(pictures.matrix([[9, 1], [0, 4]], names=("shirt", "coat")))
    assert shades.tolist() == [[pytest.approx(0.9**0.5), pytest.approx(0.1**0.5)], [0, 1]]


def test_the_numbers_of_a_matrix_can_be_read_on_every_shade():
    ax = pictures.matrix(
        np.array([[100 - n, n] for n in range(0, 100, 2)]), names=("shirt", "coat")
    )
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
    table = confidence_bins([0.2, 0.9, 0.95], [False, True, True])
    ax = pictures.reliability([table, table])
    diagonal, *runs = ax.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert len(runs) == 2
    assert runs[0].get_xydata().tolist() == table[["confidence", "accuracy"]].to_numpy().tolist()
    assert ax.get_legend().get_texts()[1].get_text() == "2 runs"


def test_the_marker_of_a_fuller_bin_is_larger():
    table = confidence_bins([0.2, *[0.9] * 30], [True] * 31)
    (points,) = pictures.reliability([table]).collections
    small, large = points.get_sizes()
    assert large > small > 0


def test_precision_and_recall_are_drawn_as_mean_and_range_over_runs():
    tables = [precision_recall([[4, 0], [n, 4 - n]]) for n in (0, 2)]  # recall of class 1: 1, 0.5
    ax = pictures.by_class(tables, names=("shirt", "coat"))
    recall = ax.containers[1]
    assert recall.lines[0].get_xdata().tolist() == [1, 0.75]
    (bar,) = recall.lines[2]
    assert [segment[:, 0].tolist() for segment in bar.get_segments()] == [[1, 1], [0.5, 1]]
    assert labels(ax.yaxis) == ["shirt", "coat"]


def test_ticks_close_to_each_other_are_not_rounded_to_one_number():
    tables = [precision_recall([[1000 - n, n], [n, 1000 - n]]) for n in (100, 105)]
    ax = pictures.by_class(tables, names=("shirt", "coat"))
    ax.figure.canvas.draw()
    ticks = labels(ax.xaxis)
    assert len(set(ticks)) == len(ticks) > 2
    assert "89.6 %" in ticks


def test_ten_classes_are_named_unless_others_are_given():
    assert labels(pictures.by_class([]).yaxis) == list(NAMES)


def test_answers_stand_under_the_true_class_and_wrong_ones_among_right_ones_have_a_cross():
    found = Predictions(np.array([0, 1, 2]), np.array([[0, 2, 3]]), np.array([[0.9, 0.6, 1.0]]))
    images = torch.rand(3, 784)
    ax = pictures.answers(images, found, [0, 1])
    right, wrong = (text.split("\n") for text in texts(ax))
    assert right == [NAMES[0], f"{NAMES[0]}, 90 %"]
    assert wrong == [NAMES[1], f"✗ {NAMES[2]}, 60 %"]
    (_, answer), *_ = (text.split("\n") for text in texts(pictures.answers(images, found, [1, 2])))
    assert answer == f"{NAMES[2]}, 60 %"
