"""fmnist_lab.verdicts.luck: where a seed's luck comes from, and how trials add to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.verdicts.luck import expected_best, variance_components

FACTORS = ("split", "weights", "order")
values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


# --- The parts of a seed's luck


def test_two_factors_by_hand():
    # Grand mean 4, effects of the rows -2 and 2, of the columns -1 and 1, together 1, -1, -1, 1.
    # Mean squares: 16, 4 and 4; a row's variance is (16 - 4) / 2, a column's 0.
    found = variance_components([[2, 2], [4, 8]], ("row", "column"))
    assert found["variance"].to_dict() == {"row": 6, "column": 0, "row × column": 4}
    assert found["share"].to_dict() == {"row": 0.6, "column": 0, "row × column": 0.4}


@pytest.mark.parametrize("factor", range(3))
def test_what_one_factor_alone_does_is_its_own(factor):
    levels = np.array([1.0, 2.0, 4.0, 8.0]).reshape([4 if n == factor else 1 for n in range(3)])
    found = variance_components(levels + np.zeros((4, 4, 4)), FACTORS)
    assert found.loc[FACTORS[factor], "share"] == pytest.approx(1)
    assert found.loc[FACTORS[factor], "variance"] == pytest.approx(levels.var(ddof=1))


def test_the_parts_are_right_on_average_and_the_intervals_hold_them():
    rng = np.random.default_rng(3)
    truth = np.array([2.0, 0.5, 1.0, 0.0, 0.5, 0.0, 1.5])
    axes = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    found, held = [], []
    for _ in range(100):
        table = np.zeros((5, 5, 5))
        for variance, those in zip(truth, axes, strict=True):
            shape = [5 if n in those else 1 for n in range(3)]
            table = table + rng.normal(0, variance**0.5, shape)
        parts = variance_components(table, FACTORS)
        found.append(parts["variance"])
        held.append(parts["share"].between(parts["low"], parts["high"]))
    assert np.mean(found, 0)[[0, 6]] == pytest.approx(truth[[0, 6]], rel=0.2)
    assert np.mean(held) > 0.95


def test_the_unit_of_the_table_changes_no_share():
    table = np.random.default_rng(0).normal(size=(3, 4, 5))
    one, hundred = variance_components(table, FACTORS), variance_components(100 * table, FACTORS)
    assert hundred["variance"].to_numpy() == pytest.approx(1e4 * one["variance"].to_numpy())
    for column in ("share", "low", "high"):
        assert hundred[column].to_numpy() == pytest.approx(one[column].to_numpy())


# --- The best of several trials


def test_the_best_of_two_of_three_by_hand():  # nine pairs: one 1, three 2, five 3
    assert expected_best([3, 1, 2], [1, 2]) == pytest.approx([2, (1 + 3 * 2 + 5 * 3) / 9])


@given(values)
def test_one_trial_is_worth_the_mean_and_many_the_best(values):
    one, many = expected_best(values, [1, 10_000])
    assert one == pytest.approx(np.mean(values))
    assert many == pytest.approx(max(values), abs=1e-9)


@given(values)
def test_another_trial_never_costs(values):
    assert (np.diff(expected_best(values, np.arange(1, 20))) >= -1e-12).all()
