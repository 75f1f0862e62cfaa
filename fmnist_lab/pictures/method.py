"""Pictures of the book's method: what a seed changes, when patience ends, how a verdict is made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fmnist_lab.runs.run import Run
from fmnist_lab.verdicts.claims import badge
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.evidence import Evidence
from fmnist_lab.verdicts.rules import decide
from fmnist_lab.verdicts.statistics import MATERIAL, expected_maximum, luckiest, mean_interval

from . import style
from .style import BACKDROP, BAND, COLORS, ENDS, MARKERS, MEAN
from .verdicts import LOOKS

PARTS = {"validation_accuracy": "validation images", "test_accuracy": "test images"}


def spread(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw each run's accuracy in points above the mean of all, seed by seed.

    `frame` has one configuration, a row per run. The grey band is what would not matter.
    """
    ax = style.axes(ax)
    ax.axhspan(-100 * MATERIAL, 100 * MATERIAL, color=BAND, lw=0, zorder=0)
    ax.axhline(0, color="#767676", lw=1)
    places = np.arange(len(frame))
    for n, (metric, name) in enumerate(PARTS.items()):
        points = 100 * (frame[metric] - frame[metric].mean())
        marks = {key: value for key, value in style.look(n).items() if key != "ls"}
        ax.plot(places + 0.2 * n - 0.1, points, ls="none", label=name, **(marks | {"ms": 8}))
    ax.set_xticks(places, [str(seed) for seed in frame["seed"]])
    ax.set(xlabel="seed", ylabel="points above the mean of the seeds")
    ax.margins(y=0.25)
    style.legend(ax)
    return ax


def luck(
    accuracies: npt.ArrayLike, marked: int = 6, most: int = 20, ax: Axes | None = None
) -> Axes:
    """Draw how far the best of k identical configurations lies above their mean, for k to `most`.

    accuracies: (n,) fractions, one per seed. The line follows from their standard deviation; a dot
    is the runs' own answer, which needs k runs. `marked` is the k to look at.
    """
    ax = style.axes(ax)
    values = 100 * np.asarray(accuracies, float)
    counts = np.arange(1, most + 1)
    ax.axhspan(0, 100 * MATERIAL, color=BAND, lw=0, zorder=0)
    if len(values) > 1:
        gains = [expected_maximum(float(values.std(ddof=1)), int(k)) for k in counts]
        ax.plot(counts, gains, color=COLORS[0], label="from the standard deviation")
        ax.annotate(
            f"best of {marked}: +{gains[marked - 1]:.2f}", (marked, gains[marked - 1]),
            xytext=(marked + 1, 0.45 * gains[marked - 1]), arrowprops={"arrowstyle": "->"},
        )  # fmt: skip
    own = counts[: len(values)]
    rises = [luckiest(values, int(k)) - values.mean() for k in own]
    ax.plot(own, rises, "o", color=COLORS[1], label=f"from the {len(values)} runs")
    ax.set(xlabel="identical configurations compared, one run each", ylim=(0, None))
    ax.set_ylabel("best above the mean (points)")
    ax.set_xticks([1, *range(2, most + 1, 2)])
    style.legend(ax)
    return ax


def parts_of_luck(found: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Axes:
    """Draw which streams a seed's luck comes from, a row per stream or several together.

    A mark is a part's share of the variance with its 95 % interval, from `facts.parts_of_luck`.
    """
    names = list(next(iter(found.values())).index)
    ax = style.axes(ax, width=style.PAGE)
    for n, (images, parts) in enumerate(found.items()):
        ends = (100 * parts["low"], 100 * parts["share"], 100 * parts["high"])
        marks = MEAN | {"color": COLORS[n], "fmt": MARKERS[n], "label": images}
        style.interval(ax, np.arange(len(names)) + 0.3 * n - 0.15, ends, across=True, **marks)
    style.rows(ax, names)
    ax.set(xlim=(-2, 102), xlabel="share of the variance (%)")
    style.legend(ax)
    return ax


def rule(examples: Mapping[str, npt.ArrayLike], ax: Axes | None = None) -> Axes:
    """Draw the rule's verdicts on examples: differences in points, one per seed; claimed: "above".

    A row per example: its mean with the 95 % interval, and the verdict on it.
    """
    ax = style.effects(list(examples), 0.62, "A minus B, accuracy (points)", ax)
    for row, differences in enumerate(examples.values()):
        effect = mean_interval(np.asarray(differences, float) / 100)
        found = decide(effect)
        ends = 100 * effect.low, 100 * effect.estimate, 100 * effect.high
        style.interval(ax, row, ends, across=True, **MEAN | {"color": COLORS[0], "ms": 5})
        fill, ink = LOOKS[found.name]
        ax.text(1.02, row, badge(found.name), color=ink, fontsize=8.5, va="center",
                transform=ax.get_yaxis_transform(),
                bbox={"facecolor": fill, "edgecolor": "#595959", "lw": 0.6, "pad": 3})  # fmt: skip
    return ax


def differences(results: pd.DataFrame, of: str, ax: Axes | None = None) -> Axes:
    """Draw differences `of` accuracy, a row per setting of a table such as `facts.precision`.

    A circle is a seed, the bar the interval of the mean, the band what would not matter: with 90 %
    intervals, two one-sided tests at 5 % show equivalence where the bar lies inside it (Lakens
    2017).
    """
    ax = style.effects(list(results.index), 0.5, f"{of}, accuracy (points)", ax)
    for row, (_, found) in enumerate(results.iterrows()):
        points = found["differences"]
        ax.plot(points, [row - 0.2] * len(points), "o", mfc="none", color=COLORS[0])
        ends = found["low"], found["mean"], found["high"]
        style.interval(ax, row + 0.15, ends, across=True, **MEAN | {"color": COLORS[1], "ms": 6})
    return ax


def scatters(results: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what another device changes beside what another seed does, a row per `facts.again`.

    Both are standard deviations in points, on a log axis: circles for the differences between two
    runs of one seed, diamonds for the accuracies of several seeds. A row is wide where the seed
    matters more, and short where another device changes as much as another seed.
    """
    ax = style.axes(ax, width=style.PAGE, height=0.32 * len(results) + 1)
    marks = {"sd": ("o", "another device, same seed"), "sd of seeds": ("D", "another seed")}
    for row, (_, found) in enumerate(results.iterrows()):
        ax.plot([found[name] for name in marks], [row] * 2, color=BACKDROP, lw=2, zorder=1)
    for color, (name, (marker, text)) in zip(COLORS, marks.items(), strict=False):
        ax.plot(results[name], range(len(results)), marker, color=color, ms=7, label=text)
    style.rows(ax, list(results.index), fontsize=10)
    ax.set_xscale("log")
    ax.set_xlabel("standard deviation of accuracy (points)")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    style.legend(ax)
    return ax


def epochs_trained(runs: Mapping[str, Run], ax: Axes | None = None) -> Axes:
    """Draw how many epochs the runs of the report's settings trained, a row per setting.

    The settings are those that claim C4 is judged on; a setting without a run has an empty row.
    """
    arms = dict.fromkeys(arm for part in CLAIMS["C4"].parts for arm in part.arms)
    evidence = Evidence(runs.values())
    ax = style.axes(ax, width=style.PAGE, height=0.25 * len(arms) + 1)
    colors = dict(zip(ENDS, COLORS, strict=False))
    for row, arm in enumerate(arms):
        for run in evidence.of(arm).values():
            marks = {"marker": ENDS[run.stopped_by][0], "color": colors[run.stopped_by]}
            ax.plot(run.epochs, row, ms=6, mfc="none", **marks)
    for ending, (marker, name) in ENDS.items():
        ax.plot([], [], marker, ms=6, mfc="none", color=colors[ending], label=name)
    ax.axvline(next(iter(runs.values())).config.epochs if runs else 100, color=BACKDROP, lw=1)
    style.rows(ax, [str(arm) for arm in arms], fontsize=9)
    ax.set(xlim=(0, 105), xlabel="epochs trained")
    style.legend(ax)
    return ax
