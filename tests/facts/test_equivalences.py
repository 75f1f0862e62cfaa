"""What another device changes: runs trained again, compared with what is published."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks import again
from fmnist_lab.config import Config
from fmnist_lab.facts import equivalences
from fmnist_lab.runs import records
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.study import Study
from fmnist_lab.training import trainer

TINY = Config(width=8, batch_size=50, train_size=100, epochs=1)
ELSEWHERE = {"device": "another, 1 thread(s)", "commit": None, "torch": "2", "finished": "then"}


@pytest.fixture
def publish(published, made_up_run):
    """Return a function that publishes made-up runs of the tiny setting, trained elsewhere."""

    def publish(accuracies, **environment) -> None:
        runs = [
            made_up_run(
                replace(TINY, seed=n), accuracy=a, epochs=1, environment=ELSEWHERE | environment
            )
            for n, a in enumerate(accuracies)
        ]
        records.write_lines(published / "tiny.jsonl", runs)
        (published / records.SUMS).write_text(records.sums(published))
        records.read_published.cache_clear()

    return publish


@pytest.fixture
def kept(tmp_path, made_up_run):
    """Return a function that writes what runs reached on a device, and its path."""

    def kept(accuracies, device="GPU") -> Any:
        path = tmp_path / "again.json"
        made = ELSEWHERE | {"device": device}
        again.write(
            [
                again.entry(made_up_run(replace(TINY, seed=n), accuracy=a, environment=made))
                for n, a in enumerate(accuracies)
            ],
            path,
        )
        return path

    return kept


def test_a_setting_is_compared_seed_by_seed(publish, kept):
    publish([0.50, 0.52, 0.54])
    table = equivalences.again(kept([0.501, 0.519, 0.541]))
    row = table.loc["1 × 8, 2.05e-4"]
    differences = np.array([0.1, -0.1, 0.1])
    assert (row["device"], row["seeds"]) == ("GPU", 3)
    assert row["differences"] == pytest.approx(list(differences))
    assert (row["mean"], row["sd"]) == pytest.approx((differences.mean(), differences.std(ddof=1)))
    assert row["sd of seeds"] == pytest.approx(2.0)
    half = stats.t.ppf(0.975, 2) * stats.sem(differences)
    assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half))
    expected = stats.ttest_1samp(differences, 0.3, alternative="less").pvalue
    assert row["p"] == pytest.approx(expected)
    said = equivalences.device_facts(table)
    assert (said["again_runs"], said["again_settings"], said["again_apart"]) == (3, 1, 0)
    assert said["again_alike"] == (expected < 0.05)


@pytest.mark.parametrize(
    ("p", "told"), [(1.0, "1"), (0.0456, "0.046"), (0.0001, "0.0001"), (0.00009, "< 0.0001")]
)
def test_no_p_is_rounded_to_nothing(publish, kept, p, told):
    publish([0.50, 0.52])
    found = equivalences.again(kept([0.501, 0.519])).assign(p=p)
    (row,) = equivalences.in_points(found).to_dict("records")
    assert (row["p"], row["seeds"], row["mean (points)"]) == (told, 2, 0.0)


def test_what_the_same_device_trained_or_nobody_published_is_not_compared(publish, kept):
    assert equivalences.again(kept([0.6, 0.6])).empty
    publish([0.5, 0.5], device="GPU")
    assert equivalences.again(kept([0.6, 0.6])).empty


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--device", "gpu"], "device is 'gpu'; this machine allows auto, cpu"),
        (["--to", "damaged"], "damaged has no results to add to: "),
        (["--to", "foreign"], "foreign has no results to add to: "),
        (["--to", "."], ". has no results to add to: "),
    ],
)
def test_bad_input_is_told_in_a_sentence(given, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").write_text('[{"config":')
    (tmp_path / "foreign").write_text('[{"configs": 1}, 2]')
    with pytest.raises(SystemExit, match="2"):
        again.main(["loss", *given])
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_trains_what_another_device_has_published_once(publish, tmp_path, monkeypatch):
    seeds = Study("tiny", "?", "", TINY, {"width": (8,)}, seeds=(0, 1))
    monkeypatch.setattr(again, "STUDIES", {"tiny": seeds})
    path = tmp_path / "new.json"
    command = ["tiny", "--device", "cpu", "--to", str(path)]
    publish([0.5, 0.5])
    again.main(command)
    once = json.loads(path.read_text())
    assert sorted(entry["config"]["seed"] for entry in once) == [0, 1]
    assert {entry["epochs"] for entry in once} == {1}
    assert equivalences.again(path)["seeds"].tolist() == [2]
    monkeypatch.setattr(trainer, "train", None)  # nothing is left to train
    again.main(command)
    assert json.loads(path.read_text()) == once
    (here,) = {entry["device"] for entry in once}
    publish([0.5, 0.5], device=here)
    again.main([*command[:-1], str(tmp_path / "none.json")])
    assert not (tmp_path / "none.json").exists()


def test_precision_is_judged_by_two_one_sided_tests_of_paired_seeds(made_up_run, home, published):
    compared = [study for name, study in STUDIES.items() if name.startswith("precision_")]
    for study in compared:
        for config in study.configs():
            shift = 0.001 * (config.precision == "bfloat16") * (-1) ** config.seed
            records.save(made_up_run(config, accuracy=0.88 + 0.001 * config.seed + shift))
    found = equivalences.precision().loc["2 × 512, 2.05e-4"]
    assert (found["seeds"], found["mean"]) == (10, pytest.approx(0))
    differences = np.array([0.1, -0.1] * 5)
    assert found["differences"] == pytest.approx(list(differences))
    assert found["high"] == pytest.approx(stats.t.ppf(0.95, 9) * stats.sem(differences))
    expected = stats.ttest_1samp(differences, -0.3, alternative="greater").pvalue
    assert found["p"] == pytest.approx(len(compared) * expected)  # Holm: all alike
