"""The published runs: none that the protocol did not foresee, and each can be repeated."""

import pytest
import torch

from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.crew import Crew, Worker
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.training import environment, trainer


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
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_published_runs_train_again_to_the_same_bits_on_the_same_kind_of_device(
    device, fashion, trial
):
    """The shortest ones; another device, or another number of threads, rounds differently."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    here = environment.name(device, threads=1)
    runs = {run.config: run for run in read_published().values()}
    runs = {config: run for config, run in runs.items() if run.environment["device"] == here}
    if not runs:
        pytest.skip(f"no published run was trained on {here}")
    jobs = Crew([Worker.here(device)]).stacks(sorted(runs, key=lambda config: config.seed))
    jobs.sort(key=lambda job: sum(runs[config].seconds for config in job))
    data, again = fashion.to(device), []
    for job in jobs[: trial.times(1, 150)]:
        again += [run for epoch in trainer.train(job, data) for run in epoch.finished]
    apart = [run.config for run in again if not run.agrees(runs[run.config])]
    assert not apart, f"{len(apart)} of {len(again)} trained again on {here} differ"
    trial.found(f"{len(again)} of {len(runs)} runs trained on {here}: all with the same bits")
