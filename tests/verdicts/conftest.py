"""Made-up runs of the report's studies."""

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lab.runs.run import pack
from fmnist_lab.sweeps.studies import STUDIES


@pytest.fixture
def width_runs(made_up_run):
    """Return a function that makes runs of widths around mean accuracies, for some seeds."""

    def make(means, seeds=10, sd=0.0005, **config):
        return [
            made_up_run(
                replace(STUDIES["width"].base, width=width, seed=seed, **config),
                accuracy=mean + sd * float(np.random.default_rng([width, seed]).normal()),
            )
            for width, mean in means.items()
            for seed in range(seeds)
        ]

    return make


@pytest.fixture(scope="session")
def whole_book(made_up_run):
    """Two runs of every setting of every study that needs no tuning, of no interest."""
    configs = {
        replace(config, seed=seed)
        for study in STUDIES.values()
        if study.tuned_by is None
        for config in study.settings()
        for seed in (0, 1)
    }
    return [
        made_up_run(
            config,
            accuracy=0.8 + np.random.default_rng(n).random() / 50,
            step_losses=pack(np.array([1, 2, 1, 2], np.float16)),
        )
        for n, config in enumerate(sorted(configs, key=str))
    ]
