"""benchmarks.replay: made-up runs scatter like real ones, and have the given means."""

import json

import numpy as np
import pytest

from benchmarks import replay
from fmnist_lab import facts
from fmnist_lab.facts.tables import REPLAY
from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.tuning import TUNING_RATES
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.evidence import Evidence

PART = CLAIMS["L1"].parts[0]


@pytest.fixture(scope="module")
def runs():
    """Return the published runs of losses, all that these replays read."""
    names = ("loss", "loss_tuning", "loss_retuned")
    configs = {config for name in names for config in STUDIES[name].configs()}
    return [run for run in read_published().values() if run.config in configs]


def drawn(evidence, times=400):
    """Return the mean difference of the part's two settings over that many replays."""
    found = []
    for _ in range(times):
        evidence.draw()
        frame = evidence.values(PART.measure, PART.arms)
        found.append(frame[PART.arms[0]].mean() - frame[PART.arms[1]].mean())
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.003])
def test_replays_have_the_effect_they_are_given_and_the_scatter_of_the_real_runs(runs, shift):
    evidence = replay.Replayed(runs, "as run")
    evidence.shifts = {(PART.measure, PART.arms): [shift, 0.0]}
    found = drawn(evidence)
    (real,) = PART.effects(Evidence(runs)).values()
    assert real is not None
    error = real.sd / real.n**0.5
    assert found.mean() == pytest.approx(shift, abs=4 * error / 400**0.5)
    assert found.std() == pytest.approx(error, rel=0.15)


def test_the_luck_of_the_rates_widens_the_scatter_as_claimed(runs):
    evidence = replay.Replayed(runs, "as claimed")
    found = drawn(evidence, 40)
    chosen = {replay.Choice.again(evidence.choices["loss"], evidence.rng)["mse"] for _ in range(20)}
    assert chosen <= set(TUNING_RATES)
    (real,) = PART.effects(Evidence(runs, retuned=True)).values()
    assert real is not None
    assert len(chosen) > 1
    assert found.std() > 0.7 * real.sd / real.n**0.5


@pytest.mark.parametrize(
    ("claim", "part", "shifts"),
    [
        ("L1", 0, [0.003, 0]),  # above
        ("L2", 0, [-0.003, 0]),  # below
        ("D1", 2, [0, 0]),  # not materially below: alike
        ("W4", 0, [0.003, 0, 0, 0, 0]),  # the best of five
        ("M2", 0, [0.003]),  # above zero
    ],
)
def test_the_smallest_effect_is_on_the_claimed_side(claim, part, shifts):
    tested = CLAIMS[claim].parts[part]
    assert [replay.effect(tested, arm) for arm in tested.arms] == pytest.approx(shifts)


def test_the_table_has_a_row_a_verdict_that_replays_say_something_of():
    stored = json.loads(REPLAY.read_text())["verdicts"]
    expected = {
        f"{claim.id} {how}"
        for claim in CLAIMS.values()
        for how, parts in (("as run", claim.parts), ("as claimed", claim.second))
        if parts and all(map(replay.testable, parts)) and claim.id != "F1"
    }
    assert set(stored) == expected
    assert list(facts.replayed().index) == list(stored)
    as_run = [shares["supported, effect none"] for key, shares in stored.items() if "run" in key]
    assert max(as_run) <= 0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5
