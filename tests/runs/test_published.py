"""The published runs: none that the protocol did not foresee, and each can be had again."""

import pytest

from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.training import trainer
from fmnist_lab.training.environment import processor


def test_every_published_run_was_fixed_beforehand():
    """A run outside `studies` (the chapter on method, "Fixed beforehand") is not evidence."""
    runs = list(read_published().values())
    foreseen = {config for study in STUDIES.values() for config in study.configs(runs)}
    assert not [run.config for run in runs if run.config not in foreseen]


def test_every_published_run_was_trained_in_the_precision_of_its_config():
    for run in read_published().values():
        assert run.environment["precision"] == run.config.precision, run.config


@pytest.mark.slow
@pytest.mark.endurance("Published runs are reproducible")
def test_a_published_run_trains_again_to_the_same_bits_on_the_same_kind_of_processor(
    fashion, trial
):
    """The shortest ones; another processor, or another number of threads, rounds otherwise."""
    here = f"{processor()}, 1 thread(s)"
    runs = [run for run in read_published().values() if run.environment["device"] == here]
    if not runs:
        pytest.skip(f"no published run was trained on {here}")
    chosen = sorted(runs, key=lambda run: run.seconds)[: trial.times(1, 150)]
    for run in chosen:
        *_, last = trainer.train([run.config], fashion)
        assert last.finished[0].agrees(run), run.config
    trial.found(f"{len(chosen)} of {len(runs)} runs trained on {here}: all with the same bits")
