"""A second look: fresh seeds, their number fixed beforehand from the first look's spread."""

import math

import numpy as np
import pytest
from matplotlib import pyplot as plt

from fmnist_lab import facts, pictures
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.tuning import MORE_TUNING_SEEDS, NESTED_SEEDS, TUNING_SEEDS
from fmnist_lab.verdicts.claims import Box
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.evidence import SECOND_LOOKS, Arm, Evidence
from fmnist_lab.verdicts.judgement import Judgement, judge_claims
from fmnist_lab.verdicts.rules import seeds_needed
from fmnist_lab.verdicts.statistics import ALPHA

LOOKED_AT_AGAIN = [claim for claim in CLAIMS.values() if claim.second_look]


@pytest.fixture(scope="module")
def first_look() -> list[Run]:
    """Return what was on record when the numbers were fixed, as far as it bears on them."""
    studies = [study for name, study in STUDIES.items() if name.endswith(("_tuning", "_retuned"))]
    configs = {config for study in studies for config in study.configs()}
    return [run for run in read_published().values() if run.config in configs]


@pytest.fixture(scope="module")
def evidence(first_look) -> Evidence:
    """Return the first look's runs as a verdict as claimed finds them."""
    return Evidence(first_look, retuned=True)


@pytest.fixture(scope="module")
def before(first_look) -> dict[str, Judgement]:
    """Return every claim's verdicts by the first look: a chapter's do not depend on others'."""
    return judge_claims([*CLAIMS.values()], first_look)


def planned(chapter, evidence, found):
    """Return the seeds that a chapter's open tests need; those conclusive already need none."""
    parts = {c.id: c.second for c in LOOKED_AT_AGAIN if c.chapter == chapter}
    tests = len({part.group(evidence) for several in parts.values() for part in several})
    needed = []
    for name, several in parts.items():
        verdicts = {f.name: f.verdict.name for f in found[name].answers["as claimed"].findings}
        for part in several:
            for test, effect in part.effects(evidence).items():
                if effect and verdicts[test] == "inconclusive":
                    level = ALPHA / (tests * effect.family)
                    seeds = seeds_needed(effect, part.measure.material, level, power=0.9)
                    assert seeds is not None
                    needed.append(seeds)
    return max(needed)


@pytest.mark.parametrize(
    ("chapter", "study", "seeds"),
    [
        ("loss", "loss", 27),
        ("depth", "depth", 50),
        ("claims", "depth", 24),
        ("width", "width", 60),
        ("batch_size", "batch_size", 226),
    ],
)
def test_the_number_of_seeds_follows_from_the_first_looks_spread(
    evidence, before, chapter, study, seeds
):
    assert planned(chapter, evidence, before) == seeds
    assert len(STUDIES[SECOND_LOOKS[study]].seeds) >= seeds


def test_what_is_looked_at_again_was_open(before):
    answers = [before[claim.id].answers["as claimed"] for claim in LOOKED_AT_AGAIN]
    assert {answer.name for answer in answers} == {"inconclusive"}


def test_its_seeds_are_used_for_nothing_else():
    fresh = {seed for name in SECOND_LOOKS.values() for seed in STUDIES[name].seeds}
    others = [study for name, study in STUDIES.items() if name not in SECOND_LOOKS.values()]
    assert not fresh & {seed for study in others for seed in study.seeds}
    assert not fresh & {*TUNING_SEEDS, *MORE_TUNING_SEEDS, *NESTED_SEEDS}


@pytest.mark.parametrize("claim", LOOKED_AT_AGAIN, ids=lambda claim: claim.id)
def test_every_setting_that_a_claim_compares_is_run_again_as_the_first_look_ran_it(claim):
    for arm in {arm for part in claim.second for arm in part.arms}:
        study, first = STUDIES[SECOND_LOOKS[arm.study]], STUDIES[f"{arm.study}_retuned"]
        assert arm.value in study.values
        assert (study.base, study.tuned_by) == (first.base, first.tuned_by)


def test_neither_look_sees_the_others_runs(first_look, made_up_run):
    arms = Arm("loss", "cross_entropy"), Arm("loss", "mse")
    fresh = [made_up_run(c) for c in STUDIES["loss_second_look"].configs(first_look)]
    runs = [*first_look, *fresh]
    for second_look, seeds in ((False, range(10)), (True, range(20, 47))):
        found = Evidence(runs, retuned=True).seen(second_look=second_look).compared(arms)
        assert [list(found[arm]) for arm in arms] == [list(seeds)] * 2
    as_run = Evidence([*runs, *(made_up_run(c) for c in STUDIES["loss"].vary(seeds=30).configs())])
    assert list(as_run.of(arms[0])) == list(range(30))


def test_a_second_look_is_never_nested(first_look, made_up_run):
    nested = [made_up_run(config) for config in STUDIES["loss_nested"].configs()]
    arms = Arm("loss", "cross_entropy"), Arm("loss", "mse")
    evidence = Evidence([*first_look, *nested], retuned=True).seen(second_look=True)
    assert not any(evidence.compared(arms).values())


@pytest.fixture(scope="module")
def fresh(first_look, made_up_run):
    """Return made-up runs of the losses' second look: cross-entropy is a point better."""
    rng = np.random.default_rng(0)
    return [
        made_up_run(c, accuracy=0.87 + 0.01 * (c.loss == "cross_entropy") + rng.normal(0, 0.001))
        for c in STUDIES["loss_second_look"].configs(first_look)
    ]


def judged(runs):
    return judge_claims([c for c in CLAIMS.values() if c.chapter == "loss"], runs)


@pytest.fixture(scope="module")
def after(first_look, fresh) -> dict[str, Judgement]:
    """Return the verdicts on losses once the second look has all of its runs."""
    return judged([*first_look, *fresh])


def test_the_fresh_seeds_alone_decide_the_second_look_and_change_no_other_verdict(
    before, after, fresh
):
    before, after = before["L1"], after["L1"]
    assert after.as_run == before.as_run
    assert after.as_claimed == before.as_claimed
    look = after.answers["second look"]
    assert look.name == "supported"
    assert {finding.verdict.n for finding in look.findings} == {27}
    assert "for 2 tests" in look.findings[0].verdict.reason  # L2 is not looked at again
    assert set(look.runs) == {run.config for run in fresh}
    assert after.runs == before.runs + len(fresh)
    assert "Second look, as claimed, on fresh seeds alone: \u2714" in repr(Box(after))


@pytest.mark.parametrize("lacking", [0, 80])
def test_nobody_looks_before_the_last_run_is_there(first_look, fresh, lacking):
    there = fresh[:lacking] + fresh[lacking + 1 :]
    found = judged([*first_look, *there])["L1"]
    assert "second look" not in found.answers
    assert found.beside["second look"].name == "not run yet"
    assert "Second look: \u2026 not run yet. 27 fresh seeds per setting." in repr(Box(found))


def test_the_picture_shows_both_looks_at_the_tests_that_were_open(before, after):
    before = {name: before[name] for name in after}  # of losses
    for found, there in ((after, True), (before, False)):
        ax = pictures.two_looks(found)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == [
            "L1, validation accuracy:\ncross-entropy above MSE"
        ]
        first, second = ([*bar.lines[0].get_xdata()] for bar in ax.containers)
        was = found["L1"].answers["as claimed"].findings[0].verdict
        assert first == [pytest.approx(was.estimate / 0.003)]
        assert math.isfinite(second[0]) == there
        if there:
            now = found["L1"].answers["second look"].findings[0].verdict
            assert second == [pytest.approx(now.estimate / 0.003)]
        plt.close("all")


def test_the_table_says_what_a_second_look_costs_and_what_it_found(first_look, before, after):
    waits = facts.undecided(before).loc["L1"]
    assert waits["second look"].startswith("not run: 27 fresh seeds, about ")
    settings: dict[
        str, list[float]
    ] = {}  # seconds of one thread, of 27 runs of each loss on two cores
    for config in before["L1"].answers["as claimed"].runs:
        (run,) = [run for run in first_look if run.config == config]
        settings.setdefault(config.loss, []).append(run.seconds)
    hours = 27 * sum(map(np.mean, settings.values())) / 7200
    assert waits["second look"].endswith(f"{hours:,.1f} hours")
    assert waits["hours of two cores"] == f"{hours:,.1f}"
    found = facts.undecided(after).loc["L1"]
    assert found["second look"] == "\u2714\ufe0e supported"


def test_nothing_undecided_is_an_empty_table():
    assert facts.undecided({}).empty
