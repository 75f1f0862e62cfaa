"""Pictures of runs: every function draws on one Axes and returns it.

Settings are told apart by line style, marker and a label at the line's end as well as by colour.
A setting's seeds are summed up as their mean, with a band from the lowest to the highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fmnist_lab.runs.run import Run
from fmnist_lab.verdicts.statistics import mean_interval

# Okabe & Ito (2008), "Color Universal Design": told apart with any kind of colour vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)), (0, (3, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BACKDROP = "#B0B0B0"

STYLE: dict[str, Any] = {
    "figure.dpi": 110,
    "figure.facecolor": "white",  # stays white on a dark page: black on white reads on both
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
}

NAMES = {
    "validation_accuracy": "validation accuracy",
    "train_accuracy": "training accuracy",
    "validation_loss": "validation loss",
    "train_loss": "training loss",
    "gap": "training minus validation accuracy (points)",
    "learning_rate": "learning rate",
    "batch_size": "batch size (images a step)",
    "width": "width (neurons a hidden layer)",
    "depth": "hidden layers",
    "loss": "loss function",
    "best_epoch": "best epoch",
    "epochs_run": "epochs trained",
    "seconds": "training time (s)",
}


def axes(ax: Axes | None = None, **options: Any) -> Axes:
    """Return `ax`, or a new figure's Axes in the book's style."""
    return ax if ax is not None else panels(1, **options)[0]


def panels(
    count: int,
    *,
    rows: int = 1,
    height: float = 4.2,
    width: float = 7.0,
    sharex: bool = False,
    sharey: bool = False,
) -> list[Axes]:
    """Return `count` Axes in `rows` equal rows, in the book's style; sizes are in inches.

    The style stays on: a temporary one would also take back the notebook's interactive mode,
    which Matplotlib sets up with the first figure, and show no other.
    """
    plt.rcParams.update(STYLE)
    _, drawn = plt.subplots(
        rows, count // rows, figsize=(width, height), squeeze=False, sharex=sharex, sharey=sharey
    )
    return list(drawn.flat)


def label(value: Any) -> str:
    """Return a hyperparameter's value as an axis or a line shows it."""
    if isinstance(value, float):
        return f"{value:.3g}" if 1e-2 <= abs(value) < 1e4 else f"{value:.2e}".replace("e-0", "e-")
    return str(value).replace("_", " ")


def curves(
    runs: Iterable[Run],
    *,
    by: str,
    metric: str = "validation_accuracy",
    against: str = "epoch",
    backdrop: Iterable[Run] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric against "epoch", "step", "seconds" or another metric, a line a value of `by`.

    A line is the mean over seeds, up to the epoch where the first of them stopped, with a band
    from lowest to highest; `backdrop` runs are drawn in grey behind.
    """
    ax = axes(ax)
    for value, group in grouped(backdrop, by).items():
        x, rows = series(group, metric, against)
        ax.plot(x, rows.mean(0), color=BACKDROP, lw=1.2, zorder=1)
        end = x[-1], rows.mean(0)[-1]
        ax.annotate(label(value), end, color="#767676", fontsize=8, va="center")
    for n, (value, group) in enumerate(grouped(runs, by).items()):
        x, rows = series(group, metric, against)
        mean = rows.mean(0)
        every = max(1, len(x) // 6)
        ax.plot(x, mean, label=counted(value, len(group)), markevery=(n % every, every), **look(n))
        ax.fill_between(x, rows.min(0), rows.max(0), color=look(n)["color"], alpha=0.15, lw=0)
    ax.set(xlabel=NAMES.get(against, against), ylabel=NAMES[metric])
    if against == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    for name, axis in ((against, ax.xaxis), (metric, ax.yaxis)):
        if name.endswith("accuracy"):
            percent(axis)
    return explained(ax, by)


def percent(axis: Axis) -> None:
    """Label an axis of fractions in %, with as many digits as its ticks need."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def look(n: int) -> dict[str, Any]:
    """Return the colour, line style and marker of the n-th setting of a picture."""
    kinds = {"color": COLORS, "ls": LINES, "marker": MARKERS}
    return {"ms": 5} | {key: kind[n % len(kind)] for key, kind in kinds.items()}


def counted(value: Any, seeds: int) -> str:
    """Return a setting's entry in the legend: its value and how many runs it rests on."""
    return f"{label(value)} ({seeds} seed{'s' * (seeds > 1)})"


def explained(ax: Axes, by: str) -> Axes:
    """Return `ax` with a legend of its settings, if it shows any."""
    if by in NAMES and ax.get_legend_handles_labels()[0]:
        ax.legend(title=NAMES[by], fontsize=9, title_fontsize=9, frameon=False)
    return ax


def grouped(runs: Iterable[Run], by: str) -> dict[Any, list[Run]]:
    """Return runs by the value of a hyperparameter, numbers in rising order."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(getattr(run.config, by), []).append(run)
    if all(isinstance(value, int | float) for value in groups):
        return dict(sorted(groups.items()))
    return groups


def series(runs: Sequence[Run], metric: str, against: str) -> tuple[np.ndarray, np.ndarray]:
    """Return x (E,) and a metric's values (seeds, E) over the epochs that all runs reached."""
    length = min(run.epochs for run in runs)
    rows = np.array([run.history[metric][:length] for run in runs], float)  # None becomes NaN
    epochs = np.arange(1, length + 1)
    if against == "step":
        return epochs * steps_an_epoch(runs[0]), rows
    if against == "seconds":
        seconds = np.array([run.history["seconds"][:length] for run in runs], float)
        return seconds.cumsum(1).mean(0), rows
    if against in runs[0].history:
        return np.array([run.history[against][:length] for run in runs], float).mean(0), rows
    return epochs, rows


def steps_an_epoch(run: Run) -> int:
    """Return how many batches an epoch of the run has; the last may be smaller."""
    return -(-run.config.train_size // run.config.batch_size)


def dots(
    frame: pd.DataFrame,
    *,
    by: str,
    metric: str = "validation_accuracy",
    backdrop: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every run as a dot, and each setting's mean with its 95 % interval.

    Settings stand side by side in the frame's order, numbers rising; one of a single seed has no
    interval. `backdrop` runs are drawn in grey.
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
            if len(heights) > 1:
                found = mean_interval(heights)
                error = [[found.estimate - found.low], [found.high - found.estimate]]
                mark = {"color": color, "capsize": 6, "zorder": order + 1}
                ax.errorbar([x + 0.25], [found.estimate], error, fmt="D", ms=5, **mark)
    ax.set_xticks(range(len(values)), [label(value) for value in values])
    ax.set(xlabel=NAMES.get(by, by), xlim=(-0.5, max(1, len(values)) - 0.5))
    ax.set_ylabel(NAMES.get(metric, metric))
    if metric.endswith("accuracy"):
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
    return ax


def rates(frame: pd.DataFrame, *, by: str, ax: Axes | None = None) -> Axes:
    """Draw accuracy against learning rate, a line a value of `by`.

    `frame` holds a row a run. A point is the mean over seeds, its bar reaches from the lowest
    seed to the highest.
    """
    ax = axes(ax)
    for n, (value, rows) in enumerate(frame.groupby(by)):
        seeds = rows.groupby("learning_rate")["validation_accuracy"]
        mean = seeds.mean()
        bars = [mean - seeds.min(), seeds.max() - mean]
        name = counted(value, int(seeds.count().max()))
        ax.errorbar(mean.index, mean, bars, label=name, capsize=3, **look(n))
    ax.set(xscale="log", xlabel=NAMES["learning_rate"], ylabel=NAMES["validation_accuracy"])
    percent(ax.yaxis)
    return explained(ax, by)


def summary(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return one row a setting: seeds, mean accuracy and gap in %, best epoch, time, cap hits."""
    rows = {}
    for value, group in frame.groupby(by, sort=False):
        accuracy = 100 * group["validation_accuracy"]
        rows[label(value)] = {
            "seeds": len(group),
            "validation accuracy (%)": round(accuracy.mean(), 2),
            "standard deviation": round(accuracy.std(), 2) if len(group) > 1 else float("nan"),
            "training minus validation (points)": round(100 * group["gap"].mean(), 2),
            "best epoch": round(group["best_epoch"].mean(), 1),
            "hit the cap": int((group["stopped_by"] == "epochs").sum()),
            "diverged": int((group["stopped_by"] == "divergence").sum()),
            "seconds a run": round(group["seconds"].mean(), 1),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(NAMES.get(by, by))
