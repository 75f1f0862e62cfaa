import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.config import Config
from fmnist_lab.runs.run import HISTORY, pack
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.measures import (
    ACCURACY,
    EPOCHS,
    FIRST_LOSS,
    GAP,
    LOWEST,
    ROUGHNESS,
    SAVED,
    SECONDS,
    SPIKINESS,
    TEST_ACCURACY,
    epoch_key,
    epoch_seconds,
    epochs_to,
    jolt,
    reaching,
)

finite = st.floats(-100, 100)


@pytest.fixture
def with_curve(made_up_run):
    """Return a function that makes a run with one given curve."""

    def make(metric, values, **fields):
        flat = {name: [1.0] * len(values) for name in HISTORY}
        config = Config(epochs=fields.pop("cap", 100))
        return made_up_run(config, history={**flat, metric: values}, **fields)

    return make


@pytest.mark.parametrize(
    ("curve", "target", "epochs"),
    [
        ([0.5, 0.7, 0.9], 0.8, 2.5),  # half-way from the second epoch's 0.7 to the third's 0.9
        ([0.5, 0.7, 0.9], 0.7, 2.0),
        ([0.5, 0.9], 0.3, 0.5),  # before any epoch a network guesses: 0.1
        ([0.5, 0.9, 0.6, 0.9], 0.9, 2.0),  # the first time counts
    ],
)
def test_epochs_to_a_target_are_interpolated(with_curve, curve, target, epochs):
    assert epochs_to(with_curve("validation_accuracy", curve), target) == pytest.approx(epochs)


def test_a_run_that_never_reaches_the_target_counts_with_the_cap_as_a_bound(with_curve):
    run = with_curve("validation_accuracy", [0.5, 0.6], cap=40)
    assert reaching(0.8).of(run) == pytest.approx(math.log(40))
    assert reaching(0.8).bound(run)
    assert reaching(0.601).bound(run)
    assert not reaching(0.6).bound(run)


def test_a_straight_line_has_no_jolts_and_a_zigzag_has_them():
    assert jolt([3, 2, 1, 0]) == 0
    assert jolt([0, 1, 0, 1, 0]) == 2  # 0 - 2 + 0 and 1 - 0 + 1
    assert jolt([1, 2]) is None


@given(st.lists(finite, min_size=3, max_size=20), finite, finite)
def test_a_straight_line_added_to_a_curve_leaves_its_jolts(values, slope, start):
    line = start + slope * np.arange(len(values))
    assert jolt(np.array(values) + line) == pytest.approx(jolt(values), abs=1e-9)


def test_roughness_is_the_logarithm_of_a_jolt(with_curve):
    assert ROUGHNESS.of(with_curve("validation_loss", [1, 1.1, 1, 1.1])) == pytest.approx(
        math.log(0.2)
    )
    assert ROUGHNESS.of(with_curve("validation_loss", [3, 2, 1])) is None  # smoother than any


def test_spikiness_is_the_ratio_of_jolts_by_step_and_by_epoch(with_curve):
    losses = np.array([1, 5, 1, 5, 1, 5], np.float16)  # jolts of 8
    run = with_curve("train_loss", [3.0, 2.5, 3.0], step_losses=pack(losses))  # a jolt of 1
    assert SPIKINESS.of(run) == pytest.approx(math.log(8))
    assert SPIKINESS.of(with_curve("train_loss", [3.0, 2.5, 3.0])) is None


def test_on_test_images_accuracies_and_gaps_are_those_recorded_there(made_up_run):
    best = {"train_accuracy": 0.95, "validation_accuracy": 0.9, "test_accuracy": 0.88}
    run = made_up_run(Config(), best=best)
    for measure, there in ((ACCURACY, TEST_ACCURACY.of(run)), (GAP, 0.95 - 0.88)):
        assert measure.on_test is not None
        assert measure.on_test(run) == pytest.approx(there)
    assert ROUGHNESS.on_test is None


def test_the_gap_is_training_minus_validation_accuracy(made_up_run):
    run = made_up_run(Config(), best={"train_accuracy": 0.95, "validation_accuracy": 0.9})
    assert GAP.of(run) == pytest.approx(0.05)


def test_a_run_that_diverged_at_once_counts_as_guessing_and_has_no_best_epoch(made_up_run):
    lost = dict.fromkeys(("train_accuracy", "validation_accuracy", "test_accuracy"))
    history = {name: [None] for name in HISTORY}
    run = made_up_run(Config(), best=lost, history=history, best_epoch=0, stopped_by="divergence")
    assert ACCURACY.of(run) == 0.1
    for measure in (GAP, LOWEST, ROUGHNESS, FIRST_LOSS):
        assert measure.of(run) is None
    assert SAVED.of(run) == 0  # divergence is no saving


PARTS = [part for claim in CLAIMS.values() for part in (*claim.parts, *claim.second)]
TIMED = {arm for p in PARTS if getattr(p, "measure", None) is SECONDS for arm in p.arms}


@pytest.mark.parametrize("arm", sorted(TIMED, key=str), ids=str)
def test_every_setting_whose_time_is_judged_was_measured(arm):
    for study in (STUDIES[arm.study], STUDIES[f"{arm.study}_retuned"]):
        setting = replace(study.base, **{study.swept: arm.value})
        assert len(json.loads(EPOCHS.read_text())["seconds"][epoch_key(setting)]) >= 3


def test_a_training_time_is_epochs_times_one_measured_and_not_what_was_recorded(made_up_run):
    fast, slow = (
        made_up_run(Config(), epochs=7, history={n: [t] * 7 for n in HISTORY}) for t in (0.1, 0.9)
    )
    expected = math.log(7 * epoch_seconds()[epoch_key(Config())])
    assert SECONDS.of(fast) == SECONDS.of(slow) == pytest.approx(expected)
    assert SECONDS.of(made_up_run(Config(width=77))) is None


def test_only_patience_saves_epochs(made_up_run):
    patient = made_up_run(Config(epochs=100), epochs=30, stopped_by="patience")
    assert SAVED.of(patient) == pytest.approx(0.7)
    assert SAVED.of(made_up_run(Config(epochs=30), epochs=30, stopped_by="epochs")) == 0


def test_a_run_at_the_cap_only_bounds_the_epoch_of_its_lowest_validation_loss(made_up_run):
    assert LOWEST.bound(made_up_run(Config(), stopped_by="epochs"))
    assert not LOWEST.bound(made_up_run(Config(), stopped_by="patience"))
