"""fmnist_lab.verdicts.rules: several comparisons share one error."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.verdicts.rules import (
    Hypothesis,
    Verdict,
    correct,
    decide,
    seeds_needed,
)
from fmnist_lab.verdicts.statistics import (
    MATERIAL,
    Effect,
)
from tests.effects import effect


def together(effects: dict[str, Effect | None]) -> dict[str, Verdict]:
    """Judge effects, all but those not run yet, corrected together."""
    family = correct({name: Hypothesis(effect, MATERIAL) for name, effect in effects.items()})
    return {name: decide(e, corrected=family[name]) for name, e in effects.items() if e}


def test_holm_decides_and_where_the_plain_interval_says_otherwise_the_one_that_decides_is_shown():
    differences = {
        name: replace(effect(0.005, 0.006), p=p)
        for name, p in {"a": 0.01, "b": 0.03, "c": 0.04}.items()
    }
    results = together({**differences})
    # 3 * 0.01, 2 * 0.03, max(0.06, 0.04)
    assert [r.p for r in results.values()] == pytest.approx([0.03, 0.06, 0.06])
    names = ["supported but size open", "inconclusive", "inconclusive"]
    assert [r.name for r in results.values()] == names
    assert results["b"].low == differences["b"].low > 0
    assert " after Holm's correction for 3 tests; about" in results["b"].why
    # two of three still stand, so the level is 0.025: t = 2.685, 0.5 +- 2.685 * 0.6 / sqrt(10)
    shown = "neither told from zero (p = 0.06; the interval that decides is −0.01 to +1.01 points)"
    assert shown in results["b"].why
    assert results["b"].seeds_needed == seeds_needed(differences["b"], alpha=0.05 / 3)


def test_a_plain_interval_inside_the_band_stands_beside_the_corrected_one_that_is_not():
    near = effect(0.0, 0.004)  # +- 0.0029 inside 0.003; one-sided p = 0.021
    assert decide(near).name == "not supported"
    found = together({"a": near, "b": near, "c": near})["a"]
    assert (found.name, found.low > -0.003, found.high < 0.003) == ("inconclusive", True, True)
    # one-sided at 0.05 / 3: t = 2.506, 2.506 * 0.4 / sqrt(10)
    shown = "of it (p = 0.063; the interval that decides is −0.32 to +0.32 points)"
    assert shown in found.why


def test_tests_of_one_group_count_as_one_until_the_last_is_rejected():
    plain = {name: replace(effect(0.005, 0.006), p=p) for name, p in (("a", 0.01), ("b", 0.02))}
    family = correct(
        {
            "a": Hypothesis(plain["a"], group="pair"),
            "b": Hypothesis(plain["b"], group="pair"),
            "c": Hypothesis(replace(plain["a"], p=0.03)),
        }
    )
    # two groups: 2 * 0.01, 2 * 0.02, then one: max(0.04, 0.03)
    assert [found.p for found in family.values()] == pytest.approx([0.02, 0.04, 0.04])
    assert {found.tests for found in family.values()} == {2}


def test_the_size_is_corrected_too():
    large = effect(0.0038, 0.001)  # beyond 0.003 by 2.53 standard errors, two-sided p = 0.032
    assert decide(large).name == "supported"
    assert {v.name for v in together({"a": large, "b": large}).values()} == {
        "supported but size open"
    }


def test_equivalence_is_corrected_too():
    near = effect(0.0, 0.0045)  # t = 0.003 / (0.0045/sqrt(10)) = 2.11, one-sided p = 0.032
    assert decide(near).name == "not supported"
    assert {v.name for v in together({"a": near, "b": near}).values()} == {"inconclusive"}


def test_rivals_share_the_error_of_equivalence():
    near = effect(0.0, 0.0045)
    assert decide(replace(near, family=2)).name == "inconclusive"


def test_one_comparison_needs_no_correction():
    assert together({"a": effect(0.002, 0.001)})["a"] == decide(effect(0.002, 0.001))
    assert together({}) == {}


def test_each_comparison_may_have_its_own_smallest_effect():
    near = effect(0.0, 0.0045)
    family = correct({"a": Hypothesis(near, 0.003), "b": Hypothesis(near, 0.03)})
    assert family["a"].equal > 0.03 > family["b"].equal


@given(
    st.lists(st.tuples(st.floats(-0.01, 0.01), st.floats(0.001, 0.02)), min_size=1, max_size=5),
    st.lists(st.tuples(st.floats(-0.01, 0.01), st.floats(0.001, 0.02)), max_size=3),
)
@settings(max_examples=20, deadline=None)
def test_running_what_is_missing_never_raises_the_p_value_of_the_others(done, missing):
    now: dict[str, Effect | None] = {f"done {i}": effect(*args) for i, args in enumerate(done)}
    before = together({**now, **{f"missing {i}": None for i in range(len(missing))}})
    after = together({**now, **{f"missing {i}": effect(*args) for i, args in enumerate(missing)}})
    for name in now:
        assert after[name].p <= before[name].p + 1e-12
