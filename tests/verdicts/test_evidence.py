"""fmnist_lab.verdicts.evidence: which runs answer a question."""

import numpy as np
import pytest

from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.tuning import NESTED_SEEDS
from fmnist_lab.verdicts.evidence import Arm, Evidence
from fmnist_lab.verdicts.measures import ACCURACY

CE, MSE = Arm("loss", "cross_entropy"), Arm("loss", "mse")
LOW, HIGH = 1e-4, 1e-3  # learning rates


@pytest.fixture
def nested(made_up_run):
    """Return a function: the runs of a nested study, to the accuracy of a rate and a seed."""

    def make(accuracy, study="loss_nested"):
        return [
            made_up_run(config, accuracy=accuracy.get((config.learning_rate, config.seed), 0.5))
            for config in STUDIES[study].configs()
        ]

    return make


def reached(low, high):
    """Return accuracies at the two rates, one number per seed."""
    pairs = {LOW: low, HIGH: high}
    return {(r, s): a for r in pairs for s, a in zip(NESTED_SEEDS, pairs[r], strict=True)}


def test_each_seed_is_judged_at_the_rate_that_the_other_nine_choose(nested):
    # The high rate has the better mean only by the luck of the first seed, which does not
    # count where that seed is judged; all the others are judged at the high rate.
    low, high = [0.80] * 10, [0.90, *[0.79] * 9]
    evidence = Evidence(nested(reached(low, high)), retuned=True)
    runs = evidence.compared((CE, MSE))[CE]
    assert list(runs) == list(NESTED_SEEDS)
    assert [run.config.learning_rate for run in runs.values()] == [LOW, *[HIGH] * 9]
    assert list(evidence.values(ACCURACY, (CE, MSE))[CE]) == [0.80, *[0.79] * 9]


def test_of_equally_good_rates_the_lowest_is_chosen(nested):
    evidence = Evidence(nested(reached([0.8] * 10, [0.8] * 10)), retuned=True)
    runs = evidence.compared((CE, MSE))[MSE]
    assert {run.config.learning_rate for run in runs.values()} == {LOW}


def test_the_luck_of_choosing_does_not_enter_the_accuracy(nested):
    # All rates are the same; the best of them at its own seeds would look better than they are.
    rng = np.random.default_rng(0)
    means = []
    for _ in range(40):
        noise = {
            (c.learning_rate, c.seed): 0.8 + 0.01 * rng.standard_normal()
            for c in STUDIES["loss_nested"].configs()
        }
        evidence = Evidence(nested(noise), retuned=True)
        means.append(evidence.values(ACCURACY, (CE,))[CE].mean())
    assert np.mean(means) == pytest.approx(0.8, abs=0.0015)


@pytest.mark.parametrize("lacking", [0, 17, 129])
def test_while_one_run_lacks_the_confirming_seeds_answer(nested, lacking, made_up_run):
    runs = nested(reached([0.8] * 10, [0.7] * 10))
    of_mse = [run for run in runs if run.config.loss == "mse"]
    gone = of_mse[lacking % len(of_mse)]
    rest = [run for run in runs if run is not gone]
    confirming = [made_up_run(c) for c in STUDIES["loss_retuned"].configs(rest)]
    found = Evidence([*rest, *confirming], retuned=True).compared((CE, MSE))
    assert {tuple(seeds) for seeds in found.values()} <= {tuple(range(10)), ()}


def test_settings_that_are_compared_are_all_nested_or_none(nested):
    runs = nested(reached([0.8] * 10, [0.7] * 10), "batch_size_nested")
    evidence = Evidence(runs, retuned=True)
    small, large, larger = (Arm("batch_size", size) for size in (8, 256, 512))
    assert all(len(found) == 10 for found in evidence.compared((large, larger)).values())
    assert not any(evidence.compared((small, large)).values())


def test_what_is_judged_as_run_is_never_nested(nested):
    assert not any(Evidence(nested({})).compared((CE, MSE)).values())
