"""Settings side by side: where each ended, as dots or along an axis."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fmnist_lab.runs.run import Run
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps.studies import study
from fmnist_lab.verdicts.measures import curve, jolt
from fmnist_lab.verdicts.statistics import mean_interval, prediction_interval

from . import style
from .style import BACKDROP, COLORS, NAMES, label


def dots(
    frame: pd.DataFrame,
    *,
    by: str,
    metric: str = "validation_accuracy",
    backdrop: pd.DataFrame | None = None,
    best: Mapping[str, Collection[Any]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every run as a dot, and each setting's mean with its 95 % interval.

    Settings are side by side in the frame's order, numbers rising; one with fewer than `FEWEST`
    seeds has no interval. `backdrop` runs are drawn in grey. `best`: the settings that a claim of
    the report calls best, by its id; a band marks them.
    """
    ax = style.axes(ax)
    parts = [(frame, COLORS[0], 3)]
    if backdrop is not None and len(backdrop):
        parts.insert(0, (backdrop, BACKDROP, 1))
    values = style.in_order(pd.concat([part[by] for part, _, _ in parts]))
    place = {value: n for n, value in enumerate(values)}
    scale = 100 if metric == "gap" or metric.endswith("accuracy") else 1
    for part, color, order in parts:
        for value, group in part.groupby(by, sort=False):
            heights = scale * group[metric].dropna().to_numpy()
            x = place[value]
            spread = np.linspace(-0.12, 0.12, len(heights)) if len(heights) > 1 else [0.0]
            ax.plot(x + np.array(spread), heights, "o", ms=5, mfc="none", color=color, zorder=order)
            if len(heights) >= style.FEWEST:
                found = mean_interval(heights)
                ends = found.low, found.estimate, found.high
                mark: dict[str, Any] = {"fmt": "D", "ms": 5, "capsize": 6, "color": color}
                style.interval(ax, x + 0.25, ends, zorder=order + 1, **mark)
    for claim, settings in (best or {}).items():
        name = f"best, says {claim}"
        for n in (place[value] for value in values if value in settings):
            ax.axvspan(n - 0.45, n + 0.45, color=style.SAID, zorder=0, label=name)
            name = "_"  # one entry for all
    style.legend(ax)
    ax.set_xticks(range(len(values)), [label(value) for value in values])
    ax.set(xlabel=NAMES.get(by, by), xlim=(-0.5, max(1, len(values)) - 0.5))
    ax.set_ylabel(NAMES.get(metric, metric))
    if metric.endswith("accuracy"):
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
    return ax


def along(
    frame: pd.DataFrame,
    *,
    by: str,
    metric: str = "validation_accuracy",
    backdrop: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every run at its value of `by` on a logarithmic axis, and a line through the means.

    The axis is linear if a value is 0, which a logarithmic axis cannot show.
    A run's marker says how it ended (`ENDS`): one that hit the cap on epochs was still improving.
    `backdrop` runs are drawn in grey.
    """
    ax = style.axes(ax)
    for part, color, order in ((backdrop, BACKDROP, 1), (frame, COLORS[0], 3)):
        if part is None or part.empty:
            continue
        means = part.groupby(by)[metric].mean()
        ax.plot(means.index, means, color=color, lw=1.2, zorder=order)
        for end, (marker, name) in style.ENDS.items():
            there = part[part["stopped_by"] == end]
            if len(there):
                mark = {"ls": "none", "mfc": "none", "ms": 7, "color": color, "zorder": order}
                entry = name if order == 3 else None
                ax.plot(there[by], there[metric], marker=marker, label=entry, **mark)
    shown = [part[by] for part in (frame, backdrop) if part is not None and len(part)]
    scale = "log" if all((values > 0).all() for values in shown) else "linear"
    ax.set(xscale=scale, xlabel=NAMES.get(by, by), ylabel=NAMES.get(metric, metric))
    if metric.endswith("accuracy"):
        style.percent(ax.yaxis)
    if by == "learning_rate":
        ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: label(rate)))
    style.legend(ax)
    return ax


def rates(frame: pd.DataFrame, *, by: str, ax: Axes | None = None) -> Axes:
    """Draw accuracy against learning rate, a line per value of `by`.

    `frame` has a row per run. A point is the mean over seeds; its bar reaches from the lowest seed
    to the highest.
    """
    ax = style.axes(ax)
    return style.name_lines(ax, by, rate_lines(frame, by, ax))


def rate_lines(frame: pd.DataFrame, by: str, ax: Axes) -> list[int]:
    """Draw accuracy against learning rate; return how many seeds each value of `by` has."""
    counts, values = [], style.in_order(frame[by])
    for value, look in style.looks(by, values).items():
        seeds = frame[frame[by] == value].groupby("learning_rate")["validation_accuracy"]
        if value in values:
            counts.append(int(seeds.count().max()))
            ends = seeds.min(), seeds.mean(), seeds.max()
            style.interval(ax, ends[0].index, ends, label=label(value), capsize=3, **look)
    ax.set(xscale="log", xlabel=NAMES["learning_rate"], ylabel=NAMES["validation_accuracy"])
    style.percent(ax.yaxis)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: label(rate)))
    return counts


def at_own_rates(name: str) -> list[Axes]:
    """Draw how much a study's comparison depends on its one learning rate, from published runs.

    Left: accuracy against the rate, a line per setting, with its chosen rate ringed and the study's
    rate dashed. Right, with the settings and their rates named: the means at the study's rate,
    hollow, and at the chosen ones, with 95 % intervals. What lies below the lowest mean is cut off;
    softmax regression, far below, is left out.
    """
    first, tuned = study(name), study(f"{name}_retuned")
    assert tuned.tuned_by is not None
    left, right = style.panels(2, width=8.2, sharey=True)
    frame = tuned.tuned_by.recorded().table()
    frame = frame[frame["depth"] > 0]
    rate_lines(frame, first.swept, left)
    chosen = tuned.tuned_by.chosen_rates()
    values = [value for value in first.values if value != 0]
    look_of = style.looks(first.swept, values)
    for value in values:
        rate = chosen.get(value)
        there = frame[(frame[first.swept] == value) & (frame["learning_rate"] == rate)]
        ring = {"ls": "none", "mfc": "none", "ms": 13, "mew": 2, "zorder": 5}
        if rate:
            left.plot(rate, there["validation_accuracy"].mean(), **look_of[value] | ring)
    left.axvline(first.base.learning_rate, color="#767676", ls="--", lw=1, zorder=0)
    means = []
    parts = {f"at {label(first.base.learning_rate)}": (first, "none"), "at its own": (tuned, None)}
    for n, (said, (part, fill)) in enumerate(parts.items()):
        for value, runs in style.grouped(part.recorded(), first.swept).items():
            if value in values:
                found = mean_interval([run.best["validation_accuracy"] or 0.0 for run in runs])
                low, high = (found.low, found.high) if found.n >= style.FEWEST else (np.inf, np.inf)
                mark = look_of[value] | {"ls": "none", "ms": 7, "capsize": 4, "mfc": fill}
                where = values.index(value) + 0.24 * n - 0.12
                style.interval(right, where, (low, found.estimate, high), **mark)
                means.append(found.estimate)
        right.plot([], [], "o", color="#595959", mfc=fill, label=said)
    names = [f"{label(v)}: {label(chosen[v])}" if v in chosen else label(v) for v in values]
    right.set_xticks(range(len(values)), names, rotation=35, ha="right", rotation_mode="anchor")
    right.set(xlabel=f"{NAMES[first.swept]}: its own rate", xlim=(-0.5, len(values) - 0.5))
    if means:
        left.set_ylim(min(means) - 0.01, max(means) + 0.01)
    style.legend(right)
    return [left, right]


def roughness(
    runs: Iterable[Run], *, by: str, backdrop: Iterable[Run] = (), ax: Axes | None = None
) -> Axes:
    """Draw the roughness of each run's validation loss (`measures.jolt`), both axes logarithmic.

    A run's mark says how it ended; a line goes through the means for each value of `by`. A run of
    fewer than three epochs has no roughness.
    """
    tables = []
    for part in (Runs(runs), Runs(backdrop)):
        rough = [jolt(curve(run, "validation_loss")) for run in part]
        frame = part.table().assign(roughness=pd.Series(rough, dtype=float))
        tables.append(frame[frame["roughness"] > 0])  # a logarithmic axis needs that
    ax = along(tables[0], by=by, metric="roughness", backdrop=tables[1], ax=ax)
    values = sorted({value for part in tables for value in part[by]})
    ax.set_xticks(values, [label(value) for value in values])
    ax.set(yscale="log" if values else "linear", ylabel="roughness of the validation loss")
    return ax


def reported(ax: Axes, accuracies: Sequence[float]) -> Axes:
    """Mark accuracies (fractions) that the report prints by dashed lines, named once."""
    for accuracy in accuracies:
        ax.axhline(accuracy, color="#595959", ls="--", lw=0.8)
    said = " and ".join(f"{100 * accuracy:.1f}" for accuracy in sorted(accuracies))
    ax.annotate(f"the report: {said} %", (1, max(accuracies)), xycoords=ax.get_yaxis_transform(),
                xytext=(0, 3), textcoords="offset points", ha="right", fontsize=9,
                color="#595959").set_in_layout(False)  # fmt: skip
    return ax


def beside_printed(
    measured: Mapping[str, Sequence[float]],
    printed: Mapping[str, Sequence[float]],
    ax: Axes | None = None,
    *,
    centred: bool = False,
) -> Axes:
    """Draw runs beside the figures that a report prints, a row per measure; all are fractions.

    A circle is a run, the bar is where 95 % of single runs would fall (`FEWEST` runs or more), a
    diamond is a printed figure. If `centred`, all are drawn in points from the runs' mean.
    """
    height = 0.8 + (0.45 if centred else 0.75) * len(measured)
    ax = style.axes(ax, width=style.PAGE, height=height)
    for row, (name, values) in enumerate(measured.items()):
        middle = 100 * np.mean(values) if centred else 0.0
        runs = 100 * np.asarray(values, float) - middle
        if len(runs) >= style.FEWEST:
            span = prediction_interval(runs)
            mark = {"fmt": "|", "ms": 12, "color": COLORS[0], "capsize": 6, "zorder": 2}
            style.interval(ax, row, (span.low, span.estimate, span.high), across=True, **mark)
        ax.plot(runs, np.full(len(runs), row), "o", mfc="none", color=COLORS[0], ms=6, zorder=3)
        for n, figure in enumerate(sorted(printed.get(name, ()))):
            place = 100 * figure - middle, row - 0.28
            ax.plot(*place, "D", color=COLORS[1], ms=6, zorder=3)
            side = -1 if n == 0 else 1  # the lowest on the left, so that two do not overlap
            text = {"ha": ("left", "right")[n == 0], "va": "center", "fontsize": 9}
            offset = {"xytext": (6 * side, 0), "textcoords": "offset points"}
            ax.annotate(f"{100 * figure:.4g}", place, **text, **offset)
    style.rows(ax, list(measured))
    ax.margins(x=0.1)
    ax.set_xlabel("points from the mean of our runs" if centred else "accuracy")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" + " %" * (not centred)))
    return ax
