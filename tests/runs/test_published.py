"""The published runs: none that the protocol did not foresee."""

from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import STUDIES


def test_every_published_run_was_fixed_beforehand():
    """A run outside `studies` (the chapter on method, "Fixed beforehand") is not evidence."""
    runs = list(read_published().values())
    foreseen = {config for study in STUDIES.values() for config in study.configs(runs)}
    assert not [run.config for run in runs if run.config not in foreseen]


def test_every_published_run_was_trained_in_the_precision_of_its_config():
    for run in read_published().values():
        assert run.environment["precision"] == run.config.precision, run.config
