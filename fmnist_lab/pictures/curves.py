"""Curves: what runs did, epoch by epoch or step by step; every function returns its Axes.

A setting's seeds appear as their mean, with a band from the lowest to the highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fmnist_lab.runs.run import Run
from fmnist_lab.verdicts.measures import curve

from . import style
from .style import BACKDROP, NAMES, label

STROKES = 350  # about the columns of pixels in half a figure: more would overlap
SHOWN = 0.12  # of accuracy below the best: with a start at 0.1, differences would be invisible
PANEL = 2.8  # inches: three panels fill a page's width
GREY: dict[str, Any] = {"color": BACKDROP, "lw": 1.2, "marker": "", "zorder": 1}
PALE: dict[str, Any] = {"lw": 1.2, "alpha": 0.75, "marker": "", "markevery": None}


def curves(
    runs: Iterable[Run],
    *,
    by: str,
    metric: str = "validation_accuracy",
    against: str = "epoch",
    backdrop: Iterable[Run] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric against "epoch", "step", "seconds" or another metric, a line per value of `by`.

    A line is the mean over seeds, up to the epoch where the first of them stopped, with a band
    from lowest to highest; `backdrop` runs are drawn in grey behind. An axis of accuracies leaves
    out the steep first epochs (`near_best`). Against training accuracy, a thin diagonal shows where
    the two are equal; being a running mean over the epoch, training accuracy is low at first.
    """
    ax, runs, backdrop = style.axes(ax), list(runs), list(backdrop)
    groups, behind = style.grouped(runs, by), style.grouped(backdrop, by)
    look_of = style.looks(by, [*groups, *behind])
    for value, group in behind.items():
        x, rows = series(group, metric, against)
        ax.plot(x, rows.mean(0), label=label(value), **look_of[value] | GREY)
    for n, (value, group) in enumerate(groups.items()):
        x, rows = series(group, metric, against)
        every = max(1, len(x) // 6)
        marks = look_of[value] | {"label": label(value), "markevery": (n % every, every)}
        style.band(ax, x, (rows.min(0), rows.mean(0), rows.max(0)), **marks)
    ax.set(xlabel=NAMES.get(against, against), ylabel=NAMES[metric])
    if against == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    for name, axis in ((against, "x"), (metric, "y")):
        if name.endswith("accuracy"):
            near_best([ax], [*runs, *backdrop], name, axis)
    if against == "train_accuracy":
        ax.axline((1, 1), slope=1, color="#767676", lw=1)
    return style.name_lines(ax, by, [len(group) for group in [*behind.values(), *groups.values()]])


def near_best(
    drawn: Sequence[Axes], runs: Sequence[Run], metric: str = "validation_accuracy", axis: str = "y"
) -> None:
    """Show accuracies from `SHOWN` below the best, or lower if a run's best is lower.

    The Axes in `drawn` share that `axis`, "x" or "y".
    """
    for ax in drawn:
        style.percent(getattr(ax, f"{axis}axis"))
    best = [max(curve(run, metric), default=0.0) for run in runs]
    if best:
        low = min(max(best) - SHOWN, min(best) - 0.01)
        high = max(getattr(ax.dataLim, f"{axis}1") for ax in drawn) + 0.01
        drawn[0].set(**{f"{axis}lim": (max(low, 0), high)})


def series(runs: Sequence[Run], metric: str, against: str) -> tuple[np.ndarray, np.ndarray]:
    """Return x (E,) and a metric's values (seeds, E) over the epochs that all runs reached."""
    length = min(run.epochs for run in runs)
    rows = np.array([run.history[metric][:length] for run in runs], float)  # None becomes NaN
    epochs = np.arange(1, length + 1)
    if against == "step":
        return epochs * runs[0].config.steps_an_epoch, rows
    if against == "seconds":
        seconds = np.array([run.history["seconds"][:length] for run in runs], float)
        return seconds.cumsum(1).mean(0), rows
    if against in runs[0].history:
        return np.array([run.history[against][:length] for run in runs], float).mean(0), rows
    return epochs, rows


def train_and_validation(runs: Iterable[Run], *, by: str, kind: str = "accuracy") -> list[Axes]:
    """Draw training and validation "accuracy" or "loss" by epoch, a panel per value of `by`.

    Lines are means over seeds up to the epoch where the first stopped, bands reach from lowest to
    highest; on training images they are thin and pale. Panels share the epochs' axis; accuracies
    share theirs too, because they can be compared, but losses do not.
    """
    runs = list(runs)
    groups = style.grouped(runs, by)
    count, shared = max(1, len(groups)), kind == "accuracy"
    width = max(style.TELEPHONE, PANEL * count)
    drawn = style.panels(count, height=3.4, width=width, sharex=True, sharey=shared)
    for ax, (value, group) in zip(drawn, groups.items(), strict=False):
        look = style.looks(by, groups)[value] | {"ls": "-"}
        for part, name, how in (("train", "training", PALE), ("validation", "validation", {})):
            x, rows = series(group, f"{part}_{kind}", "epoch")
            marks = look | {"label": name, "markevery": max(1, len(x) // 4)} | how
            style.band(ax, x, (rows.min(0), rows.mean(0), rows.max(0)), **marks)
        ax.set_title(f"{label(value)} ({len(group)} seed{'s' * (len(group) > 1)})", fontsize=11)
        ax.set(xlabel="epoch", ylabel="" if shared and ax is not drawn[0] else kind)
        ax.legend()
    if shared:
        near_best(drawn, runs)
    return drawn


def loss_and_accuracy(
    histories: Mapping[str, Mapping[str, Sequence[float | None]]],
    drawn: Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Draw loss and accuracy by epoch in a panel each, on `drawn` if given: histories by name.

    A history, `Run.history` or its first epochs, has one look: with markers for validation
    images; thin and pale, as a running mean over the epoch, for training images.
    """
    drawn = drawn or style.panels(2, width=8)
    for kind, ax in zip(("loss", "accuracy"), drawn, strict=True):
        for n, (name, history) in enumerate(histories.items()):
            for part, how in (("validation", {"label": name}), ("train", PALE)):
                values = np.array(history[f"{part}_{kind}"], float)  # None becomes NaN
                every = max(1, len(values) // 6)
                ax.plot(np.arange(1, len(values) + 1), values,
                        **style.look(n) | {"markevery": (n % every, every)} | how)  # fmt: skip
        ax.set(xlabel="epoch", ylabel=kind)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    style.percent(drawn[1].yaxis)
    if histories:
        lines, names = drawn[0].get_legend_handles_labels()
        drawn[0].figure.legend(
            lines, names, title="with markers: validation images; thin and pale: training images",
            loc="outside lower center", title_fontsize=9, ncols=min(2, len(names)),
        )  # fmt: skip
    return drawn


def near_lowest(
    runs: Iterable[Run],
    *,
    by: str,
    metric: str = "validation_loss",
    times: float = 2.0,
    backdrop: Iterable[Run] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric by epoch as `curves` does, up to `times` the lowest value of all.

    The steep fall of the first epochs would leave no room for the rest.
    """
    runs = list(runs)
    ax = curves(runs, by=by, metric=metric, backdrop=backdrop, ax=ax)
    lowest = min((min(curve(run, metric), default=np.inf) for run in runs), default=np.inf)
    if 0 < lowest < np.inf:
        ax.set_ylim(0.95 * lowest, times * lowest)
    return ax


def after_best(
    runs: Iterable[Run],
    *,
    by: str,
    metric: str = "validation_loss",
    before: int = 5,
    backdrop: Iterable[Run] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric around the best epoch, in % above its value there, a line per value of `by`.

    Runs are aligned at their best epochs and shown from `before` epochs earlier on. A
    line is the mean over the seeds that have the epoch, with a band from lowest to highest; a
    setting whose runs all ended at their best epoch is left out. `backdrop` runs are in grey.
    """
    ax = style.axes(ax)
    seeds = []
    for group in style.grouped(backdrop, by).values():
        around = around_best(group, metric, before)
        ax.plot(around.mean(axis=1), **GREY)
    groups = style.grouped(runs, by)
    for value, group in groups.items():
        around = around_best(group, metric, before)
        if len(around):
            seeds.append(around.shape[1])
            ends = around.min(axis=1), around.mean(axis=1), around.max(axis=1)
            style.band(ax, around.index, ends, label=label(value), **style.looks(by, groups)[value])
    ax.axvline(0, color="#767676", lw=1)
    ax.set(xlabel="epochs after the best", ylabel=f"{NAMES[metric]} above its lowest (%)")
    return style.name_lines(ax, by, seeds)


def around_best(runs: Sequence[Run], metric: str, before: int) -> pd.DataFrame:
    """Return a metric in % above its value at the best epoch: a row per epoch, a column per run.

    The index counts epochs from the best one, from -`before` on; NaN where a run has none. Runs
    that ended at their best epoch, or have none, are left out.
    """
    columns = {}
    for run in runs:
        values = np.array(curve(run, metric))
        if 0 < run.best_epoch < len(values):
            relative = 100 * (values / values[run.best_epoch - 1] - 1)
            columns[run.id] = pd.Series(relative, np.arange(len(values)) + 1 - run.best_epoch)
    return pd.DataFrame(columns, dtype=float).sort_index().loc[-before:]


def step_losses(run: Run, ax: Axes | None = None, strokes: int = STROKES) -> Axes:
    """Draw the training loss of every step and, over it, each epoch's mean at the epoch's middle.

    The steps are cut into at most `strokes` stretches of equal length, and each is drawn from
    its lowest loss to its highest: no spike is lost, and the axis says how many steps share a
    stroke. Losses that are not finite are left out. Raises `ValueError` if the run kept none.
    """
    ax = style.axes(ax)
    losses = run.losses_by_step().astype(float)
    losses[~np.isfinite(losses)] = np.nan
    length = -(-len(losses) // strokes)
    first = np.arange(0, len(losses), length)
    ends = np.stack([np.fmin.reduceat(losses, first), np.fmax.reduceat(losses, first)], 1)
    middle = np.repeat(first + (length - 1) / 2, 2)
    ax.plot(middle, ends.ravel(), color=BACKDROP, lw=0.8, label="steps")
    middle_of_epoch = (np.arange(run.epochs) + 0.5) * len(losses) / run.epochs
    means = np.array(run.history["train_loss"], float)
    size = run.config.batch_size
    look = style.looks("batch_size", [size])[size]
    ax.plot(middle_of_epoch, means, label="mean of each epoch", **look)
    thinned = f"\na stroke: lowest to highest loss of {length:,} steps" if length > 1 else ""
    ax.set(xlabel=f"step{thinned}", ylabel=NAMES["train_loss"], ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    style.legend(ax)
    return ax
