"""How fast the trainer is beside others: reads what `python -m benchmarks` has measured.

Ratios are of medians of one run of the benchmark, never between two files: machines differ, and
one machine differs from day to day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from fmnist_lab.config import ConfigError

from .style import COLORS, panels

RESULTS = Path(__file__).with_name("speed.json")
ON_GPU = Path(__file__).with_name("speed_gpu.json")
SCHEMA = 1
OURS = "ours"
FLOORS = {"products": "-", "adam": ":"}  # trainer -> line style; the only ones that are no trainers
COLUMNS = (
    "workload", "title", "seeds", "precision", "trainer", "label", "what", "floor", "repeats",
    "seconds", "fastest", "slowest", "ratio", "share", "cores", "peak_mb",
)  # fmt: skip


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
        raise ConfigError(f"{path} holds no results of schema {SCHEMA}: `python -m benchmarks`.")
    return results


def table(results: dict[str, Any]) -> pd.DataFrame:
    """Return a row a workload and trainer, floors included.

    `seconds`: median time of an epoch (of all networks of the workload), between `fastest` and
    `slowest`; `ratio`: that over our trainer's, NaN where ours was not measured; `share`: the part
    of an epoch that was trained, to which times were scaled; `cores`: processor time over time;
    `peak_mb`: most memory its process held, in 10^6 bytes.
    """
    rows = []
    for workload, measured in results["workloads"].items():
        trainers = measured["trainers"]
        medians = {name: float(np.median(one["seconds"])) for name, one in trainers.items()}
        for name, one in trainers.items():
            rows.append(
                {
                    "workload": workload,
                    "title": measured["title"],
                    "seeds": measured["seeds"],
                    "precision": measured.get("precision", "float32"),  # absent from older files
                    "trainer": name,
                    "label": one["label"],
                    "what": one["what"],
                    "floor": one["floor"],
                    "repeats": len(one["seconds"]),
                    "seconds": medians[name],
                    "fastest": min(one["seconds"]),
                    "slowest": max(one["seconds"]),
                    "ratio": medians[name] / medians.get(OURS, float("nan")),
                    "share": one["images"] / measured["images"],
                    "cores": float(np.median(one["cpu_seconds"])) / medians[name],
                    "peak_mb": one["peak_bytes"] / 1e6,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def ratio(frame: pd.DataFrame, workload: str, trainer: str, to: str = OURS) -> float:
    """Return a trainer's median time over that of `to`; NaN if either was not measured."""
    seconds = frame[frame["workload"] == workload].set_index("trainer")["seconds"]
    return float(seconds.get(trainer, float("nan")) / seconds.get(to, float("nan")))


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a trainer, a column a workload: seconds an epoch (how many times ours).

    Floors come last. A star marks a time that was scaled from a share of an epoch.
    """
    texts: dict[str, dict[str, str]] = {}
    for row in frame.to_dict("records"):
        star = "*" if row["share"] < 1 else ""
        text = f"{number(row['seconds'])}{star} ({number(row['ratio'])}×)"
        texts.setdefault(row["title"], {})[row["label"]] = text
    kept = pd.DataFrame(texts).fillna("–")
    ordered = kept.loc[order(frame) + labels(frame[frame["floor"]]), frame["title"].unique()]
    return ordered.rename_axis(columns="trainer")


def gains(frame: pd.DataFrame, pairs: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return how many times as fast as the first of a pair of trainers the second is.

    A row a pair, under its name; a column a workload.
    """
    titles = dict(zip(frame["workload"], frame["title"], strict=True))
    return pd.DataFrame(
        {
            title: {name: number(ratio(frame, workload, *pair)) for name, pair in pairs.items()}
            for workload, title in titles.items()
        }
    ).rename_axis(columns="times as fast")


def peers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what each trainer is, from fast to slow, floors last."""
    unique = frame.drop_duplicates("label").set_index("label")
    unique = unique.loc[order(frame) + labels(frame[frame["floor"]])]
    named = unique[["what"]].rename(columns={"what": "how it trains"})
    return named.rename_axis(None).rename_axis(columns="trainer")


def order(frame: pd.DataFrame) -> list[str]:
    """Return the labels of the trainers, from fast to slow: by the mean rank in their workloads."""
    trainers = frame[~frame["floor"]]
    ranks = trainers.groupby("workload")["seconds"].rank()
    return list(ranks.groupby(trainers["label"]).mean().sort_values(kind="stable").index)


def labels(frame: pd.DataFrame) -> list[str]:
    """Return the labels of a table's rows, each once."""
    return list(frame["label"].unique())


def number(value: float) -> str:
    """Return a positive number to two significant digits, or whole from 10 on; NaN as a dash."""
    if np.isnan(value):
        return "–"
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def picture(frame: pd.DataFrame, *, columns: int = 2) -> list[Axes]:
    """Draw seconds an epoch by trainer on a log axis, a panel a workload; return the panels.

    Every trainer has a circle, ours a filled diamond, at the median, on a line from its fastest
    epoch to its slowest, and how many times our time it takes; lines mark the floors. Nothing
    measured is an empty picture.
    """
    workloads = list(frame["workload"].unique())
    columns = max(1, min(columns, len(workloads)))
    rows = max(1, -(-len(workloads) // columns))
    names = order(frame)
    height = rows * (0.28 * len(names) + 1.0) + 0.6
    drawn = panels(rows * columns, rows=rows, height=height, sharey=True)
    for ax, workload in zip(drawn, workloads, strict=False):
        panel(frame[frame["workload"] == workload], names, ax)
    for spare in drawn[len(workloads) :]:
        spare.set_axis_off()
    figure = drawn[0].figure
    figure.get_layout_engine().set(hspace=0.07)
    figure.legend(
        handles=legend(frame), loc="outside lower center", ncols=2, frameon=False, fontsize=10
    )
    return drawn[: len(workloads)]


def panel(rows: pd.DataFrame, names: list[str], ax: Axes) -> None:
    """Draw one workload's rows; `names` are the labels of the y axis, downwards."""
    for row in rows[~rows["floor"]].to_dict("records"):
        ours, y = row["trainer"] == OURS, names.index(row["label"])
        color = COLORS[0] if ours else COLORS[6]
        ax.plot([row["fastest"], row["slowest"]], [y, y], color=color, lw=1.2)
        ax.plot(
            row["seconds"], y, "D" if ours else "o", ms=6, color=color, mfc=color if ours else "w"
        )
        text = f"{number(row['seconds'])} s" if ours else f"{number(row['ratio'])}×"
        weight = "bold" if ours else "normal"
        ax.annotate(text, (row["slowest"], y), (6, 0), textcoords="offset points", va="center",
                    fontsize=9, weight=weight)  # fmt: skip
    for row in rows[rows["floor"]].to_dict("records"):
        ax.axvline(row["seconds"], color=COLORS[1], ls=FLOORS[row["trainer"]], lw=1.4, zorder=0)
    low, high = rows["fastest"].min(), rows["slowest"].max()
    ax.set(
        xscale="log",
        xlim=(low / 1.4, high * (high / low) ** 0.22 * 1.4),
        ylim=(len(names) - 0.4, -0.6),
    )
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 30 else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(len(names)), names)
    ax.set_title(rows["title"].iloc[0], fontsize=11)
    ax.set_xlabel("seconds an epoch", fontsize=10)
    ax.tick_params(labelsize=10)


def legend(frame: pd.DataFrame) -> list[Line2D]:
    """Return the legend's entries."""
    floors = frame[frame["floor"]].drop_duplicates("trainer")
    marks = [
        Line2D([], [], color=COLORS[0], marker="D", ls="none", label="fmnist-lab, its time"),
        Line2D([], [], color=COLORS[6], marker="o", mfc="w", ls="none", label="others, times ours"),
    ]
    return marks + [
        Line2D([], [], color=COLORS[1], ls=FLOORS[row["trainer"]], label=row["label"])
        for row in floors.to_dict("records")
    ]
