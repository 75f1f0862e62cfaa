"""Pictures of images, and of where a classifier errs: every function draws on one Axes.

Images are drawn dark on white; on a dark page they stay so (class "dark-light" of the cell).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fmnist_lab.data import CLASSES
from fmnist_lab.verdicts.statistics import prediction_interval

from .style import BACKDROP, COLORS, axes, percent

SIDE = 28  # pixels of an image's edge
PAGE = 7.0  # inches: the width of a figure on a page
CAPTION = 8  # points
GAP = 3  # pixels between two images
DARK = 0.515  # share above which numbers are white: there black and white both have 4.5 : 1


def gallery(
    images: npt.ArrayLike,
    *,
    columns: int,
    captions: Sequence[str] = (),
    rows: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw images in a grid, row by row, each over its caption.

    images: (n, 784) or (n, height, width), 0 drawn white and 1 black; `captions`: none or one an
    image, of one line or more; `rows`: labels of the rows. Raises ValueError for other numbers.
    """
    tiles = np.asarray(images, float)
    if tiles.ndim == 2:
        tiles = tiles.reshape(-1, SIDE, SIDE)
    count, height, width = tiles.shape
    down = max(1, -(-count // columns))
    for name, texts, wanted in (("captions", captions, count), ("rows", rows, down)):
        if len(texts) not in (0, wanted):
            raise ValueError(f"{len(texts)} {name} for {wanted} places; give one for each, or none")
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    points_per_pixel = PAGE * 72 / (columns * (width + GAP))
    below = math.ceil(1.25 * CAPTION * lines / points_per_pixel)  # pixels
    across, high = width + GAP, height + GAP + below
    canvas = np.zeros((down * high - GAP, columns * across - GAP))
    shape = PAGE * canvas.shape[0] / canvas.shape[1]
    ax = axes(ax, height=max(1.0, shape))
    for n, tile in enumerate(tiles):
        top, left = n // columns * high, n % columns * across
        canvas[top : top + height, left : left + width] = tile
        if captions:
            place = left + (width - 1) / 2, top + height + 0.5
            ax.text(*place, captions[n], ha="center", va="top", fontsize=CAPTION, linespacing=1.1)
    ax.imshow(canvas, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    middles = np.arange(down) * high + (height - 1) / 2
    ax.set_yticks(middles if rows else [], rows or None)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


def matrix(
    counts: npt.ArrayLike,
    *,
    across: str = "predicted class",
    down: str = "true class",
    names: Sequence[str] = CLASSES,
    ax: Axes | None = None,
) -> Axes:
    """Draw a (k, k) matrix of counts: numbers are counts, shades the share of a row's sum.

    The shade grows with the root of the share, or nothing would be seen beside the diagonal.
    """
    table = np.asarray(counts, float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    ax = axes(ax, height=6.2)
    ax.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(np.round(table)), strict=True):
        ink = "white" if share[row, column] > DARK else "black"
        text = f"{table[row, column]:.0f}"
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=across, ylabel=down)
    ax.grid(False)
    return ax


def reliability(tables: Sequence[pd.DataFrame], ax: Axes | None = None) -> Axes:
    """Draw accuracy against confidence, a line a run; `tables` from `calibration.reliability`.

    A marker's area is the bin's share of the images. Below the diagonal a run is surer than it
    is right.
    """
    ax = axes(ax, height=5.0)
    ax.plot([0, 1], [0, 1], color="#767676", ls="--", lw=1.2, label="confidence = accuracy")
    for n, table in enumerate(tables):
        x, y = table["confidence"], table["accuracy"]
        area = 1500 * table["count"] / max(1, table["count"].sum())
        name = f"{len(tables)} run{'s' * (len(tables) > 1)}" if n == 0 else None
        ax.plot(x, y, color=COLORS[0], lw=1.2, alpha=0.8, label=name)
        ax.scatter(x, y, s=np.maximum(area, 8), color=COLORS[0], alpha=0.3, lw=0, zorder=3)
    ax.set(xlabel="confidence: probability of the predicted class", ylabel="accuracy")
    ax.set(xlim=(0, 1.04), ylim=(0, 1.04))
    for axis in (ax.xaxis, ax.yaxis):
        percent(axis)
    ax.legend(fontsize=9, frameon=False, loc="upper left")
    return ax


def by_class(
    tables: Sequence[pd.DataFrame], names: Sequence[str] = CLASSES, ax: Axes | None = None
) -> Axes:
    """Draw precision and recall of each class; `tables` from `calibration.precision_recall`.

    A marker is the mean over runs, its bar reaches from the lowest run to the highest.
    """
    ax = axes(ax, height=4.8)
    place = np.arange(len(names))
    looks = (("precision", "o", COLORS[0], -0.12), ("recall", "s", COLORS[1], 0.12))
    for metric, marker, color, shift in looks:
        if not tables:
            continue
        values = np.array([table[metric] for table in tables])  # (runs, classes)
        mean = values.mean(axis=0)
        bars = [mean - values.min(axis=0), values.max(axis=0) - mean]
        style = {"fmt": marker, "color": color, "ms": 6, "capsize": 3, "label": metric}
        ax.errorbar(mean, place + shift, xerr=bars, **style)
    if tables:
        ax.legend(fontsize=9, frameon=False, loc="lower left")
    ax.set_yticks(place, names)
    ax.set(xlabel="share of images", ylim=(len(names) - 0.5, -0.5))
    percent(ax.xaxis)
    return ax


def grey_levels(sets: Mapping[str, npt.ArrayLike], ax: Axes | None = None) -> Axes:
    """Draw what share of all pixels has which value; values in [0, 1] are whole 255ths.

    sets: the images of each name, any shape. The vertical axis is logarithmic.
    """
    ax = axes(ax, height=3.6)
    for n, (name, images) in enumerate(sets.items()):
        levels = torch.as_tensor(images).mul(255).round().to(torch.uint8).flatten()
        share = torch.bincount(levels, minlength=256).numpy() / len(levels)
        style = {"color": COLORS[n], "ls": ("-", "--")[n % 2], "lw": 1.5 - 0.4 * n}
        ax.plot(np.arange(256) / 255, share, label=name, **style)
    ax.set(xlabel="pixel value: 0 background, 1 brightest", ylabel="share of pixels", yscale="log")
    percent(ax.yaxis)
    ax.legend(fontsize=9, frameon=False)
    return ax


def class_counts(
    counts: pd.DataFrame, chosen: int, *, expected: float, sd: float, ax: Axes | None = None
) -> Axes:
    """Draw how many images of each class a split drew, a circle a seed.

    counts: a row a seed, a column a class. The band is `expected` plus and minus two `sd`; the
    `chosen` seed is filled.
    """
    ax = axes(ax, height=3.8)
    ax.axhspan(expected - 2 * sd, expected + 2 * sd, color="#E8F1F8", zorder=0)
    ax.axhline(expected, color="#767676", lw=1, ls="--", zorder=1)
    place = np.arange(counts.shape[1])
    for _, row in counts.drop(index=chosen).iterrows():
        ax.plot(place, row, "o", mfc="none", color=BACKDROP, ms=5, zorder=2)
    ax.plot(place, counts.loc[chosen], "o", color=COLORS[0], ms=7, label=f"seed {chosen}", zorder=3)
    ax.set_xticks(place, counts.columns, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_ylabel("validation images")
    ax.legend(fontsize=9, frameon=False)
    return ax


def beside_printed(
    measured: Mapping[str, Sequence[float]],
    printed: Mapping[str, Sequence[float]],
    ax: Axes | None = None,
) -> Axes:
    """Draw runs beside the figures that a report prints, a row a measure; all are fractions.

    A circle is a run, the bar is where 95 % of single runs would fall (two runs or more), a
    diamond is a printed figure.
    """
    ax = axes(ax, height=0.8 + 0.75 * len(measured))
    for row, (name, values) in enumerate(measured.items()):
        runs = 100 * np.asarray(values, float)
        if len(runs) > 1:
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
