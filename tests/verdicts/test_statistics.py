import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from fmnist_lab.verdicts.statistics import (
    ALPHA,
    CONFIDENCE,
    MATERIAL,
    against,
    at_level,
    best_of,
    beyond,
    equivalence,
    expected_maximum,
    for_other_images,
    holm,
    luckiest,
    mean_interval,
    paired_difference,
    prediction_interval,
    slope_trend,
)

T2 = 4.302652730  # 97.5 % quantile of t with 2 degrees of freedom, from any table
quick = settings(max_examples=20, deadline=None)
accuracies = st.integers(0, 10_000).map(lambda right: right / 10_000)
pairs = st.lists(st.tuples(accuracies, accuracies), min_size=1, max_size=12)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-6, abs=1e-9)


# --- one difference ---------------------------------------------------------------------------


def test_a_paired_difference_is_the_t_interval_of_the_differences():
    effect = paired_difference([0.90, 0.91, 0.92], [0.89, 0.89, 0.89])
    # differences 0.01, 0.02, 0.03: mean 0.02, sd 0.01, standard error 0.01/sqrt(3) = 0.0057735
    assert effect.estimate == close(0.02)
    assert effect.sd == close(0.01)
    assert effect.low == close(0.02 - T2 * 0.01 / math.sqrt(3))
    assert effect.high == close(0.02 + T2 * 0.01 / math.sqrt(3))
    # t = 0.02/0.0057735 = sqrt(12); with 2 degrees of freedom p = 1 - t/sqrt(t**2 + 2)
    assert effect.p == close(1 - math.sqrt(12 / 14))
    assert (effect.n, effect.df, effect.paired) == (3, 2, True)


def test_the_p_value_is_scipys_paired_t_test():
    a, b = np.random.default_rng(0).normal(size=(2, 8))
    assert paired_difference(a, b).p == close(stats.ttest_rel(a, b).pvalue)


def test_series_are_matched_by_seed_and_seeds_of_one_side_are_left_out():
    a = pd.Series([0.92, 0.90, 0.91, 0.5], index=[2, 0, 1, 7])
    b = pd.Series([0.89, 0.89, 0.89, 0.1], index=[0, 1, 2, 9])
    assert paired_difference(a, b) == paired_difference([0.90, 0.91, 0.92], [0.89] * 3)


def test_without_shared_seeds_the_comparison_is_welchs():
    a, b = pd.Series([1.0, 2, 3], index=[0, 1, 2]), pd.Series([2.0, 4, 6], index=[3, 4, 5])
    effect = paired_difference(a, b)
    # variances 1 and 4: error**2 = 1/3 + 4/3 = 5/3
    # degrees of freedom (5/3)**2 / ((1/3)**2/2 + (4/3)**2/2) = (25/9) / (17/18) = 50/17
    assert not effect.paired
    assert effect.df == close(50 / 17)
    assert effect.sd / math.sqrt(effect.n) == close(math.sqrt(5 / 3))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert effect.p == close(expected.pvalue)
    assert (effect.low, effect.high) == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pd.Series([0.9], index=[0]), pd.Series([0.8], index=[0])),
        (pd.Series([0.9], index=[0]), pd.Series([0.8], index=[1])),
        (pd.Series([0.9, 0.9], index=[0, 1]), pd.Series([0.8], index=[5])),
        (pd.Series([0.9, 0.1], index=[0, 1]), pd.Series([0.8], index=[0])),
    ],
    ids=["same seed", "other seed", "two against one", "two against one, one shared"],
)
def test_one_run_on_a_side_gives_an_infinite_interval(a, b):
    effect = paired_difference(a, b)
    assert effect.estimate == close(0.1)
    assert (effect.low, effect.high, effect.p, effect.n) == (-math.inf, math.inf, 1, 1)


@pytest.mark.parametrize(
    ("difference", "n", "p"),
    [(0, 5, 1), (-3, 1, 1), (-3, 2, 0.5), (-3, 5, 0.0625), (-3, 6, 0.03125)],  # 2 * 0.5**n
)
def test_where_all_seeds_agree_a_sign_test_decides(difference, n, p):
    effect = paired_difference([100 + difference] * n, [100] * n)
    assert effect.p == close(p)
    assert effect.estimate == difference
    if n > 1:
        assert (effect.low, effect.high, effect.sd) == (difference, difference, 0)


def test_rounding_errors_are_not_spread_between_seeds():
    a, b = np.array([0.3, 0.4, 1.1]), np.array([0.2, 0.3, 1.0])  # 0.1 but for the last bits
    assert np.std(a - b) > 0
    assert paired_difference(a, b).sd == 0
    assert paired_difference(a + 0.1, a + 0.3 - 0.2).estimate == 0


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ([], "a has no runs; give it one value per seed"),
        ([0.9, math.nan], "a is nan at seed 1; every value must be finite"),
        ([0.9, math.inf], "a is inf at seed 1"),
        (pd.Series([1.0, 2.0], index=[4, 4]), "a has seed 4 twice"),
    ],
)
def test_values_that_cannot_be_compared_are_refused(a, message):
    with pytest.raises(ValueError, match=message):
        paired_difference(a, [0.9, 0.8])


@pytest.mark.parametrize("confidence", [95, 1, 0])
def test_a_confidence_in_per_cent_or_of_certainty_is_refused(confidence):
    with pytest.raises(ValueError, match=f"confidence={confidence} must be a fraction"):
        mean_interval([1, 2], confidence)


@given(pairs)
@quick
def test_swapping_the_sides_negates_the_difference(values):
    a, b = np.array(values).T
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (back.estimate, back.low, back.high) == (-there.estimate, -there.high, -there.low)
    assert back.p == there.p


@given(pairs, st.floats(-1, 1))
@quick
def test_shifting_both_sides_leaves_the_difference(values, shift):
    a, b = np.array(values).T
    before, after = paired_difference(a, b), paired_difference(a + shift, b + shift)
    assert after.estimate == close(before.estimate)
    assert after.low == close(before.low)
    assert after.p == pytest.approx(before.p, abs=1e-6)


@given(pairs, st.floats(1e-3, 1e3))
@quick
def test_scaling_both_sides_scales_the_interval_and_keeps_the_p_value(values, scale):
    a, b = np.array(values).T
    before, after = paired_difference(a, b), paired_difference(scale * a, scale * b)
    assert (after.low, after.high) == pytest.approx((scale * before.low, scale * before.high))
    assert after.p == pytest.approx(before.p, abs=1e-6)


@given(pairs, st.randoms(use_true_random=False))
@quick
def test_the_order_of_seeds_does_not_matter(values, random):
    table = pd.DataFrame(values, columns=["a", "b"])
    seeds = list(table.index)
    random.shuffle(seeds)
    before = paired_difference(table["a"], table["b"])
    after = paired_difference(table["a"].loc[seeds], table["b"])
    assert (after.low, after.high, after.p) == pytest.approx((before.low, before.high, before.p))


@given(pairs)
@quick
def test_more_confidence_widens_the_interval_around_the_same_estimate(values):
    a, b = np.array(values).T
    narrow, wide = paired_difference(a, b, 0.9), paired_difference(a, b, 0.99)
    assert wide.low <= narrow.low <= narrow.estimate == wide.estimate <= narrow.high <= wide.high


@given(pairs)
@quick
def test_the_interval_leaves_out_zero_exactly_when_p_is_below_5_percent(values):
    a, b = np.array(values).T
    effect = paired_difference(a, b)
    if effect.sd > 0:
        assert (effect.low > 0 or effect.high < 0) == (effect.p < 0.05)


def test_another_value_than_zero_can_be_tested_and_leaves_the_estimate():
    effect = mean_interval([0.01, 0.02, 0.03])
    moved = against(effect, -0.01)
    # 0.03 from the margin at a standard error of 0.01/sqrt(3): t = sqrt(27)
    assert moved.p == close(1 - math.sqrt(27 / 29))
    assert (moved.estimate, moved.low, moved.high) == (effect.estimate, effect.low, effect.high)
    assert against(replace(effect, family=2), -0.01).p == close(2 * moved.p)
    assert equivalence(moved, 1.0) == 1 > equivalence(effect, 1.0)


def test_without_spread_the_sign_test_decides_against_a_margin_too():
    effect = mean_interval([0.01] * 6)
    assert against(effect, -0.003).p == close(2 * 0.5**6)
    assert against(effect, 0.01).p == 1


# --- a mean, one further run, a slope ---------------------------------------------------------


def test_a_mean_has_its_t_interval():
    interval = mean_interval([1, 2, 3])  # sd 1, standard error 1/sqrt(3)
    assert interval.estimate == 2
    assert interval.high - 2 == close(T2 / math.sqrt(3))


def test_one_further_run_falls_wider_than_the_mean():
    interval = prediction_interval([1, 2, 3])
    half = T2 * math.sqrt(1 + 1 / 3)  # sd 1
    assert (interval.low, interval.high) == pytest.approx((2 - half, 2 + half))


def test_one_run_predicts_nothing():
    interval = prediction_interval([0.9])
    assert (interval.low, interval.high) == (-math.inf, math.inf)


def test_a_trend_is_the_mean_of_the_seeds_slopes():
    trend = slope_trend([0, 1, 2], [[0, 1, 2], [5, 7, 9], [1, 4, 7]])  # slopes 1, 2, 3
    assert trend.estimate == close(2)
    assert trend.sd == close(1)
    assert trend.low == close(2 - T2 / math.sqrt(3))


def test_a_seeds_level_does_not_blur_its_slope():
    flat, tilted = [0.9, 0.9, 0.9], [0.1, 0.1, 0.1]
    assert slope_trend([7, 9, 10], [flat, tilted]).estimate == 0


def test_a_slope_is_numpys_least_squares_fit():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=6), rng.normal(size=(4, 6))
    fits = [np.polyfit(x, row, 1)[0] for row in y]
    assert slope_trend(x, y).estimate == close(np.mean(fits))


@pytest.mark.parametrize(("n", "wider"), [(4, math.sqrt(2)), (12, 2)])
def test_for_images_of_another_pool_an_interval_is_wider(n, wider):
    ours = mean_interval(np.linspace(1, 3, n))
    others = for_other_images(ours, 0.25)  # 1/4 + 1/4 for 1/4; 1/12 + 1/4 for 1/12
    assert others.estimate == ours.estimate
    assert others.high - others.low == close(wider * (ours.high - ours.low))


def test_an_interval_of_another_level_is_that_level_s():
    effect = mean_interval([1, 2, 4])
    wide, wider = at_level(effect, 0.01), at_level(replace(effect, family=5), 0.05)
    assert (wide.low, wide.high) == (close(wider.low), close(wider.high))
    expected = mean_interval([1, 2, 4], 0.99)
    assert (wide.low, wide.high) == (close(expected.low), close(expected.high))


def test_larger_than_a_margin_is_two_sided_and_on_its_own_side():
    effect = mean_interval([0.01, 0.02, 0.03])  # 0.01 from the margin: t = sqrt(3)
    assert beyond(effect, 0.01) == close(1 - math.sqrt(3 / 5))
    assert beyond(mean_interval([-0.01, -0.02, -0.03]), 0.01) == beyond(effect, 0.01)
    assert beyond(effect, 0.02) == beyond(against(effect, -0.003), 0.01) == 1


# --- several comparisons ----------------------------------------------------------------------


def test_holm_multiplies_by_the_hypotheses_still_standing():
    # sorted 0.01, 0.03, 0.04: 3 * 0.01, then 2 * 0.03, then max(0.06, 1 * 0.04)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]).size == 0


def test_holm_is_statsmodels_holm():
    ps = np.random.default_rng(0).uniform(0, 0.3, 12).round(2)  # rounded: some are equal
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


def test_a_group_counts_as_one_until_its_last_is_rejected():
    # two groups: 2 * 0.01, 2 * 0.02; then the group of the third alone
    assert holm([0.01, 0.02, 0.03], ["a", "a", "b"]) == pytest.approx([0.02, 0.04, 0.04])
    # the second of the group is not rejected, so two stand for the third
    assert holm([0.01, 0.9, 0.03], ["a", "a", "b"]) == pytest.approx([0.02, 0.9, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@quick
def test_holm_lies_between_the_p_value_and_bonferroni(ps):
    adjusted = holm(ps)
    assert np.all(adjusted >= np.array(ps))
    # Bonferroni multiplies every p-value by their number; Holm only the smallest
    assert np.all(adjusted <= np.minimum(1, len(ps) * np.array(ps)) + 1e-12)
    assert adjusted.min() == close(min(1, len(ps) * min(ps)))


def settings_table(n: int, k: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, k)) + rng.normal(size=(n, 1))
    return {f"setting {i}": values[:, i] for i in range(k)}


def test_one_rival_is_a_plain_paired_difference():
    table = settings_table(8, 2)
    expected = paired_difference(table["setting 0"], table["setting 1"])
    assert best_of(table, "setting 0") == {"setting 1": expected}


def test_best_of_agrees_with_dunnetts_table_for_many_seeds():
    # Equal variances make the correlation 1/2; Dunnett's two-sided 5 % value for four rivals and
    # infinite degrees of freedom is 2.44 (Dunnett 1964, Biometrics 20, table II).
    table = {
        f"{i}": column for i, column in enumerate(np.random.default_rng(1).normal(size=(5, 400)))
    }
    for effect in best_of(table, "0", draws=3_999).values():
        error = effect.sd / math.sqrt(effect.n)
        assert (effect.high - effect.estimate) / error == pytest.approx(2.44, abs=0.05)


@pytest.mark.parametrize("n", [4, 12])
def test_intervals_against_rivals_are_wider_than_plain_and_narrower_than_bonferroni(n):
    table = settings_table(n, 4)
    for rival, effect in best_of(table, "setting 0").items():
        plain = paired_difference(table["setting 0"], table[rival])
        bonferroni = paired_difference(table["setting 0"], table[rival], 1 - 0.05 / 3)
        assert effect.estimate == plain.estimate
        assert plain.high < effect.high < bonferroni.high * 1.02  # 2 %: simulation error
        assert plain.p <= effect.p
        assert effect.family == 3


@given(st.integers(0, 1000), st.integers(3, 12))
@settings(max_examples=15, deadline=None)
def test_an_interval_against_a_rival_leaves_out_zero_exactly_when_its_p_is_at_most_5_percent(
    seed, n
):
    table = {
        name: x + 0.8 * (name == "setting 0") for name, x in settings_table(n, 4, seed).items()
    }
    for effect in best_of(table, "setting 0", draws=399).values():
        assert (effect.low > 0 or effect.high < 0) == (effect.p <= 0.05)


def test_best_of_gives_the_same_answer_every_time():
    table = settings_table(12, 4)
    assert best_of(table, "setting 2", draws=999) == best_of(table, "setting 2", draws=999)


def test_a_rival_with_fewer_seeds_costs_the_others_none():
    table: dict[str, np.ndarray | pd.Series] = dict(settings_table(12, 4))
    table["setting 3"] = table["setting 3"][:5]
    table["once"] = np.array([0.5])
    effects = best_of(table, "setting 0", draws=999)
    assert {rival: effect.n for rival, effect in effects.items()} == {
        "setting 1": 12,
        "setting 2": 12,
        "setting 3": 5,
        "once": 1,
    }
    assert effects["once"].p == 1


def test_a_setting_run_once_leaves_the_other_comparisons_as_they_are():
    table: dict[str, np.ndarray] = settings_table(12, 4)
    without = best_of(table, "setting 0", draws=999)
    table["once"] = np.array([0.5])
    assert {**without, "once": None} == {**best_of(table, "setting 0", draws=999), "once": None}


def test_best_of_survives_a_rival_that_differs_by_a_constant():
    table = settings_table(12, 3)
    table["shifted"] = table["setting 0"] - 1
    effect = best_of(table, "setting 0", draws=999)["shifted"]
    assert (effect.low, effect.high) == (1, 1)
    assert 2 * 0.5**12 < effect.p < 0.05


@pytest.mark.parametrize("claimed", ["x", "setting 0"])
def test_best_of_needs_the_claimed_setting_and_a_rival(claimed):
    with pytest.raises(ValueError, match=f"claimed='{claimed}' needs a rival"):
        best_of(settings_table(3, 1), claimed)


# --- equivalence and luck ---------------------------------------------------------------------


def test_equivalence_is_the_worse_of_two_one_sided_tests():
    effect = paired_difference([-0.001, 0, 0.001], [0, 0, 0])
    # standard error 0.001/sqrt(3); t = 0.003/that = sqrt(27); one-sided p with 2 degrees of
    # freedom (1 - t/sqrt(t**2 + 2))/2
    assert equivalence(effect, 0.003) == close((1 - math.sqrt(27 / 29)) / 2)


@given(st.integers(0, 1000), st.floats(0.1, 3))
@quick
def test_equivalence_is_statsmodels_paired_tost(seed, margin):
    a, b = np.random.default_rng(seed).normal(size=(2, 6))
    effect = paired_difference(a, b)
    if abs(effect.estimate) < margin:
        assert equivalence(effect, margin) == close(ttost_paired(a, b, -margin, margin)[0])
    else:
        assert equivalence(effect, margin) == 1


@pytest.mark.parametrize(
    ("value", "n", "p"), [(0, 5, 0.03125), (0, 1, 1), (0.002, 4, 0.0625), (0.003, 9, 1)]
)
def test_equal_seeds_are_equivalent_once_there_are_enough(value, n, p):
    assert equivalence(paired_difference([value] * n, [0] * n), 0.003) == close(p)


@pytest.mark.parametrize(
    ("k", "expected"),
    # closed forms for 1 to 3 normal values (David & Nagaraja 2003); 1.16296 and 1.53875 for 5 and
    # 10 from tables of normal order statistics
    [
        (1, 0),
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (5, 1.16296),
        (10, 1.53875),
    ],
)
def test_the_best_of_equal_configurations_looks_better_than_it_is(k, expected):
    assert expected_maximum(1, k) == pytest.approx(expected, abs=1e-5)
    assert expected_maximum(0.002, k) == pytest.approx(0.002 * expected, abs=1e-7)


def test_the_best_of_none_is_refused():
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        expected_maximum(1, 0)


def test_the_smallest_effect_that_matters_is_about_one_standard_error_of_the_test_set():
    assert pytest.approx(math.sqrt(0.89 * 0.11 / 10_000), rel=0.05) == MATERIAL


def test_intervals_and_verdicts_use_the_same_level():
    assert pytest.approx(1 - CONFIDENCE) == ALPHA


@pytest.mark.parametrize(("k", "mean"), [(1, 2.0), (2, 8 / 3), (3, 3.0)])
def test_the_luckiest_of_k_is_the_mean_over_all_choices(k, mean):
    assert luckiest([3.0, 1.0, 2.0], k) == pytest.approx(mean)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.data())
def test_the_luckiest_of_k_agrees_with_trying_all_choices(values, draw):
    k = draw.draw(st.integers(1, len(values)))
    every = [max(choice) for choice in itertools.combinations(values, k)]
    assert luckiest(values, k) == pytest.approx(sum(every) / math.comb(len(values), k))


def test_the_luckiest_of_k_estimates_the_expected_maximum_without_bias():
    rng = np.random.default_rng(0)
    found = [luckiest(x, 6) for x in rng.standard_normal((4000, 10))]
    assert np.mean(found) == pytest.approx(expected_maximum(1.0, 6), abs=0.03)
