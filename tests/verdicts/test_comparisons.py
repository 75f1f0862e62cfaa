"""Each kind of test says supported, not supported or inconclusive as the effect demands."""

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lab.sweeps.studies import DEPTH_TUNING, STUDIES, WIDTH_TUNING
from fmnist_lab.sweeps.tuning import TUNING_RATES, TUNING_SEEDS
from fmnist_lab.verdicts.comparisons import (
    above,
    below,
    gains_more,
    level,
    not_below,
    rate_falling,
    rising_per_doubling,
)
from fmnist_lab.verdicts.evidence import Arm, Evidence
from fmnist_lab.verdicts.families import BestOf, Printed, mostly_between
from fmnist_lab.verdicts.judgement import answers
from fmnist_lab.verdicts.measures import ACCURACY, GAP, LOWEST, SECONDS

WIDTH = {value: Arm("width", value) for value in STUDIES["width"].values}
DEPTH = {value: Arm("depth", value) for value in (1, 2, 3, 4)}
A, B = WIDTH[512], WIDTH[128]
QUIET, LOUD = 0.0005, 0.02  # standard deviations between seeds, of accuracy


@pytest.fixture
def trained(made_up_run):
    """Return a function that makes an arm's runs around a mean accuracy."""

    def make(arm, mean, sd=QUIET, seeds=range(10), **fields):
        study = STUDIES[arm.study]
        setting = replace(study.base, **{study.swept: arm.value})
        if arm.learning_rate:
            setting = replace(setting, learning_rate=arm.learning_rate)
        noise = np.random.default_rng([int(arm.value), *seeds]).normal(0, sd, len(seeds))
        return [
            made_up_run(replace(setting, seed=seed), accuracy=mean + float(error), **fields)
            for seed, error in zip(seeds, noise, strict=True)
        ]

    return make


def judged(part, runs):
    """Return the verdict on a single part, joined where it has several."""
    found = answers({"X": (part,)}, Evidence(runs))["X"]
    assert found is not None
    return found.decisive.verdict


# --- two settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "difference", "sd", "name"),
    [
        (above, 0.02, QUIET, "supported"),
        (above, 0.0015, QUIET, "supported but immaterial"),
        (above, 0.0, QUIET, "not supported"),
        (above, -0.02, QUIET, "not supported"),
        (above, 0.005, LOUD, "inconclusive"),
        (below, -0.02, QUIET, "supported"),
        (below, 0.02, QUIET, "not supported"),
        (below, -0.005, LOUD, "inconclusive"),
        (not_below, 0.02, QUIET, "supported"),
        (not_below, -0.001, QUIET, "supported"),  # lower, but not materially
        (not_below, -0.02, QUIET, "not supported"),
        (not_below, -0.003, LOUD, "inconclusive"),
    ],
)
def test_a_difference_is_judged_by_its_size_and_its_spread(trained, claim, difference, sd, name):
    runs = trained(A, 0.85 + difference, sd) + trained(B, 0.85, sd)
    assert judged(claim(ACCURACY, A, B), runs).name == name


def test_a_margin_leaves_the_numbers_as_measured_from_zero(trained):
    found = judged(not_below(ACCURACY, A, B), trained(A, 0.849) + trained(B, 0.85))
    assert found.estimate == pytest.approx(-0.001, abs=0.0005)
    assert found.low < found.estimate < found.high
    assert "not worse by 0.30 points" in found.reason


def test_a_lower_bound_on_both_sides_says_nothing(trained):
    capped = trained(A, 0.85, stopped_by="epochs") + trained(B, 0.85, stopped_by="epochs")
    found = judged(below(LOWEST, A, B), capped)
    assert found.name == "inconclusive"
    assert "hit the cap" in found.reason


def test_a_lower_bound_on_one_side_counts(trained):
    runs = trained(A, 0.85, stopped_by="epochs", best_epoch=100)
    runs += trained(B, 0.85, stopped_by="patience", best_epoch=40)
    assert judged(above(LOWEST, A, B), runs).name == "supported"


def test_settings_whose_epoch_nobody_measured_are_not_compared_in_time(trained):
    found = judged(below(SECONDS, A, B), trained(A, 0.85) + trained(B, 0.85))
    assert found.name == "inconclusive"
    assert "have no epoch whose time was measured" in found.reason


def test_two_settings_without_a_common_seed_are_compared_unpaired(trained):
    runs = trained(A, 0.87, seeds=range(5)) + trained(B, 0.85, seeds=range(5, 10))
    found = judged(above(ACCURACY, A, B), runs)
    assert found.name == "supported"
    assert "unpaired" in found.reason


def test_more_than_two_settings_need_a_common_seed(trained):
    runs = [r for n, arm in enumerate(WIDTH.values()) for r in trained(arm, 0.85, seeds=[n])]
    found = judged(rising_per_doubling(ACCURACY, tuple(WIDTH.values())), runs)
    assert found.name == "inconclusive"
    assert "share no seed" in found.reason


# --- several settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_doubling", "sd", "name"),
    [
        (0.01, QUIET, "supported"),
        (0.0, QUIET, "not supported"),
        (-0.01, QUIET, "not supported"),
        (0.001, LOUD, "inconclusive"),
    ],
)
def test_a_trend_is_judged_by_its_slope(trained, per_doubling, sd, name):
    runs = [
        r
        for w, arm in WIDTH.items()
        for r in trained(arm, 0.8 + per_doubling * np.log2(w / 128), sd)
    ]
    assert judged(rising_per_doubling(ACCURACY, tuple(WIDTH.values())), runs).name == name


@pytest.mark.parametrize(
    ("wide", "deep", "sd", "name"),
    [
        (0.04, 0.01, QUIET, "supported"),
        (0.01, 0.04, QUIET, "not supported"),
        (0.02, 0.02, QUIET, "not supported"),
        (0.012, 0.01, LOUD, "inconclusive"),
    ],
)
def test_gains_are_compared_seed_by_seed(trained, wide, deep, sd, name):
    runs = [r for w, arm in WIDTH.items() for r in trained(arm, 0.8 + wide * (w > 128), sd)]
    # depth 2 at width 2096 is a setting of both
    runs += [
        r for d, arm in DEPTH.items() if d != 2
        for r in trained(arm, 0.8 + wide - deep + deep * (d > 1), sd)
    ]  # fmt: skip
    part = gains_more(ACCURACY, tuple(WIDTH.values()), tuple(DEPTH.values()))
    assert judged(part, runs).name == name


@pytest.mark.parametrize(
    ("gap", "sd", "name"),
    [(0.03, QUIET, "supported"), (0.0, QUIET, "not supported"), (0.005, LOUD, "inconclusive")],
)
def test_a_level_is_judged_against_zero(trained, gap, sd, name):
    runs = [
        replace(
            run,
            best={"train_accuracy": run.best["train_accuracy"] + gap, "validation_accuracy": 0.85},
        )
        for run in trained(A, 0.85, sd)
    ]
    assert judged(level(GAP, [A], "width 512"), runs).name == name


@pytest.mark.parametrize(
    ("means", "sd", "name"),
    [
        ({128: 0.80, 512: 0.82, 1024: 0.83, 2096: 0.88, 4192: 0.85}, QUIET, "supported"),
        ({128: 0.80, 512: 0.82, 1024: 0.83, 2096: 0.85, 4192: 0.88}, QUIET, "not supported"),
        ({128: 0.80, 512: 0.82, 1024: 0.83, 2096: 0.85, 4192: 0.85}, QUIET, "not supported"),
        ({128: 0.84, 512: 0.84, 1024: 0.84, 2096: 0.85, 4192: 0.84}, LOUD, "inconclusive"),
    ],
)  # fmt: skip
def test_the_best_of_several_beats_every_rival(trained, means, sd, name):
    runs = [run for width, mean in means.items() for run in trained(WIDTH[width], mean, sd)]
    arms = (WIDTH[2096], *(arm for width, arm in WIDTH.items() if width != 2096))
    assert judged(BestOf(ACCURACY, arms), runs).name == name
    if sd == QUIET:  # the same upside down
        upside_down = [
            replace(r, best={"validation_accuracy": 1 - r.best["validation_accuracy"]})
            for r in runs
        ]
        assert judged(BestOf(ACCURACY, arms, -1), upside_down).name == name


@pytest.mark.parametrize(
    ("rival", "name"), [(0.85, "supported"), (0.851, "supported"), (0.87, "not supported")]
)
def test_with_a_margin_being_as_good_is_enough(trained, rival, name):
    runs = trained(A, 0.85) + trained(B, 0.80) + trained(WIDTH[1024], rival)
    assert judged(BestOf(ACCURACY, (A, B, WIDTH[1024]), margin=0.003), runs).name == name


def test_a_rival_that_is_shown_better_decides_though_another_was_not_run(trained):
    runs = trained(A, 0.85) + trained(B, 0.88)
    assert judged(BestOf(ACCURACY, (A, B, WIDTH[1024])), runs).name == "not supported"


# --- a printed figure -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "seeds", "name"),
    [(0.899, 10, "supported"), (0.88, 10, "not supported"), (0.899, 1, "inconclusive")],
)
def test_a_printed_figure_is_one_of_the_outcomes_or_not(trained, mean, seeds, name):
    runs = trained(A, mean, seeds=range(seeds))
    assert judged(Printed(ACCURACY, (A,), 0.899, 0.0005), runs).name == name


# --- learning rates ---------------------------------------------------------------------------


def tuning(trained, study, values, best):
    """Return a tuning study's runs, each value's accuracy peaked at the rate best(value, seed)."""
    return [
        run
        for value in values
        for rate in TUNING_RATES
        for seed in TUNING_SEEDS
        for run in trained(
            Arm(study, value, rate),
            0.9 - 0.02 * np.log10(rate / best(value, seed)) ** 2,
            1e-6,
            seeds=[seed],
        )
    ]


@pytest.mark.parametrize(
    ("decades_a_layer", "name"),
    [(-0.5, "supported"), (0.5, "not supported"), (0.0, "inconclusive")],
)
def test_the_best_rate_falls_or_does_not(trained, decades_a_layer, name):
    def best(depth, seed):
        # the seeds disagree a little, so that three of them can tell
        return 3e-4 * 10 ** ((decades_a_layer + 0.05 * (seed - 101)) * (depth - 2.5))

    runs = tuning(trained, "depth_tuning", DEPTH, best)
    found = judged(rate_falling(ACCURACY, "depth_tuning", tuple(DEPTH)), runs)
    assert np.exp(found.estimate) == pytest.approx(10**decades_a_layer, rel=0.15)
    assert found.name == name


def test_rates_outside_the_brackets_change_no_verdict_and_open_ones_give_none(trained):
    def best(depth, seed):
        return 3e-4 * 10 ** ((0.05 * (seed - 101) - 0.5) * (depth - 2.5))

    claim = rate_falling(ACCURACY, "depth_tuning", (2, 3, 4))
    whole = [
        *tuning(trained, "width_tuning", [128], lambda value, seed: 1e-3),
        *tuning(trained, "depth_tuning", (0, 1, 2, 3, 4), best),
    ]
    asked = set(DEPTH_TUNING.configs(whole))
    bracketed = [run for run in whole if run.config in asked or run.config.width == 128]
    assert len(bracketed) < len(whole)
    found, expected = judged(claim, bracketed), judged(claim, whole)
    assert (found.name, found.estimate) == (expected.name, pytest.approx(expected.estimate))
    edge = min(run.config.learning_rate for run in bracketed if run.config.depth == 4)
    is_open = [r for r in bracketed if (r.config.depth, r.config.learning_rate) != (4, edge)]
    assert judged(claim, is_open).name == "not run yet"


@pytest.mark.parametrize(
    ("inside", "name"),
    [(9, "supported"), (5, "supported"), (4, "not supported"), (0, "not supported")],
)
def test_most_settings_have_their_best_rate_in_the_range_or_not(trained, inside, name):
    settings = [("width_tuning", w) for w in WIDTH] + [("depth_tuning", d) for d in (0, 1, 3, 4)]
    runs = []
    for number, (study, value) in enumerate(settings):
        best = 1.78e-5 if number < inside else 1e-3
        runs += tuning(trained, study, [value], lambda value, seed, best=best: best)
    found = judged(mostly_between(2e-5, 3e-5, WIDTH_TUNING, DEPTH_TUNING), runs)
    assert found.name == name
    # 2 x 2096 is in both studies, and counts once
    assert found.why == f"{inside} of the 9 settings tuned, counted and not tested"


@pytest.mark.parametrize(("best", "inside"), [(1e-5, 0), (1.78e-5, 1), (3.16e-5, 1), (5.62e-5, 0)])
def test_a_rate_counts_as_inside_up_to_half_a_step_of_the_grid_beyond(trained, best, inside):
    runs = tuning(trained, "width_tuning", WIDTH, lambda value, seed: best)
    found = judged(mostly_between(2e-5, 3e-5, WIDTH_TUNING), runs)
    assert found.why.startswith(f"{5 * inside} of the 5 settings")


def test_without_all_tuning_runs_no_rate_is_chosen(trained):
    runs = tuning(trained, "width_tuning", [128], lambda value, seed: 1e-3)
    assert Evidence(runs).brackets(WIDTH_TUNING)[128].chosen == 1e-3
    assert Evidence(runs[1:]).brackets(WIDTH_TUNING)[128].chosen is None
