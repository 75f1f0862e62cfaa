"""fmnist_lab.verdicts.rules: how many seeds would settle a question."""

import numpy as np
import pytest
from scipy import stats

from fmnist_lab.verdicts.rules import (
    decide,
    seeds_needed,
)
from fmnist_lab.verdicts.statistics import (
    against,
)
from tests.effects import effect


def test_an_effect_as_large_as_its_spread_needs_ten_seeds():
    # Standard tables: two-sided 5 % t test, power 0.8, effect = sd: n = 10.
    assert seeds_needed(effect(0.01, 0.01, 3), material=0.003) == 10
    # One-sided 5 % t test, power 0.9, margin = sd: (1.645 + 1.282)**2 = 8.6 seeds for a known sd,
    # 1.645**2/2 = 1.4 more for an estimated one (Guenther's correction); exactly, 10.1.
    assert seeds_needed(effect(0.0, 0.003, 3), material=0.003) == 11


def test_an_estimate_that_would_matter_is_to_be_told_from_zero_and_a_smaller_one_to_be_nothing():
    # at sd = material: as above 10 seeds, and 11
    assert seeds_needed(effect(0.01, 0.01, 3), material=0.01) == 10
    assert seeds_needed(effect(0.0099, 0.01, 3), material=0.01) == 11


@pytest.mark.parametrize(
    ("mean", "seeds"),
    # at 5 % and power 0.8, one side of two: to tell zero from a margin of one sd takes ten seeds,
    # and an estimate a whole sd beyond it too
    [(0.0, 10), (0.002, 10), (-0.0029, 10), (-0.006, 10)],
)
def test_a_margin_is_to_be_told_from_no_effect_or_from_an_estimate_beyond_it(mean, seeds):
    assert seeds_needed(against(effect(mean, 0.003, 3), -0.003)) == seeds


@pytest.mark.parametrize(
    ("effect", "aim"),
    [
        (effect(0.0, 0.01), "would show equivalence, if there is no effect (power 0.8)"),
        (effect(0.004, 0.01), "would tell it from zero, if it is the true one (power 0.8)"),
        (against(effect(0.004, 0.02), -0.003), "would exclude it, if there is no effect"),
        (against(effect(-0.002, 0.01), -0.003), "would exclude it, if there is no effect"),
        (
            against(effect(-0.004, 0.01), -0.003),
            "would show it, if the effect seen is the true one",
        ),
    ],
)
def test_a_number_of_seeds_says_what_it_assumes(effect, aim):
    assert f" seeds {aim}" in decide(effect).why


def test_an_estimate_at_the_margin_can_be_told_from_it_by_no_number_of_seeds():
    assert seeds_needed(against(effect(-0.003, 0.001), -0.003)) is None
    assert (seeds_needed(against(effect(-0.0031, 0.001), -0.003)) or 0) > 100


def test_at_least_one_more_seed_is_needed():
    assert seeds_needed(effect(0.01, 0.01, 30), material=0.003) == 31


@pytest.mark.parametrize("sd", [1e-9, 1e-4, 1.0, 50.0])
def test_any_spread_gives_a_number_of_seeds(sd):
    assert (seeds_needed(effect(0.0, sd, 2)) or 0) > 2


@pytest.mark.parametrize(("mean", "truth"), [(0.006, 0.006), (0.0005, 0.0), (0.0005, 0.003)])
def test_the_seeds_asked_for_settle_it_four_times_out_of_five(mean, truth):
    pilot = decide(effect(mean, 0.008, 4))
    assert pilot.name == "inconclusive"
    n = pilot.seeds_needed
    assert n is not None
    samples = np.random.default_rng(0).normal(truth, 0.008, size=(4000, n))
    beyond_zero = stats.ttest_1samp(samples, 0, axis=1).pvalue <= 0.05
    below = stats.ttest_1samp(samples, 0.003, axis=1, alternative="less").pvalue <= 0.05
    above = stats.ttest_1samp(samples, -0.003, axis=1, alternative="greater").pvalue <= 0.05
    # Monte-Carlo error: sqrt(0.8 * 0.2 / 4000) = 0.6 %
    assert np.mean(beyond_zero | (below & above)) >= 0.78
    if mean == truth:
        assert np.mean(beyond_zero) == pytest.approx(0.8, abs=0.02)
