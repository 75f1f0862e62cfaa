"""The facts of the page on speed: what one run of `python -m benchmarks` has measured.

Ratios compare medians of one run of the benchmark, never of two files: machines differ, and one
machine differs from day to day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from fmnist_lab.config import ConfigError
from fmnist_lab.pictures.speed import OURS, number, order
from fmnist_lab.training.shapes import parameter_count

from .common import NAN, Facts

RESULTS = Path(__file__).with_name("speed.json")
ON_GPU = Path(__file__).with_name("speed_gpu.json")
SCHEMA = 1
STEPS = {  # from the slowest loop to the fastest: what is taken away, and which loops show it
    "pictures one by one → tensors one by one": ("tutorial", "tensors"),
    "tensors one by one → a slice per batch, Adam in one call": ("tensors", "expert"),
    "autograd → gradients written out": ("expert", "ours"),
    "what is left: ours → matrix products alone": ("ours", "products"),
}


def read(path: str | Path = RESULTS) -> dict[str, Any]:
    """Return the results in a file.

    Raises `ConfigError` if it is missing, damaged or of another schema.
    """
    try:
        results = json.loads(Path(path).read_text())
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read: {fault.strerror}.") from None
    except ValueError:
        results = None
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        raise ConfigError(f"{path} has no results of schema {SCHEMA}: run `python -m benchmarks`.")
    return results


def medians(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per workload and trainer, floors included.

    `seconds`: median time of an epoch (of all networks of the workload), between `fastest` and
    `slowest`; `ratio`: that over our trainer's, NaN where ours was not measured; `share`: the part
    of an epoch that was trained, from which times were scaled up;
    `peak_mb`: most memory its process held, in 10^6 bytes.
    """
    rows = []
    for workload, measured in results["workloads"].items():
        trainers = measured["trainers"]
        medians = {name: float(np.median(one["seconds"])) for name, one in trainers.items()}
        for name, one in trainers.items():
            row = {"workload": workload, "precision": "float32"}  # which older files do not say
            row |= {n: v for n, v in measured.items() if n in ("title", "seeds", "precision")}
            row |= {"trainer": name} | {key: one[key] for key in ("label", "what", "floor")}
            row |= {"fastest": min(one["seconds"]), "slowest": max(one["seconds"])}
            row |= {"seconds": medians[name], "ratio": medians[name] / medians.get(OURS, NAN)}
            row |= {"share": one["images"] / measured["images"]}
            rows.append(row | {"peak_mb": one["peak_bytes"] / 1e6})
    return pd.DataFrame(rows)


def ratio(frame: pd.DataFrame, workload: str, trainer: str, to: str = OURS) -> float:
    """Return a trainer's median time over that of `to`; NaN if either was not measured."""
    seconds = frame[frame["workload"] == workload].set_index("trainer")["seconds"]
    return float(seconds.get(trainer, NAN) / seconds.get(to, NAN))


def times(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per trainer, a column per workload: seconds per epoch (how many times ours).

    Floors come last. A star marks a time that was scaled from a share of an epoch.
    """
    texts: dict[str, dict[str, str]] = {}
    for row in frame.to_dict("records"):
        star = "*" if row["share"] < 1 else ""
        text = f"{number(row['seconds'])}{star} ({number(row['ratio'])}×)"
        texts.setdefault(row["title"], {})[row["label"]] = text
    kept = pd.DataFrame(texts).fillna("–").loc[ranked(frame), frame["title"].unique()]
    return kept.rename_axis(columns="trainer")


def gains(frame: pd.DataFrame) -> pd.DataFrame:
    """Return by what factor each step speeds up the loop: a row per step, a column per workload."""
    titles = dict(zip(frame["workload"], frame["title"], strict=True))
    return pd.DataFrame(
        {
            title: {name: number(ratio(frame, workload, *pair)) for name, pair in STEPS.items()}
            for workload, title in titles.items()
        }
    ).rename_axis(columns="times as fast")


def peers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what each trainer is, from fast to slow, floors last."""
    what = frame.drop_duplicates("label").set_index("label")[["what"]].loc[ranked(frame)]
    return what.set_axis(["how it trains"], axis=1).rename_axis(index=None, columns="trainer")


def ranked(frame: pd.DataFrame) -> list[str]:
    """Return the labels of a table's rows: trainers from fast to slow, then floors."""
    return order(frame) + list(frame[frame["floor"]]["label"].unique())


def factors(results: Mapping[str, Any]) -> Facts:
    """Return a benchmark's results with what follows for each workload and each of its trainers.

    Texts: `times`, its time as a multiple of ours, and `ours`, our time as a multiple of its.
    Numbers: `peak`, its memory in 10^6 bytes; `step`, the time of our step in microseconds.
    """
    frame = medians(results)
    seconds = frame.pivot(index="workload", columns="trainer", values="seconds")
    peak = frame.pivot(index="workload", columns="trainer", values="peak_mb")
    times = seconds.div(seconds[OURS], axis=0)
    steps = pd.Series({name: each["steps"] for name, each in results["workloads"].items()})
    return {
        **results,
        "times": times.map(number).to_dict("index"),
        "ours": (1 / times).map(number).to_dict("index"),
        "peak": peak.to_dict("index"),
        "step": dict(1e6 * seconds[OURS] / steps),
    }


def speed(results: Mapping[str, Any]) -> Facts:
    """Return the `factors` of a benchmark's results and what its sweep, imports and reading cost.

    The largest network has `million` million parameters; a stack of it takes `stack_mb` per member.
    """
    costs = results["costs"]
    imports, sweep = costs["import_seconds"], costs["sweep"]
    million = parameter_count(2, 4192) / 1e6
    return factors(results) | {
        "sweep_gain": sweep["in_turn_seconds"] / sweep["together_seconds"],
        "import_torch": median(imports["torch"]),
        "import_all": median(imports["fmnist_lab.sweeps.sweep"]) / median(imports["torch"]),
        "reading": 1000 * median(costs["read_published_seconds"]),
        "million": million,
        "stack_mb": million * costs["stack_bytes_a_parameter"],
    }
