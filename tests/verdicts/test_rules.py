import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.verdicts.rules import (
    NAMES,
    Corrected,
    Hypothesis,
    Verdict,
    correct,
    decide,
    matches,
    show,
    show_limits,
)
from fmnist_lab.verdicts.statistics import (
    against,
    censored,
    further_run,
    mean_interval,
    paired_difference,
)
from tests.effects import effect

quick = settings(max_examples=20, deadline=None)


# --- the rules --------------------------------------------------------------------------------


# 10 seeds, t = 2.262: an sd of 0.001 gives an interval of +- 0.0007, of 0.01 one of +- 0.0072
@pytest.mark.parametrize(
    ("mean", "sd", "name"),
    [
        (0.005, 0.001, "supported"),
        (0.003, 0.001, "supported but size open"),  # the interval contains the smallest
        (0.0037, 0.001, "supported but size open"),
        (0.0038, 0.001, "supported"),  # the interval clears it: 0.0038 - 0.0007
        (0.0025, 0.001, "supported but size open"),
        (0.0024, 0.001, "supported but immaterial"),  # one-sided: 0.0024 + 1.833 * 0.001 / sqrt(10)
        (0.001, 0.001, "supported but immaterial"),
        (-0.005, 0.001, "not supported"),  # the other way
        (-0.001, 0.001, "not supported"),  # the other way and within +- 0.003
        (0.0002, 0.001, "not supported"),  # within +- 0.003 only
        (0.005, 0.01, "inconclusive"),
        (0.0, 0.01, "inconclusive"),
        (-0.005, 0.01, "inconclusive"),
        (0.005, 0.0, "supported"),
        (0.003, 0.0, "supported but size open"),
        (0.001, 0.0, "supported but immaterial"),
        (0.0, 0.0, "not supported"),
    ],
)
def test_the_interval_and_the_smallest_effect_that_matters_decide(mean, sd, name):
    assert decide(effect(mean, sd)).name == name


@pytest.mark.parametrize(
    ("p", "equal", "beyond", "name"),
    [
        (0.05, 1.0, 0.05, "supported"),
        (0.05, 1.0, 0.0501, "supported but size open"),
        (0.05, 0.05, 1.0, "supported but immaterial"),
        (0.0501, 1.0, 0.05, "inconclusive"),
        (0.0501, 0.05, 1.0, "not supported"),
        (0.0501, 0.0501, 1.0, "inconclusive"),
    ],
)
def test_a_p_value_of_5_percent_decides_and_a_larger_one_does_not(p, equal, beyond, name):
    found = Corrected(p, equal, beyond, 1, 0.05, 0.05)
    assert decide(effect(0.005, 0.001), corrected=found).name == name


@pytest.mark.parametrize(("p", "text"), [(0.0001, "p = 0.0001"), (0.000099, "p < 0.0001")])
def test_a_p_value_is_written_as_far_as_it_means_something(p, text):
    found = Corrected(p, 1.0, 1.0, 1, 0.05, 0.05)
    assert decide(effect(0.005, 0.001), corrected=found).why.endswith(text)


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        (
            effect(0.005, 0.001),
            # 0.5 +- 2.262 * 0.1 / sqrt(10) = 0.0715 points; t = 15.8
            (
                "+0.50 points (95 % interval +0.43 to +0.57 points, 10 seeds): "
                "as claimed, and by more than 0.30 points, p = 0.00014"
            ),
        ),
        (
            effect(0.002, 0.001),
            "as claimed (p = 0.00014), but by less than 0.30 points (p = 0.0058)",
        ),
        (effect(0.003, 0.001), "as claimed, but whether by more than 0.30 points is open"),
        (effect(-0.005, 0.001), "the other way"),
        (effect(0.0002, 0.001), "equivalent within 0.30 points, p < 0.0001"),
        (effect(0.0, 0.0), "+0.00 points (all the same, 10 seeds): equivalent within 0.30 points"),
        (
            effect(0.002, 0.01),
            "from zero (p = 0.54) nor shown to be within 0.30 points of it (p = 0.38);",
        ),
        (effect(0.005, 0.001, 1), "+0.50 points (one run, no interval): one run cannot tell"),
        (replace(effect(0.005, 0.001), paired=False), "10 unpaired seeds"),
        (replace(effect(0.005, 0.001), family=4), "p = 0.00055 for 4 rivals together"),
    ],
)
def test_the_reason_is_a_sentence_with_the_numbers(difference, reason):
    assert reason in decide(difference).reason


def test_a_verdict_carries_the_effects_numbers():
    difference = effect(0.005, 0.001)
    result = decide(difference)
    assert (result.estimate, result.low, result.high, result.p, result.n) == (
        difference.estimate,
        difference.low,
        difference.high,
        difference.p,
        10,
    )
    assert result.seeds_needed is None


@pytest.mark.parametrize(
    ("side", "numbers"),
    [
        (1, "at least ×2 (95 % interval from ×1.9 on, 10 seeds)"),
        (-1, "at most ×2 (95 % interval up to ×2.1, 10 seeds)"),
    ],
)
def test_of_runs_that_ended_too_soon_to_tell_one_end_of_the_interval_is_shown(side, numbers):
    known = censored(effect(math.log(2), 0.07), side)  # +- 0.05
    assert decide(known, math.log(1.1), unit="×").numbers == numbers
    assert decide(censored(effect(0.0, 0.001), side)).name == "inconclusive"  # equal to nothing


def test_what_was_not_run_has_no_numbers():
    assert Verdict("not run yet", "no runs yet").reason == "no runs yet"


# 10 seeds: 0.001 / sqrt(10) = 0.0003, so half a point from the margin is beyond it
@pytest.mark.parametrize(
    ("mean", "sd", "name", "why"),
    [
        (0.005, 0.001, "supported", "not worse by 0.30 points"),
        (-0.001, 0.001, "supported", "not worse by 0.30 points"),  # lower, but not materially
        (-0.003, 0.001, "inconclusive", "being worse by 0.30 points is neither shown nor excluded"),
        (-0.008, 0.001, "not supported", "worse by more than 0.30 points"),
        (0.0, 0.01, "inconclusive", "being worse by 0.30 points is neither shown nor excluded"),
    ],
)
def test_a_margin_is_tested_instead_of_zero_and_nothing_beyond_it_is_immaterial(
    mean, sd, name, why
):
    found = decide(against(effect(mean, sd), -0.003))
    assert found.name == name
    assert found.estimate == pytest.approx(mean, abs=1e-12)
    assert found.why.startswith(why)


@pytest.mark.parametrize("difference", [0.0, 0.005, -0.2])
def test_one_run_is_inconclusive_however_large_the_difference(difference):
    result = decide(paired_difference([0.9 + difference], [0.9]))
    assert result.name == "inconclusive"
    assert "one run cannot tell" in result.reason
    assert result.seeds_needed is None
    assert (result.low, result.high, result.p) == (-math.inf, math.inf, 1)


@pytest.mark.parametrize(
    ("n", "name"), [(2, "inconclusive"), (5, "inconclusive"), (6, "supported")]
)
def test_equal_epoch_counts_are_no_proof_until_there_are_enough(n, name):
    result = decide(paired_difference([9] * n, [12] * n), material=1, direction=-1, unit="epochs")
    assert result.name == name  # 2 * 0.5**n is at most 0.05 from 6 on
    assert "−3 epochs (all the same" in result.reason
    assert result.seeds_needed == (6 if n < 6 else None)


def test_effects_in_other_units_bring_their_own_threshold():
    longer = effect(6, 2)  # 6 +- 1.43
    result = decide(longer, material=4, unit="epochs")
    assert result.name == "supported"
    assert result.reason.startswith("+6 epochs (95 % interval +4.57 to +7.43 epochs")
    assert "by more than 4 epochs" in result.reason
    assert decide(longer, material=5, unit="epochs").name == "supported but size open"
    assert decide(longer, material=8, unit="epochs").name == "supported but immaterial"


@given(st.floats(-0.01, 0.01), st.floats(0, 0.02), st.integers(1, 12))
@quick
def test_the_claim_of_the_opposite_about_the_swapped_sides_gets_the_same_verdict(mean, sd, n):
    there, back = effect(mean, sd, n), effect(-mean, sd, n)
    assert decide(there).name == decide(back, direction=-1).name


@given(st.floats(-0.01, 0.01), st.floats(0, 0.02), st.integers(1, 12))
@quick
def test_a_claim_and_its_opposite_are_never_both_supported(mean, sd, n):
    names = {decide(effect(mean, sd, n), direction=d).name for d in (1, -1)}
    assert sum(name.startswith("supported") for name in names) <= 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.sampled_from([1, -1]))
@quick
def test_a_verdict_is_never_nan(values, direction):
    result = decide(mean_interval(values), material=1, direction=direction, unit="epochs")
    numbers = [getattr(result, field.name) for field in fields(result)]
    assert not any(isinstance(x, float) and math.isnan(x) for x in numbers)
    assert result.name in NAMES
    assert "nan" not in result.reason
    assert "inf" not in result.reason


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"material": 0}, "material=0 must be above zero"),
        ({"material": math.nan}, "material=nan must be above zero"),
        ({"direction": 0}, "direction=0 must be 1"),
    ],
)
def test_a_claim_without_size_or_direction_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        decide(effect(0.005, 0.001), **wrong)


@pytest.mark.parametrize(
    ("value", "unit", "signed", "text"),
    [
        (0.0042, "points", True, "+0.42 points"),
        (-0.00001, "points", True, "+0.00 points"),
        (0.893, "%", True, "89.30 %"),  # a level has no sign
        (-0.0042, "points", True, "−0.42 points"),
        (-3, "epochs", True, "−3 epochs"),
        (12_345.6, "steps", False, "12,346 steps"),
        (100.4, "steps", False, "100 steps"),
        (99.94, "steps", False, "99.9 steps"),
        (0.01234, "", True, "+0.0123"),
        (math.log(2), "×", True, "×2"),
        (-math.log(2), "×", True, "×0.5"),
        (-20, "×", True, "×2.06e−09"),
    ],
)
def test_a_value_is_shown_with_its_unit_a_fraction_in_percentage_points(value, unit, signed, text):
    assert show(value, unit, signed) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (-0.0043, 0.0013, "points", "−0.43 to +0.13 points"),
        (0.892, 0.9, "%", "89.20 to 90.00 %"),
        (4.57, 1234, "epochs", "+4.57 to +1,234 epochs"),
        (-math.log(4), math.log(2), "×", "×0.25 to ×2"),
        (-1, 2, "", "−1 to +2"),
    ],
)
def test_an_interval_is_shown_with_its_unit_once(low, high, unit, text):
    assert show_limits(low, high, unit) == text


# --- a printed figure -------------------------------------------------------------------------


# mean 0.9, sd 0.01, t = 4.3027: half width 4.3027 * 0.01 * sqrt(1 + 1/3) = 0.04968
@pytest.mark.parametrize(
    ("figure", "rounding", "name"),
    [
        (0.90, 0, "supported"),
        (0.949, 0, "supported"),
        (0.851, 0, "supported"),
        (0.950, 0, "not supported"),
        (0.950, 0.0005, "supported"),  # 0.9495 would print as 0.950
        (0.951, 0.0005, "not supported"),
        (0.849, 0, "not supported"),
    ],
)
def test_a_printed_figure_is_held_against_one_further_run(figure, rounding, name):
    result = matches(further_run(figure, [0.89, 0.90, 0.91], rounding))
    assert result.name == name
    assert (result.p > 0.05) == (name == "supported")
    assert (result.low, result.high) == pytest.approx((0.9 - 0.04968, 0.9 + 0.04968), abs=1e-5)
    assert f"{100 * figure:.2f} %" in result.reason
    assert "(95 % prediction interval 85.03 to 94.97 %, 3 seeds)" in result.reason


def test_a_printed_figure_outside_is_not_excluded_unless_it_is_so_after_correction():
    runs = further_run(0.951, [0.89, 0.90, 0.91], 0.0005)  # p = 0.0497
    assert matches(runs).name == "not supported"
    family = correct({"a": Hypothesis(runs), "b": Hypothesis(runs)})
    found = matches(runs, family["a"])
    assert found.name == "inconclusive"
    # at 0.05 / 2: t = 6.205, 6.205 * 0.01 * sqrt(4 / 3)
    assert "may after correction; the interval that decides is 82.83 to 97.17 %" in found.why


def test_one_run_reproduces_nothing():
    assert matches(further_run(0.9, [0.9])).name == "inconclusive"


@pytest.mark.parametrize(
    ("figure", "n", "name"),
    # p = 2 / (n + 1): 0.18 for 10 runs, 0.051 for 38, 0.05 for 39
    [
        (0.12, 2, "supported"),
        (0.13, 10, "inconclusive"),
        (0.13, 38, "inconclusive"),
        (0.13, 39, "not supported"),
    ],
)
def test_equal_runs_rule_out_another_figure_once_there_are_enough(figure, n, name):
    assert matches(further_run(figure, [0.12] * n)).name == name
