"""Pictures of the data: its images, their pixels and their classes.

Images are drawn dark on white, also on a dark page (class "dark-light" of the cell).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor

from fmnist_lab.data import CLASSES, Data

from .style import PAGE, axes

SIDE = 28  # pixels of an image's edge
CAPTION = 9  # points
GAP = 3  # pixels between two images
SHOWN, PAIRS = 15, 16  # single images, and pairs, in a gallery


def gallery(
    images: npt.ArrayLike,
    *,
    columns: int,
    captions: Sequence[str] = (),
    rows: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw images in a grid, row by row, each over its caption.

    images: (n, 784) or (n, height, width), 0 drawn white and 1 black; `captions`: none or one per
    image, of one line or more; `rows`: labels of the rows.
    """
    tiles = np.asarray(images, float)
    if tiles.ndim == 2:
        tiles = tiles.reshape(-1, SIDE, SIDE)
    count, height, width = tiles.shape
    down = max(1, -(-count // columns))
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    points_per_pixel = PAGE * 72 / (columns * (width + GAP))
    below = math.ceil(1.25 * CAPTION * lines / points_per_pixel)  # pixels
    across, high = width + GAP, height + GAP + below
    canvas = np.zeros((down * high - GAP, columns * across - GAP))
    shape = PAGE * canvas.shape[0] / canvas.shape[1]
    ax = axes(ax, width=PAGE, height=max(1.0, shape))
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


def samples(fashion: Data, count: int, seed: int) -> Axes:
    """Show `count` training images of each class, drawn by `seed`, a row per class."""
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(fashion.labels), generator=random)
    shown = [order[fashion.labels[order] == kind][:count] for kind in range(10)]
    return gallery(fashion.images[torch.cat(shown)], columns=count, rows=CLASSES)


def class_means(fashion: Data) -> Axes:
    """Show each class's mean image, above the standard deviation of its pixels, twice as dark."""
    kinds = [fashion.images[fashion.labels == kind] for kind in range(10)]
    means = [images.mean(0) for images in kinds] + [2 * images.std(0) for images in kinds]
    return gallery(torch.stack(means), columns=10, captions=2 * CLASSES)


def look_alikes(fashion: Data, pairs: pd.DataFrame) -> Axes:
    """Show the closest pairs of a test image, on the left, and a training image.

    `pairs`: as `facts.neighbors.close_pairs` returns them, with a column for each one's label.
    """
    closest = pairs.head(PAIRS)
    left = fashion.test_images[closest["first"].tolist()].view(-1, 28, 28)
    right = fashion.images[closest["second"].tolist()].view(-1, 28, 28)
    rows = closest[["distance", "test label", "training label"]].to_numpy()
    words = [f"{d:.3f}:\n{CLASSES[int(a)]}, {CLASSES[int(b)]}" for d, a, b in rows]
    return gallery(torch.cat([left, right], 2), columns=4, captions=words)


def contradicted(fashion: Data, validation: Tensor, votes: Tensor) -> Axes:
    """Show the first images whose neighbours all have the same label, but not theirs.

    `validation`: (n,) indices; `votes`: (n, k) their neighbours' labels.
    """
    truth = fashion.labels[validation]
    odd = (votes == votes[:, :1]).all(1) & (votes[:, 0] != truth)
    some = odd.nonzero().flatten()[:SHOWN]
    words = [f"{CLASSES[truth[n]]}\nnear: {CLASSES[votes[n, 0]]}" for n in some]
    return gallery(fashion.images[validation[some]], columns=5, captions=words)
