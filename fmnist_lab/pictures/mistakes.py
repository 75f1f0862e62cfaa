"""Mistakes: what runs of one setting predicted for the test images, and how far to trust them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from torch import Tensor

from fmnist_lab.data import CLASSES, Data
from fmnist_lab.runs.predictions import Predictions

from .images import SHOWN, gallery
from .style import COLORS, INK, axes, interval, legend, percent, rows

DARK = 0.515  # share above which numbers are white: at it, black and white both have 4.5 : 1


def matrix(
    counts: npt.ArrayLike, *, across: str = "predicted class", ax: Axes | None = None
) -> Axes:
    """Draw a (10, 10) matrix of counts, a row per true class; shades are shares of the row's sum.

    The shade grows with the root of the share; otherwise only the diagonal would be visible.
    """
    table = np.asarray(counts, float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    ax = axes(ax, height=5.2)
    ax.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(np.round(table)), strict=True):
        ink = INK["light" if share[row, column] > DARK else "dark"]
        text = f"{table[row, column]:.0f}"
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(range(10), CLASSES, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(10), CLASSES)
    ax.set(xlabel=across, ylabel="true class")
    ax.grid(False)
    return ax


def reliability(found: Predictions, ax: Axes | None = None) -> Axes:
    """Draw accuracy against confidence, a line per run.

    A marker's area is the bin's share of the images. Below the diagonal a run is surer than it
    is right.
    """
    ax = axes(ax, height=4.4)
    ax.plot([0, 1], [0, 1], color="#767676", ls="--", lw=1.2, label="confidence = accuracy")
    tables = found.reliability()
    for n, table in enumerate(tables):
        x, y = table["confidence"], table["accuracy"]
        area = 1500 * table["count"] / table["count"].sum()
        name = f"{len(tables)} run{'s' * (len(tables) > 1)}" if n == 0 else None
        ax.plot(x, y, color=COLORS[0], lw=1.2, alpha=0.8, label=name)
        ax.scatter(x, y, s=np.maximum(area, 8), color=COLORS[0], alpha=0.3, lw=0, zorder=3)
    ax.set(xlabel="confidence: probability of the predicted class", ylabel="accuracy")
    ax.set(xlim=(0, 1.04), ylim=(0, 1.04))
    for axis in (ax.xaxis, ax.yaxis):
        percent(axis)
    legend(ax)
    return ax


def by_class(found: Predictions, ax: Axes | None = None) -> Axes:
    """Draw precision and recall of each class.

    A marker is the mean over runs, its bar reaches from the lowest run to the highest. Precision
    of a class never predicted and recall of a class without images are 0 / 0, given as 0.
    """
    ax = axes(ax, height=4.4)
    counts = found.confusions()  # (S, 10, 10)
    looks = (("precision", 1, "o", COLORS[0], -0.12), ("recall", 2, "s", COLORS[1], 0.12))
    for name, axis, marker, color, shift in looks if len(counts) else ():
        hits = counts.diagonal(axis1=1, axis2=2)
        share = hits / np.maximum(counts.sum(axis=axis), 1)  # (S, 10)
        ends = share.min(axis=0), share.mean(axis=0), share.max(axis=0)
        style = {"fmt": marker, "color": color, "ms": 6, "capsize": 3, "label": name}
        interval(ax, np.arange(10) + shift, ends, across=True, **style)
    legend(ax)
    rows(ax, CLASSES)
    ax.set_xlabel("share of images")
    percent(ax.xaxis)
    return ax


def answers(
    images: Tensor, found: Predictions, chosen: npt.ArrayLike, ax: Axes | None = None
) -> Axes:
    """Show the images (n, 784) at `chosen`: true class, below it the first run's answer.

    The runs' mean confidence in their answers is beside it; a cross marks a wrong answer among
    right ones.
    """
    shown = np.asarray(chosen, np.int64)
    right = found.classes[0, shown] == found.labels[shown] if shown.size else np.ones(0, bool)
    words = []
    for n, correct in zip(shown, right, strict=True):
        answer, sure = CLASSES[found.classes[0, n]], 100 * found.confidence[:, n].mean()
        cross = "✗ " if right.any() and not correct else ""
        words.append(f"{CLASSES[found.labels[n]]}\n{cross}{answer}, {sure:.0f} %")
    return gallery(images[shown], columns=5, captions=words, ax=ax)


def surely_wrong(fashion: Data, found: Predictions) -> Axes:
    """Show the test images that every run got wrong, with the first run's answer, surest first."""
    return answers(fashion.test_images, found, found.always_wrong()[:SHOWN])
