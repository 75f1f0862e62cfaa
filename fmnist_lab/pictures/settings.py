"""Settings side by side: what each ended at, as dots, along an axis or as a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fmnist_lab.runs.records import table
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import study
from fmnist_lab.verdicts.measures import curve, epochs_to, jolt
from fmnist_lab.verdicts.statistics import mean_interval, prediction_interval

from .curves import steps_an_epoch
from .ends import name_lines
from .style import (
    BACKDROP,
    COLORS,
    ENDS,
    FEWEST,
    NAMES,
    SAID,
    axes,
    grouped,
    label,
    look,
    panels,
    percent,
)

DEPTH_SHOWN = 0.06  # of accuracy below the best: a rate that loses more is no candidate


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

    Settings stand side by side in the frame's order, numbers rising; one of fewer than `FEWEST`
    seeds has no interval. `backdrop` runs are drawn in grey. `best`: the settings that a claim of
    the report calls the best, by its id; they stand on a band.
    """
    ax = axes(ax)
    parts = [(frame, COLORS[0], 3)]
    if backdrop is not None and len(backdrop):
        parts.insert(0, (backdrop, BACKDROP, 1))
    every = pd.concat([part[by] for part, _, _ in parts]).unique()
    values = sorted(every) if all(isinstance(v, int | float | np.number) for v in every) else every
    place = {value: n for n, value in enumerate(values)}
    scale = 100 if metric == "gap" or metric.endswith("accuracy") else 1
    for part, color, order in parts:
        for value, rows in part.groupby(by, sort=False):
            heights = scale * rows[metric].dropna().to_numpy()
            x = place[value]
            spread = np.linspace(-0.12, 0.12, len(heights)) if len(heights) > 1 else [0.0]
            ax.plot(x + np.array(spread), heights, "o", ms=5, mfc="none", color=color, zorder=order)
            if len(heights) >= FEWEST:
                found = mean_interval(heights)
                error = [[found.estimate - found.low], [found.high - found.estimate]]
                mark = {"color": color, "capsize": 6, "zorder": order + 1}
                ax.errorbar([x + 0.25], [found.estimate], error, fmt="D", ms=5, **mark)
    for claim, settings in (best or {}).items():
        name = f"best, says {claim}"
        for n in (place[value] for value in values if value in settings):
            ax.axvspan(n - 0.45, n + 0.45, color=SAID, zorder=0, label=name)
            name = "_"  # one entry for all
        ax.legend(fontsize=9, frameon=False)
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

    The axis is linear if a value is 0, which a logarithmic one cannot show.
    A run's marker says how it ended (`ENDS`): one that hit the cap on epochs was still improving.
    `backdrop` runs are drawn in grey.
    """
    ax = axes(ax)
    for part, color, order in ((backdrop, BACKDROP, 1), (frame, COLORS[0], 3)):
        if part is None or part.empty:
            continue
        means = part.groupby(by)[metric].mean()
        ax.plot(means.index, means, color=color, lw=1.2, zorder=order)
        for end, (marker, name) in ENDS.items():
            rows = part[part["stopped_by"] == end]
            if len(rows):
                style = {"ls": "none", "mfc": "none", "ms": 7, "color": color, "zorder": order}
                entry = name if order == 3 else None
                ax.plot(rows[by], rows[metric], marker=marker, label=entry, **style)
    shown = [part[by] for part in (frame, backdrop) if part is not None and len(part)]
    scale = "log" if all((values > 0).all() for values in shown) else "linear"
    ax.set(xscale=scale, xlabel=NAMES.get(by, by), ylabel=NAMES.get(metric, metric))
    if metric.endswith("accuracy"):
        percent(ax.yaxis)
    if by == "learning_rate":
        ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: label(rate)))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=9, frameon=False)
    return ax


def beside_reported(frame: pd.DataFrame, backdrop: pd.DataFrame) -> Axes:
    """Draw accuracy along the rates, with the range of the report's Table 1 and of claim R3."""
    ax = along(frame, by="learning_rate", backdrop=backdrop)
    ax.axvspan(1.5e-5, 2.35e-4, color="#F0F0F0", zorder=0, label="the report's Table 1")
    ax.axvspan(2e-5, 3e-5, color=SAID, zorder=0, label="best, says R3")
    ax.legend(fontsize=9, frameon=False, loc="lower right")
    return ax


def rates(frame: pd.DataFrame, *, by: str, ax: Axes | None = None) -> Axes:
    """Draw accuracy against learning rate, a line a value of `by`.

    `frame` holds a row a run. A point is the mean over seeds, its bar reaches from the lowest
    seed to the highest.
    """
    ax = axes(ax)
    counts = {}
    for n, (value, rows) in enumerate(frame.groupby(by)):
        seeds = rows.groupby("learning_rate")["validation_accuracy"]
        mean = seeds.mean()
        bars = [mean - seeds.min(), seeds.max() - mean]
        counts[value] = int(seeds.count().max())
        ax.errorbar(mean.index, mean, bars, label=label(value), capsize=3, **look(n))
    ax.set(xscale="log", xlabel=NAMES["learning_rate"], ylabel=NAMES["validation_accuracy"])
    percent(ax.yaxis)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: label(rate)))
    return name_lines(ax, by, counts)


def at_own_rates(name: str) -> list[Axes]:
    """Draw what a study's comparison owes to its one learning rate, from the published runs.

    Left: accuracy against the rate, a line a setting, its chosen rate filled in and the study's
    own dashed; what lies more than `DEPTH_SHOWN` below the best is cut off. Right: the means at
    the one rate and at the chosen ones, with 95 % intervals.
    """
    first, tuned = study(name), study(f"{name}_retuned")
    assert tuned.tuned_by is not None
    left, right = panels(2, width=8.2, sharey=True)
    frame = tuned.tuned_by.recorded().table()
    rates(frame, by=first.swept, ax=left)
    chosen = tuned.tuned_by.chosen_rates()
    for n, (value, rows) in enumerate(frame.groupby(first.swept, sort=True)):
        if value in chosen:
            at = rows[rows["learning_rate"] == chosen[value]]["validation_accuracy"].mean()
            left.plot(chosen[value], at, **look(n) | {"ms": 11, "mec": "black", "zorder": 5})
    left.axvline(first.base.learning_rate, color="#767676", ls="--", lw=1)
    parts = {f"at {label(first.base.learning_rate)}": first, "at its own rate": tuned}
    places = {value: n for n, value in enumerate(first.values)}
    for n, (said, part) in enumerate(parts.items()):
        groups = grouped(part.recorded(), first.swept)
        for value, runs in groups.items():
            reached = np.array([run.best["validation_accuracy"] or 0.0 for run in runs])
            found = mean_interval(reached)
            half = found.high - found.estimate if len(reached) >= FEWEST else 0.0
            style = look(n) | {"ls": "none", "ms": 7, "capsize": 4}
            where = places[value] + 0.24 * n - 0.12
            entry = said if value == next(iter(groups)) else None
            right.errorbar(where, found.estimate, half, label=entry, **style)
    right.set_xticks(range(len(places)), [label(value) for value in places])
    right.set(xlabel=NAMES[first.swept], xlim=(-0.5, len(places) - 0.5))
    tops = [line.get_ydata().max() for line in (*left.get_lines(), *right.get_lines())
            if len(line.get_ydata()) and line.get_linestyle() != "--"]  # fmt: skip
    if frame.size:
        left.set_ylim(max(tops) - DEPTH_SHOWN, max(tops) + 0.005)
        right.legend(fontsize=9, frameon=False, loc="lower right")
    return [left, right]


def roughness(
    runs: Iterable[Run], *, by: str, backdrop: Iterable[Run] = (), ax: Axes | None = None
) -> Axes:
    """Draw the roughness of each run's validation loss (`measures.jolt`), both axes logarithmic.

    A run's mark says how it ended; a line goes through the means of the values of `by`. A run of
    fewer than three epochs has no roughness.
    """
    tables = []
    for part in (list(runs), list(backdrop)):
        rough = [jolt(curve(run, "validation_loss")) for run in part]
        frame = table(part).assign(roughness=pd.Series(rough, dtype=float))
        tables.append(frame[frame["roughness"] > 0])  # a logarithm's
    ax = along(tables[0], by=by, metric="roughness", backdrop=tables[1], ax=ax)
    values = sorted({value for part in tables for value in part[by]})
    ax.set_xticks(values, [label(value) for value in values])
    ax.set(yscale="log" if values else "linear", ylabel="roughness of the validation loss")
    return ax


def beside_printed(
    measured: Mapping[str, Sequence[float]],
    printed: Mapping[str, Sequence[float]],
    ax: Axes | None = None,
) -> Axes:
    """Draw runs beside the figures that a report prints, a row a measure; all are fractions.

    A circle is a run, the bar is where 95 % of single runs would fall (`FEWEST` runs or more), a
    diamond is a printed figure.
    """
    ax = axes(ax, height=0.8 + 0.75 * len(measured))
    for row, (name, values) in enumerate(measured.items()):
        runs = 100 * np.asarray(values, float)
        if len(runs) >= FEWEST:
            span = prediction_interval(runs)
            half = span.high - span.estimate
            style = {"color": COLORS[0], "capsize": 6, "zorder": 2}
            ax.errorbar([span.estimate], [row], xerr=[half], fmt="|", ms=12, **style)
        ax.plot(runs, np.full(len(runs), row), "o", mfc="none", color=COLORS[0], ms=6, zorder=3)
        for n, figure in enumerate(sorted(printed.get(name, ()))):
            place = 100 * figure, row - 0.28
            ax.plot(*place, "D", color=COLORS[1], ms=6, zorder=3)
            side = -1 if n == 0 else 1  # the lowest at the left, so that two do not overlap
            text = {"ha": ("left", "right")[n == 0], "va": "center", "fontsize": 9}
            offset = {"xytext": (6 * side, 0), "textcoords": "offset points"}
            ax.annotate(f"{100 * figure:.1f}", place, **text, **offset)
    ax.set_yticks(range(len(measured)), list(measured))
    ax.margins(x=0.1)
    ax.set(xlabel="accuracy", ylim=(len(measured) - 0.5, -0.6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g} %"))
    return ax


def summary(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return one row a setting: validation accuracy, its standard deviation, gap, epochs, time.

    How many runs hit the cap on epochs or diverged is told where any did.
    """
    rows = {}
    for value, group in frame.groupby(by, sort=False):
        accuracy = 100 * group["validation_accuracy"]
        rows[label(value)] = {
            "seeds": len(group),
            "accuracy (%)": f"{accuracy.mean():.2f}",
            "SD": f"{accuracy.std():.2f}" if len(group) > 1 else "–",
            "gap (points)": f"{100 * group['gap'].mean():.2f}",
            "best epoch": f"{group['best_epoch'].mean():.1f}",
            "hit the cap": int((group["stopped_by"] == "epochs").sum()),
            "diverged": int((group["stopped_by"] == "divergence").sum()),
            "seconds": f"{group['seconds'].mean():,.0f}",
        }
    told = pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns=NAMES.get(by, by))
    never = [name for name in ("hit the cap", "diverged") if rows and not told[name].any()]
    return told.drop(columns=never)


def reached(runs: Iterable[Run], by: str, target: float) -> pd.DataFrame:
    """Return one row a setting: epochs, steps and seconds until validation accuracy is `target`.

    `target` is a fraction. Numbers are means over the runs that get there, linear within an epoch;
    a dash stands where none does.
    """
    rows = {}
    for value, group in grouped(runs, by).items():
        there = [r for r in group if max(curve(r, "validation_accuracy"), default=0.0) >= target]
        epochs = [epochs_to(run, target) for run in there]
        steps = [n * steps_an_epoch(run) for n, run in zip(epochs, there, strict=True)]
        times = [n * run.seconds / run.epochs for n, run in zip(epochs, there, strict=True)]
        rows[label(value)] = {
            "runs": len(group),
            "reached it": len(there),
            "epochs": f"{np.mean(epochs):.1f}" if there else "–",
            "steps": f"{np.mean(steps):,.0f}" if there else "–",
            "seconds": f"{np.mean(times):,.1f}" if there else "–",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns=NAMES.get(by, by))
