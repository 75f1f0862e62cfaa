"""Pictures of how fast the trainer is compared with others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .style import COLORS, panels, rows

OURS = "ours"
FLOORS = {"products": "-", "adam": ":"}  # name -> line style; the others train


def order(frame: pd.DataFrame) -> list[str]:
    """Return the trainers' labels, from fast to slow, by their mean rank over their workloads."""
    trainers = frame[~frame["floor"]]
    ranks = trainers.groupby("workload")["seconds"].rank()
    return list(ranks.groupby(trainers["label"]).mean().sort_values(kind="stable").index)


def number(value: float) -> str:
    """Return a positive number to two significant digits, or whole from 10 on; NaN as a dash."""
    if np.isnan(value):
        return "–"
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def speed(frame: pd.DataFrame, *, columns: int = 2) -> list[Axes]:
    """Draw seconds per epoch by trainer on a log axis, a panel per workload; return the panels.

    `frame` is a table of `facts.benchmark.medians`. Every trainer has a circle (ours a filled
    diamond) at the median, on a line from its fastest epoch to its slowest, and a number: how many
    times our time it takes. Lines mark the floors. If nothing was measured, the picture is empty.
    """
    workloads = list(frame["workload"].unique())
    columns = max(1, min(columns, len(workloads)))
    down = max(1, -(-len(workloads) // columns))
    names = order(frame)
    height = down * (0.28 * len(names) + 1.0) + 0.6
    drawn = panels(down * columns, rows=down, height=height, sharey=True)
    for ax, workload in zip(drawn, workloads, strict=False):
        panel(frame[frame["workload"] == workload], names, ax)
    for spare in drawn[len(workloads) :]:
        spare.set_axis_off()
    figure = drawn[0].figure
    figure.get_layout_engine().set(hspace=0.07)
    marks: dict[str, Any] = {}
    for ax in drawn:
        lines, texts = ax.get_legend_handles_labels()
        marks |= dict(zip(texts, lines, strict=True))  # each once
    figure.legend(marks.values(), marks, loc="outside lower center", ncols=2, fontsize=10)
    return drawn[: len(workloads)]


def panel(measured: pd.DataFrame, names: list[str], ax: Axes) -> None:
    """Draw one workload's rows; `names` are the labels of the y axis, downwards."""
    for row in measured[~measured["floor"]].to_dict("records"):
        ours, y = row["trainer"] == OURS, names.index(row["label"])
        color = COLORS[0] if ours else COLORS[6]
        ax.plot([row["fastest"], row["slowest"]], [y, y], color=color, lw=1.2)
        mark = {"marker": "D"} if ours else {"marker": "o", "mfc": "w"}
        name = "fmnist-lab, its time" if ours else "others, times ours"
        ax.plot(row["seconds"], y, ls="none", ms=6, color=color, label=name, **mark)
        text = f"{number(row['seconds'])} s" if ours else f"{number(row['ratio'])}×"
        weight = "bold" if ours else "normal"
        ax.annotate(text, (row["slowest"], y), (6, 0), textcoords="offset points", va="center",
                    fontsize=9, weight=weight)  # fmt: skip
    for row in measured[measured["floor"]].to_dict("records"):
        style = {"color": COLORS[1], "ls": FLOORS[row["trainer"]], "lw": 1.4}
        ax.axvline(row["seconds"], label=row["label"], zorder=0, **style)
    low, high = measured["fastest"].min(), measured["slowest"].max()
    rows(ax, names)
    ax.set(xscale="log", xlim=(low / 1.4, high * (high / low) ** 0.22 * 1.4))
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 30 else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_title(measured["title"].iloc[0], fontsize=11)
    ax.set_xlabel("seconds per epoch", fontsize=10)
    ax.tick_params(labelsize=10)
