"""What another device or precision changes: runs compared with the same runs trained on it.

`python -m benchmarks.again` trains published runs on another device and stores what they reach in
`RESULTS`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fmnist_lab.config import Config
from fmnist_lab.pictures import label
from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.verdicts import equivalence, mean_interval
from fmnist_lab.verdicts.statistics import ALPHA, MATERIAL, holm

from .common import Facts, joined

RESULTS = Path(__file__).with_name("again.json")


def compared(
    names: list[str], pairs: Sequence[pd.DataFrame], confidence: float, corner: str
) -> pd.DataFrame:
    """Return what a change of device or precision does, in points of accuracy, a row per setting.

    pairs: for each setting, accuracies (fractions) with and without the change, a row per seed.
    Returned, seed by seed: the `differences`, their `mean` with its interval, `low` to `high`, and
    `p`, that of equivalence within `MATERIAL` after Holm's correction (`verdicts.equivalence`);
    their standard deviation `sd`, and that of the accuracies without the change, `sd of seeds`,
    which is what another seed changes. `corner` is the heading above the settings' names.
    """
    differences = [100 * (pair.iloc[:, 0] - pair.iloc[:, 1]) for pair in pairs]
    effects = [mean_interval(each, confidence) for each in differences]
    columns: dict[str, Any] = {
        "seeds": [effect.n for effect in effects],
        "mean": [effect.estimate for effect in effects],
        "low": [effect.low for effect in effects],
        "high": [effect.high for effect in effects],
        "p": holm([equivalence(effect, 100 * MATERIAL) for effect in effects]),
        "sd": [each.std() for each in differences],
        "sd of seeds": [100 * pair.iloc[:, 1].std() for pair in pairs],
        "differences": [list(each) for each in differences],
    }
    return pd.DataFrame(columns, names).rename_axis(columns=corner)


def in_points(found: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `compared` as a page shows it, with p as verdicts write it."""
    shown = found[["seeds", "mean", "low", "high"]].round(3)
    p = [f"{p:.2g}" if p >= 0.0001 else "< 0.0001" for p in found["p"]]
    return shown.rename(columns={"mean": "mean (points)"}).assign(p=p)


def precision() -> pd.DataFrame:
    """Return what products in bfloat16 change, a row per network, with 90 % intervals."""
    names, pairs = [], []
    for each in (each for each in STUDIES.values() if each.swept == "precision"):
        frame = each.recorded().table()
        accuracy = frame.pivot(index="seed", columns="precision", values="validation_accuracy")
        names.append(setting(each.base))
        pairs.append(accuracy[["bfloat16", "float32"]].dropna())
    return compared(names, pairs, 0.9, "network")


def config(entry: Mapping[str, Any]) -> Config:
    """Return the config of a run that was trained again."""
    return Config(**entry["config"])


def again(path: Path = RESULTS) -> pd.DataFrame:
    """Return what a device changes, a row per setting on a device, with 95 % intervals."""
    published = {run.config: run for run in read_published().values()}
    groups: dict[tuple[str, Config], list[tuple[float | None, ...]]] = {}
    for entry in json.loads(path.read_text()):
        run = published.get(config(entry))
        if run is None or run.environment["device"] == entry["device"]:
            continue  # it may have been published anew since, from that very device
        both = entry["best"]["validation_accuracy"], run.best["validation_accuracy"]
        groups.setdefault((entry["device"], replace(run.config, seed=0)), []).append(both)
    groups = dict(sorted(groups.items(), key=in_order))
    pairs = [pd.DataFrame(both, columns=["again", "published"], dtype=float)
             for both in groups.values()]  # fmt: skip
    found = compared([setting(one) for _, one in groups], pairs, 0.95, "setting")
    return found.assign(device=[device for device, _ in groups])


def in_order(group: tuple[tuple[str, Config], object]) -> tuple[object, ...]:
    """Return what groups are sorted by: device, then network, loss, rate and precision."""
    (device, one), _ = group
    return device, one.depth, one.width, one.loss, one.learning_rate, one.precision


def device_facts(found: pd.DataFrame) -> Facts:
    """Return what the chapter on method says about the table that `again` returns."""
    return {
        "again_runs": int(found["seeds"].sum()),
        "again_settings": len(found),
        "again_on": joined(sorted(set(found["device"]))),
        "again_alike": int((found["p"] < ALPHA).sum()),
        "again_apart": int(((found["low"] > 0) | (found["high"] < 0)).sum()),
    }


def setting(config: Config) -> str:
    """Return a setting in words: network, rate, and any unusual loss or precision."""
    size = f"{config.depth} × {config.width:,}" if config.depth else "softmax regression"
    words = [size, label(config.learning_rate)]
    usual = Config()
    words += [label(config.loss)] * (config.loss != usual.loss)
    return ", ".join(words + [config.precision] * (config.precision != usual.precision))
