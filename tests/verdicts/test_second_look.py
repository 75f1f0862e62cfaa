"""A second look: fresh seeds, their number fixed beforehand from the first look's spread."""

import pytest

from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.tuning import MORE_TUNING_SEEDS, NESTED_SEEDS, TUNING_SEEDS
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.evidence import SECOND_LOOKS, Arm, Evidence
from fmnist_lab.verdicts.judgement import judge_claims
from fmnist_lab.verdicts.rules import seeds_needed
from fmnist_lab.verdicts.statistics import ALPHA

LOOKED_AT_AGAIN = [claim for claim in CLAIMS.values() if claim.second_look]


@pytest.fixture(scope="module")
def first_look():
    """Return what was on record when the numbers were fixed, as far as it bears on them."""
    studies = [study for name, study in STUDIES.items() if name.endswith(("_tuning", "_retuned"))]
    configs = {config for study in studies for config in study.configs()}
    return [run for run in read_published().values() if run.config in configs]


def planned(chapter, runs):
    """Return the seeds that a chapter's open tests need; those conclusive already need none."""
    evidence = Evidence(runs, retuned=True)
    found = judge_claims([c for c in CLAIMS.values() if c.chapter == chapter], runs)
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
def test_the_number_of_seeds_follows_from_the_first_looks_spread(first_look, chapter, study, seeds):
    assert planned(chapter, first_look) == seeds
    assert len(STUDIES[SECOND_LOOKS[study]].seeds) >= seeds


def test_what_is_looked_at_again_was_open(first_look):
    found = judge_claims([*CLAIMS.values()], first_look)
    answers = [found[claim.id].answers["as claimed"] for claim in LOOKED_AT_AGAIN]
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
        found = Evidence(runs, retuned=True, second_look=second_look).compared(arms)
        assert [list(found[arm]) for arm in arms] == [list(seeds)] * 2
    as_run = Evidence([*runs, *(made_up_run(c) for c in STUDIES["loss"].vary(seeds=30).configs())])
    assert list(as_run.of(arms[0])) == list(range(30))


def test_a_second_look_is_never_nested(first_look, made_up_run):
    nested = [made_up_run(config) for config in STUDIES["loss_nested"].configs()]
    arms = Arm("loss", "cross_entropy"), Arm("loss", "mse")
    evidence = Evidence([*first_look, *nested], second_look=True)
    assert not any(evidence.compared(arms).values())
