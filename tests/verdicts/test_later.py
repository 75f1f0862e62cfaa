"""F1: settings that tuning seeds choose, and the best of three optimisers."""

import numpy as np
import pytest

from fmnist_lab.config import Config
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import F1, STUDIES
from fmnist_lab.verdicts import claims
from fmnist_lab.verdicts.rules import NAMES


@pytest.fixture
def later_runs(made_up_run):
    """Return a function that makes all runs F1 needs, with what each technique gains.

    Those that the tuning studies ask for, step by step, then those they choose.
    """

    def accuracy(config, gains):
        best = 1e-1 if config.optimizer == "sgd" else 1e-3
        strengths = {"dropout": config.dropout == 0.3, "adamw": config.weight_decay == 0.1}
        used = [config.optimizer] * (config.optimizer != "adam")
        used += ["dropout"] * (config.dropout > 0) + ["batch_norm"] * (config.batch_norm == "on")
        gained = sum(gains[name] * strengths.get(name, True) for name in used)
        luck = np.random.default_rng([config.seed, len(used)]).normal() / 2_000
        return 0.9 + gained - abs(np.log10(config.learning_rate / best)) / 50 + luck

    def make(**gains):
        runs: dict[Config, Run] = {}
        studies = ["width_tuning", "plain_1024_tuning", "width_retuned"]
        studies += [f"{name}_{width}_tuning" for width in (1024, 4192) for name in F1]
        for name in [*studies, *(f"{name}_4192_retuned" for name in F1)]:
            while new := set(STUDIES[name].configs(runs.values())) - set(runs):
                runs |= {c: made_up_run(c, accuracy=accuracy(c, gains)) for c in new}
        return list(runs.values())

    return make


GAINS = {"dropout": 0.01, "batch_norm": 0.006, "adamw": 0.0, "sgd": -0.01, "muon": 0.008}


@pytest.mark.slow
def test_what_the_report_left_for_later_is_judged_part_by_part(later_runs):
    found = claims.judge("best_model", later_runs(**GAINS))["F1"].as_claimed
    assert found
    assert [finding.verdict.name for finding in found.findings] == ["supported"] * 3
    gains = [finding.verdict.estimate for finding in found.findings]
    assert gains == pytest.approx([0.01, 0.006, 0.008], abs=0.001)
    assert found.findings[2].name == (
        "validation accuracy: the best of adamw, sgd, muon above width 4192"
    )
    assert "for 3 rivals together" in found.findings[2].verdict.why
    dropped = {config.dropout for config in found.runs}
    assert dropped == {0.0, 0.3}  # the strength that the tuning seeds chose, and no other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gains", "verdicts"),
    [
        ({"dropout": 0.0}, ["not supported", "supported", "supported"]),
        ({"batch_norm": -0.01}, ["supported", "not supported", "supported"]),
        ({"muon": 0.0}, ["supported", "supported", "not supported"]),
        ({"muon": 0.0, "sgd": 0.01}, ["supported", "supported", "supported"]),
        ({"muon": 0.0, "adamw": 0.0018}, ["supported", "supported", "supported but immaterial"]),
    ],
)
def test_each_of_its_parts_can_fail(gains, verdicts, later_runs):
    found = claims.judge("best_model", later_runs(**{**GAINS, **gains}))["F1"].as_claimed
    assert found
    assert [finding.verdict.name for finding in found.findings] == verdicts
    assert found.name == min(verdicts, key=NAMES.index)


@pytest.mark.slow
def test_it_waits_until_every_optimiser_has_run(later_runs):
    runs = [run for run in later_runs(**GAINS) if run.config.optimizer != "sgd"]
    found = claims.judge("best_model", runs)["F1"].as_claimed
    assert found
    names = [finding.verdict.name for finding in found.findings]
    assert names == ["supported", "supported", "not run yet"]
    assert found.findings[2].verdict.why.startswith("no runs yet of sgd at")
