import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.pictures.calibration import (
    confusion,
    expected_calibration_error,
    precision_recall,
    reliability,
)

LABELS = [0, 0, 0, 1, 1, 2]
PREDICTIONS = [0, 0, 1, 1, 0, 1]


def test_the_confusion_matrix_counts_true_classes_in_rows():
    assert confusion(LABELS, PREDICTIONS, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_the_confusion_matrix_holds_every_image_once():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(10, size=(2, 500))
    counts = confusion(labels, predictions)
    assert counts.shape == (10, 10)
    assert counts.sum() == 500
    assert counts.sum(axis=1).tolist() == np.bincount(labels, minlength=10).tolist()


def test_precision_and_recall_divide_hits_by_columns_and_rows():
    table = precision_recall(confusion(LABELS, PREDICTIONS, 3))
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
CONFIDENCE = [0.3, 0.5, 0.7, 0.9, 0.8]
CORRECT = [False, True, True, True, False]


def test_reliability_compares_confidence_with_accuracy_in_bins():
    table = reliability(CONFIDENCE, CORRECT, bins=2)
    assert table["low"].tolist() == [0, 0.5]
    assert table["high"].tolist() == [0.5, 1]
    assert table["confidence"].tolist() == pytest.approx([0.4, 0.8])
    assert table["accuracy"].tolist() == pytest.approx([0.5, 2 / 3])
    assert table["count"].tolist() == [2, 3]


def test_the_calibration_error_weights_gaps_by_images():
    # 2/5 * 0.1 + 3/5 * 2/15 = 0.04 + 0.08
    assert expected_calibration_error(CONFIDENCE, CORRECT, bins=2) == pytest.approx(0.12)


def test_a_bin_without_images_is_left_out():
    table = reliability([0.0, 1.0], [False, True])
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
    assert reliability(confidence, correct)["count"].sum() == len(images)


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
