"""What runs predicted: counts by class, and confidence compared with accuracy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.config import Config
from fmnist_lab.runs.predictions import Predictions, calibration_error, confidence_bins
from fmnist_lab.runs.run import pack

LABELS = [0, 1, 2, 3]
# Two runs: the first errs on images 1 and 3, the second on 2 and 3.
CLASSES = [[0, 2, 2, 9], [0, 1, 1, 8]]
CONFIDENCE = [[255, 204, 51, 102], [255, 255, 153, 204]]  # in 255ths


# --- Calibration

# The 15 bins are 1/15 wide. That of 0.27 (wrong) and 0.33 (right): mean 0.3, accuracy 0.5, gap
# 0.2; that of 0.81, 0.86 (right) and 0.82 (wrong): mean 0.83, accuracy 2/3, gap 49/300.
SURE = [0.27, 0.33, 0.81, 0.86, 0.82]
CORRECT = [False, True, True, True, False]


def test_confidence_is_compared_with_accuracy_in_bins():
    table = confidence_bins(SURE, CORRECT)
    assert table["confidence"].tolist() == pytest.approx([0.3, 0.83])
    assert table["accuracy"].tolist() == pytest.approx([0.5, 2 / 3])
    assert table["count"].tolist() == [2, 3]


def test_the_calibration_error_weights_gaps_by_images():
    # 2/5 * 0.2 + 3/5 * 49/300 = 0.08 + 0.098
    assert calibration_error(confidence_bins(SURE, CORRECT)) == pytest.approx(0.178)


@pytest.mark.parametrize(
    ("low", "high", "bins"), [(0.0, 1 / 15, 1), (1 / 15, 0.0667, 2), (14 / 15, 1.0, 2)]
)
def test_a_bin_holds_its_upper_edge_and_the_first_holds_zero(low, high, bins):
    assert len(confidence_bins([low, high], [True, True])) == bins


def test_a_classifier_that_is_always_sure_is_off_by_its_error_rate():
    bins = confidence_bins([1.0] * 4, [True, True, True, False])
    assert calibration_error(bins) == pytest.approx(0.25)


def test_a_calibrated_classifier_has_almost_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 100_000)
    correct = rng.uniform(size=100_000) < confidence
    # sampling alone gives about sqrt(2/pi) * sqrt(0.2 / 7,000) = 0.004 per bin
    assert calibration_error(confidence_bins(confidence, correct)) < 0.01
    # shown 0.05 surer than it is, it is off by 0.05
    sure = np.minimum(confidence * 0.9 + 0.05, 1)
    off = float(np.mean(np.abs(sure - confidence)))
    assert calibration_error(confidence_bins(sure, correct)) == pytest.approx(off, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_bins_never_hide_how_far_confidence_lies_from_accuracy_on_the_whole(images):
    confidence, correct = zip(*images, strict=True)
    bins = confidence_bins(confidence, correct)
    whole = abs(np.mean(confidence) - np.mean(correct))
    assert whole - 1e-9 <= calibration_error(bins) <= 1
    assert bins["count"].sum() == len(images)


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


def test_every_runs_matrix_counts_true_classes_in_rows(found):
    first, second = found.confusions()
    assert np.argwhere(first).tolist() == [[0, 0], [1, 2], [2, 2], [3, 9]]
    assert np.argwhere(second).tolist() == [[0, 0], [1, 1], [2, 1], [3, 8]]
    assert first.sum() == second.sum() == len(LABELS)


def test_only_images_that_every_run_got_wrong_count_as_always_wrong(found):
    assert found.always_wrong().tolist() == [3]


def test_the_surest_mistakes_come_first(made_up_run):
    run = made_up_run(Config(), predictions=packed([9, 9, 9, 3], [90, 240, 180, 255]))
    assert Predictions.of([run], LABELS).always_wrong().tolist() == [1, 2, 0]


def test_calibration_is_judged_run_by_run(found):
    # Each confidence has its own bin. Run 1: |1 - 1|, |0 - 0.8|, |1 - 0.2|, |0 - 0.4| are
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
    for answers in (found.reliability(), found.calibration_errors(), found.calibration_floor()):
        assert answers == []
