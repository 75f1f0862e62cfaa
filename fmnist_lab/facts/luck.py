"""Which of a seed's streams its luck comes from, by the runs of the study that crosses them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from scipy import stats

from fmnist_lab.config import TRAIN_SIZE, VALIDATION_SIZE
from fmnist_lab.pictures.method import PARTS
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.verdicts.luck import variance_components
from fmnist_lab.verdicts.statistics import CONFIDENCE

from .common import Facts

STREAMS = {"split": "seed", "initial weights": "weights_seed", "order": "order_seed"}
SEEDS = 10  # of an interval, like most in the book


def parts_of_luck() -> dict[str, pd.DataFrame]:
    """Return `variance_components` of an accuracy in points, by the images it is measured on.

    Everything is NaN while a run of the study is missing.
    """
    study = STUDIES["streams"]
    levels = [study.seeds, *study.grid.values()]
    frame = study.recorded().table().set_index([*STREAMS.values()])[[*PARTS]]
    frame = 100 * frame.reindex(pd.MultiIndex.from_product(levels))
    shape = [len(level) for level in levels]
    return {
        name: variance_components(frame[metric].to_numpy().reshape(shape), [*STREAMS])
        for metric, name in PARTS.items()
    }


def streams(found: Mapping[str, pd.DataFrame]) -> Facts:
    """Return each stream's share of the validation accuracy's luck, and what follows for intervals.

    `here`, `elsewhere` and `all_shared` are half the 95 % interval of a mean over ten seeds, in
    points: for these images; for others, where all seeds share the split's part; and for others if
    they shared all parts, as Nadeau & Bengio 2003 must assume without knowing the parts.
    """
    study, parts = STUDIES["streams"], found["validation images"]
    variance, split = parts["variance"].sum(), parts["variance"]["split"]
    ratio = VALIDATION_SIZE / TRAIN_SIZE
    t = stats.t.ppf((1 + CONFIDENCE) / 2, SEEDS - 1)
    shares = {
        name: f"{100 * row['share']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f} %)"
        for name, row in parts.iterrows()
    }
    return {
        "crossed": len(study.recorded()),
        "to_cross": len(study.configs()),
        **{str(name).replace(" ", "_"): text for name, text in shares.items()},
        "together": 100 * parts["share"].drop([*STREAMS]).sum(),
        "here": t * (variance / SEEDS) ** 0.5,
        "elsewhere": t * (variance / SEEDS + ratio * split) ** 0.5,
        "all_shared": t * (variance * (1 / SEEDS + ratio)) ** 0.5,
    }
