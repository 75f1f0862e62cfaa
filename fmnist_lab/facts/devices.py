"""What another device changes: published runs beside the same runs trained on it.

`python -m benchmarks.again` trains them and keeps what they reach in `RESULTS`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fmnist_lab.config import Config
from fmnist_lab.pictures import label
from fmnist_lab.runs.records import read_published
from fmnist_lab.verdicts import equivalence, mean_interval
from fmnist_lab.verdicts.statistics import ALPHA, MATERIAL, holm

from .common import Facts
from .common import devices as named

RESULTS = Path(__file__).with_name("again.json")
COLUMNS = [
    "device", "setting", "seeds", "mean", "low", "high", "p", "sd", "sd of seeds", "differences",
]  # fmt: skip


def config(entry: Mapping[str, Any]) -> Config:
    """Return the config of a run that was trained again."""
    return Config(**entry["config"])


def again(path: Path = RESULTS) -> pd.DataFrame:
    """Return what a device changes, in points of validation accuracy, a row a setting on a device.

    Seed by seed: the `differences` from what is published, their `mean` with its 95 % interval,
    `low` to `high`, and `p`, that of equivalence within `MATERIAL` after Holm's correction
    (`verdicts.equivalence`); their standard deviation `sd` and that of the published runs'
    accuracies, `sd of seeds`, which is what another seed changes.
    """
    published = {run.config: run for run in read_published().values()}
    groups: dict[tuple[str, Config], list[tuple[float | None, ...]]] = {}
    for entry in json.loads(path.read_text()):
        run = published.get(config(entry))
        if run is None or run.environment["device"] == entry["device"]:
            continue  # it may have been published anew since, from that very device
        both = entry["best"]["validation_accuracy"], run.best["validation_accuracy"]
        groups.setdefault((entry["device"], replace(run.config, seed=0)), []).append(both)
    rows = []
    for (device, one), pairs in sorted(groups.items(), key=in_order):
        frame = 100 * pd.DataFrame(pairs, columns=["again", "published"], dtype=float)
        differences = frame["again"] - frame["published"]
        effect = mean_interval(differences)
        rows.append(
            {
                "device": device,
                "setting": setting(one),
                "seeds": effect.n,
                "mean": effect.estimate,
                "low": effect.low,
                "high": effect.high,
                "p": equivalence(effect, 100 * MATERIAL),
                "sd": differences.std(),
                "sd of seeds": frame["published"].std(),
                "differences": list(differences),
            }
        )
    found = pd.DataFrame(rows, columns=COLUMNS).set_index("setting")
    found = found.assign(p=holm(found["p"]))
    return found.rename_axis(None).rename_axis(columns="setting")


def in_order(group: tuple[tuple[str, Config], object]) -> tuple[object, ...]:
    """Return what groups are sorted by: device, then network, loss, rate and precision."""
    (device, one), _ = group
    return device, one.depth, one.width, one.loss, one.learning_rate, one.precision


def told(found: pd.DataFrame) -> Facts:
    """Return what the chapter on method says of the table that `again` returns."""
    return {
        "again_runs": int(found["seeds"].sum()),
        "again_settings": len(found),
        "again_on": named(found["device"]),
        "again_alike": int((found["p"] < ALPHA).sum()),
        "again_apart": int(((found["low"] > 0) | (found["high"] < 0)).sum()),
    }


def setting(config: Config) -> str:
    """Return a setting in words: network, rate, and loss and precision where they are others."""
    words = [f"{config.depth} × {config.width:,}", label(config.learning_rate)]
    usual = Config()
    words += [label(config.loss)] * (config.loss != usual.loss)
    return ", ".join(words + [config.precision] * (config.precision != usual.precision))
