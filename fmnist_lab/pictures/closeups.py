"""Close-ups: pictures of what one number an epoch leaves out, or a curve from the start hides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fmnist_lab.runs.records import table
from fmnist_lab.runs.run import Run
from fmnist_lab.verdicts.measures import curve, epochs_to, jolt

from .scales import along
from .style import (
    BACKDROP,
    NAMES,
    axes,
    counted,
    curves,
    explained,
    grouped,
    label,
    look,
    steps_an_epoch,
)

STROKES = 350  # about the columns of pixels in half a figure: more would lie on each other


def step_losses(run: Run, ax: Axes | None = None, strokes: int = STROKES) -> Axes:
    """Draw the training loss of every step, and over it the mean of each epoch, at its middle.

    The steps are cut into `strokes` stretches at most, all of one length, and each is drawn from
    its lowest loss to its highest: no spike is lost, and the axis says how many steps share a
    stroke. Losses that are not finite are left out. Raises `ValueError` if the run kept none.
    """
    ax = axes(ax)
    losses = run.losses_by_step().astype(float)
    losses[~np.isfinite(losses)] = np.nan
    length = -(-len(losses) // strokes)
    first = np.arange(0, len(losses), length)
    ends = np.stack([np.fmin.reduceat(losses, first), np.fmax.reduceat(losses, first)], 1)
    middle = np.repeat(first + (length - 1) / 2, 2)
    ax.plot(middle, ends.ravel(), color=BACKDROP, lw=0.8, label="steps")
    middle_of_epoch = (np.arange(run.epochs) + 0.5) * len(losses) / run.epochs
    means = np.array(run.history["train_loss"], float)
    ax.plot(middle_of_epoch, means, label="mean of each epoch", **look(0))
    thinned = f"\na stroke: lowest to highest loss of {length:,} steps" if length > 1 else ""
    ax.set(xlabel=f"step{thinned}", ylabel=NAMES["train_loss"], ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.legend(fontsize=9, frameon=False, loc="upper right")
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
    """Draw a metric around the best epoch, in % above its value there, a line a value of `by`.

    Runs are laid on each other at their best epochs and shown from `before` epochs earlier on. A
    line is the mean over the seeds that have the epoch, with a band from lowest to highest; a
    setting whose runs all ended at their best epoch is left out. `backdrop` runs are in grey.
    """
    ax = axes(ax)
    for group in grouped(backdrop, by).values():
        around = around_best(group, metric, before)
        ax.plot(around.mean(axis=1), color=BACKDROP, lw=1.2, zorder=1)
    for n, (value, group) in enumerate(grouped(runs, by).items()):
        around = around_best(group, metric, before)
        if len(around):
            name = counted(value, around.shape[1])
            ax.plot(around.mean(axis=1), label=name, **look(n))
            low, high = around.min(axis=1), around.max(axis=1)
            ax.fill_between(around.index, low, high, color=look(n)["color"], alpha=0.15, lw=0)
    ax.axvline(0, color="#767676", lw=1)
    ax.set(xlabel="epochs after the best", ylabel=f"{NAMES[metric]} above its lowest (%)")
    return explained(ax, by)


def around_best(runs: Sequence[Run], metric: str, before: int) -> pd.DataFrame:
    """Return a metric in % above its value at the best epoch: a row an epoch, a column a run.

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

    The steep fall of the first epochs would leave no room for what comes after.
    """
    runs = list(runs)
    ax = curves(runs, by=by, metric=metric, backdrop=backdrop, ax=ax)
    lowest = min((min(curve(run, metric), default=np.inf) for run in runs), default=np.inf)
    if 0 < lowest < np.inf:
        ax.set_ylim(0.95 * lowest, times * lowest)
    return ax


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


def fit(
    runs: Iterable[Run],
    *,
    by: str,
    backdrop: Iterable[Run] = (),
    low: float = 0.8,
    ax: Axes | None = None,
) -> Axes:
    """Draw validation against training accuracy, a point an epoch, a line a value of `by`.

    Shown is what lies above `low`, a fraction; on the thin diagonal the two are equal. Training
    accuracy is a running mean over the epoch, so early points may lie above the diagonal.
    """
    runs = list(runs)
    ax = curves(runs, by=by, against="train_accuracy", backdrop=backdrop, ax=ax)
    ax.axline((low, low), slope=1, color="#767676", lw=1)
    right, top = (
        max((max(curve(run, f"{part}_accuracy"), default=0.0) for run in runs), default=0.0)
        for part in ("train", "validation")
    )
    if min(right, top) > low:  # else all of it is shown, as far as it got
        ax.set(xlim=(low, right + 0.01), ylim=(low, top + 0.01))
    return ax


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
            "epochs": f"{np.mean(epochs):.1f}" if there else "-",
            "steps": f"{np.mean(steps):,.0f}" if there else "-",
            "seconds": f"{np.mean(times):,.1f}" if there else "-",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(NAMES.get(by, by))
