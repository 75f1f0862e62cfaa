"""What techniques gain over the plain network: tables of made-up runs."""

from dataclasses import replace

import pandas as pd
import pytest

from fmnist_lab import facts
from fmnist_lab.config import ConfigError
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps.studies import STUDIES, TECHNIQUES

NETWORK = STUDIES["regularisation"].base
LUCK = (0.0, 0.002, -0.001, 0.001, 0.0005)  # of five seeds, the same for every technique


@pytest.fixture
def frame(made_up_run):
    """The plain network, one that gains a point with every seed, and one that gains nothing."""
    own = {
        "plain": [0.0] * 5,
        "dropout 0.2": [0.01, 0.0101, 0.0099, 0.01, 0.01],
        "SGD": [0.0001, -0.0001, 0.0, 0.0001, -0.0001],
    }
    tables = []
    for name, gains in own.items():
        runs = Runs(
            made_up_run(replace(NETWORK, seed=seed), accuracy=0.88 + luck + gain)
            for seed, (luck, gain) in enumerate(zip(LUCK, gains, strict=True))
        )
        tables.append(runs.table().assign(technique=name))
    return pd.concat(tables)


def test_gains_are_differences_from_the_plain_network_at_the_same_seed(frame):
    found = facts.gains(frame)
    assert list(found.index) == ["dropout 0.2", "SGD"]
    assert found["differences"]["dropout 0.2"] == pytest.approx([1, 1.01, 0.99, 1, 1])
    assert found["mean"].to_list() == pytest.approx([1, 0], abs=1e-9)
    assert found["verdict"].to_list() == ["✔︎ supported", "✘︎ not supported"]


def test_the_more_techniques_are_tried_the_more_a_gain_must_show(frame, made_up_run):
    """A gain that is just significant alone is not, among twenty."""
    gains = [0.0, 0.002, 0.0035, 0.001, 0.0025]
    others = []
    for n in range(20):
        runs = Runs(
            made_up_run(replace(NETWORK, seed=seed), accuracy=0.88 + LUCK[seed] + gain)
            for seed, gain in enumerate(gains[n % 5 :] + gains[: n % 5])
        )
        others.append(runs.table().assign(technique=f"another {n}"))
    plain = frame[frame["technique"] == "plain"]
    alone = facts.gains(pd.concat([plain, others[0]]))["verdict"].iloc[0]
    together = facts.gains(pd.concat([plain, *others]))["verdict"].iloc[0]
    assert alone == "✓ supported but size open"
    assert together == "? inconclusive"


def test_a_seed_that_only_one_side_has_is_left_out(frame):
    fewer = frame[(frame["technique"] != "SGD") | (frame["seed"] < 3)]
    assert facts.gains(fewer)["seeds"].to_dict() == {"dropout 0.2": 5, "SGD": 3}


def test_a_technique_without_a_study_is_named_in_a_sentence():
    with pytest.raises(ConfigError, match=r"^there is no study 'dropuot_1024_retuned': did you "):
        facts.techniques(["plain", "dropuot"])


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_technique_is_named_in_short_with_its_strength_where_it_has_several(
    name, monkeypatch, made_up_run
):
    study = STUDIES[f"{name}_1024_tuning"]
    runs = [made_up_run(setting, accuracy=0.88) for setting in study.product]
    monkeypatch.setattr(type(study), "recorded", lambda self: Runs(runs))
    found = set(facts.techniques([name], "tuning")["technique"])
    assert len(found) == len(study.values)
    assert all(label.startswith(TECHNIQUES[name]["short"]) for label in found)
