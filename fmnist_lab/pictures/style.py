"""The book's style: axes, colours, lines, labels and legends of every picture of runs.

Line style and marker tell settings apart, as well as colour.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fmnist_lab.config import LOSS_WORDS, written
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.verdicts.statistics import MATERIAL

# Okabe & Ito (2008), "Color Universal Design": distinct with any kind of colour vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)), (0, (3, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BACKDROP = "#B0B0B0"
SAID = "#F5D9A8"  # behind what the report says
BAND = "#EDEDED"  # what lies in it is too small to matter
MEAN: dict[str, Any] = {"fmt": "D", "elinewidth": 2.5, "capsize": 5}  # an effect with its interval
# What is written on a fill that keeps its colour on a dark page.
INK = {"dark": "#010101", "light": "#FEFEFE"}
Ends = tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]  # low, middle, high: numbers or (n,)
# Where a legend is placed.
ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2}
BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
PAGE = 7.0  # inches: the width of a page's text
TELEPHONE = 5.0  # at three quarters of its size, a telephone is as wide
FEWEST = 3  # runs that an interval needs: with two it reaches 9 standard errors either way
# How a run ended, as `Run.stopped_by` says it: its marker and its entry in the legend.
ENDS = {
    "patience": ("o", "stopped by patience"),
    "epochs": ("^", "hit the cap on epochs"),
    "divergence": ("X", "diverged"),
}
STYLE: dict[str, Any] = {
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # text stays text: a page shows it in its own font
    "font.family": "sans-serif",
    # Matplotlib's own, on every machine: it measures room. It is wider than the fonts of pages.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.formatter.min_exponent": 6,  # on logarithmic axes: 0.001 and 10000 as they are
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "axes.axisbelow": True,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
NAMES = {
    "validation_accuracy": "validation accuracy",
    "train_accuracy": "training accuracy",
    "validation_loss": "validation loss",
    "train_loss": "training loss",
    "gap": "training minus validation (points)",
    "learning_rate": "learning rate",
    "optimizer": "optimiser",
    "dropout": "dropout (share of activations)",
    "technique": "technique",
    "batch_size": "batch size (images per step)",
    "width": "width (neurons per layer)",
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
    count: int, *, rows: int = 1, height: float = 3.8, width: float | None = None, **shared: bool
) -> list[Axes]:
    """Return `count` Axes in `rows` equal rows, in the book's style; sizes are in inches.

    One is as wide as a telephone shows, several are as wide as a page, unless `width` is given.
    `shared`: Matplotlib's `sharex` and `sharey`.

    A notebook gets pictures as vectors and as pixels. The style stays on: a temporary one would
    also undo the notebook's interactive mode, which Matplotlib sets up with the first figure, and
    no further figure would be shown.
    """
    plt.rcParams.update(STYLE)
    size = width or (TELEPHONE if count == 1 else PAGE), height
    _, drawn = plt.subplots(rows, count // rows, figsize=size, squeeze=False, **shared)
    # Only now: a notebook's backend, with its own format, is loaded with the first figure.
    if inline := sys.modules.get("matplotlib_inline.backend_inline"):
        # Crisp on every screen, with pixels for programs that show no vectors.
        inline.set_matplotlib_formats("svg", "png")
    return list(drawn.flat)


def label(value: Any) -> str:
    """Return a hyperparameter's value as an axis or a line shows it."""
    return LOSS_WORDS.get(value, written(value))


def percent(axis: Axis) -> None:
    """Label an axis of fractions in %, with as many digits as its ticks need."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def look(n: int) -> dict[str, Any]:
    """Return the colour, line style and marker of the n-th setting of a picture."""
    kinds = {"color": COLORS, "ls": LINES, "marker": MARKERS}
    return {"ms": 5} | {key: kind[n % len(kind)] for key, kind in kinds.items()}


def looks(by: str, values: Iterable[Any]) -> dict[Any, dict[str, Any]]:
    """Return the look of each value of a hyperparameter, the same in every picture.

    The values of the published study come first, so that some of them alone keep their looks.
    """
    known = in_order(STUDIES[by].values) if by in STUDIES else []
    return {value: look(n) for n, value in enumerate(dict.fromkeys([*known, *values]))}


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return the distinct values: numbers in rising order, names as they come."""
    unique = list(dict.fromkeys(values))
    return sorted(unique) if all(isinstance(value, Real) for value in unique) else unique


def rows(ax: Axes, names: Sequence[str], **how: Any) -> None:
    """Name the rows of a picture, the first at the top."""
    ax.set_yticks(range(len(names)), names, **how)
    ax.set_ylim(len(names) - 0.4, -0.6)


def effects(
    names: Sequence[str],
    height: float,
    xlabel: str,
    ax: Axes | None,
    margin: float = 100 * MATERIAL,
) -> Axes:
    """Return Axes with a named row per effect, a line at zero and the band of what is too small."""
    ax = axes(ax, width=PAGE, height=height * len(names) + 1)
    ax.axvspan(-margin, margin, color=BAND, lw=0, zorder=0)
    ax.axvline(0, color="black", lw=1)
    rows(ax, names)
    ax.set_xlabel(xlabel)
    ax.grid(axis="y", visible=False)
    return ax


def interval(ax: Axes, at: npt.ArrayLike, ends: Ends, *, across: bool = False, **how: Any) -> None:
    """Draw marks with bars between their ends, placed at `at`; bars lie flat if `across`.

    Bars without finite ends are left out.
    """
    low, middle, high = (np.atleast_1d(np.asarray(end, float)) for end in ends)
    bars = np.stack([middle - low, high - middle])
    bars[~np.isfinite(bars)] = np.nan
    if across:
        ax.errorbar(middle, at, xerr=bars, **how)
    else:
        ax.errorbar(at, middle, bars, **how)


def band(ax: Axes, x: npt.ArrayLike, ends: Ends, *, color: str, **how: Any) -> None:
    """Draw a line with a band between its ends."""
    low, middle, high = ends
    ax.plot(x, middle, color=color, **how)
    ax.fill_between(x, low, high, color=color, alpha=0.15, lw=0)


def legend(ax: Axes) -> None:
    """Add a legend above the axes, where it covers nothing, if there is something to name."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(**ABOVE)


def name_lines(ax: Axes, by: str, seeds: Sequence[int]) -> Axes:
    """Return `ax` with its lines named beside it, in the order of their ends, the highest first.

    The lines are settings of `by`; `seeds`: how many runs each has, in the order drawn.
    """
    lines, names = ax.get_legend_handles_labels()
    if by in NAMES and lines:
        told = f"{seeds[0]} seed{'s' * (seeds[0] > 1)} each"
        if len(set(seeds)) > 1:
            told = "in brackets: seeds"
            names = [f"{name} ({count})" for name, count in zip(names, seeds, strict=True)]
        order = np.argsort([-last(line) for line in lines], kind="stable")
        ax.legend([lines[n] for n in order], [names[n] for n in order], **BESIDE)
        ax.set_title(f"{NAMES[by]}, {told}", loc="left", fontsize=9, color="#595959")
    return ax


def last(line: Line2D | ErrorbarContainer) -> float:
    """Return how high a line ends; not a number where it has no point."""
    heights = np.asarray((line if isinstance(line, Line2D) else line[0]).get_ydata(), float)
    return float([np.nan, *heights[np.isfinite(heights)]][-1])


def grouped(runs: Iterable[Run], by: str) -> dict[Any, list[Run]]:
    """Return runs by the value of a hyperparameter, numbers in rising order."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(getattr(run.config, by), []).append(run)
    return {value: groups[value] for value in in_order(groups)}
