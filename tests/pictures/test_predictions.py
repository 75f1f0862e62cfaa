import numpy as np
import pytest

from fmnist_lab.config import Config
from fmnist_lab.pictures.predictions import Predictions
from fmnist_lab.runs.run import pack

LABELS = [0, 1, 2, 3]
# Two runs: the first errs on images 1 and 3, the second on 2 and 3.
CLASSES = [[0, 2, 2, 9], [0, 1, 1, 8]]
CONFIDENCE = [[255, 204, 51, 102], [255, 255, 153, 204]]  # in 255ths


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
