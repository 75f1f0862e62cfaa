"""Pictures of the data's own images: each a gallery of those that a page speaks of."""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor

from fmnist_lab.data import CLASSES, Data

from .images import gallery
from .predictions import Predictions

SHOWN, PAIRS = 15, 16  # single images, and pairs, in a gallery


def samples(fashion: Data, count: int, seed: int) -> Axes:
    """Show `count` training images of each class, drawn by `seed`, a row a class."""
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(fashion.labels), generator=random)
    shown = [order[fashion.labels[order] == kind][:count] for kind in range(10)]
    return gallery(fashion.images[torch.cat(shown)], columns=count, rows=CLASSES)


def class_means(fashion: Data) -> Axes:
    """Show each class's mean image, above the standard deviation of its pixels, twice as dark."""
    kinds = [fashion.images[fashion.labels == kind] for kind in range(10)]
    means = [images.mean(0) for images in kinds] + [2 * images.std(0) for images in kinds]
    return gallery(torch.stack(means), columns=10, captions=2 * CLASSES)


def twins(fashion: Data, pairs: pd.DataFrame) -> Axes:
    """Show the closest pairs of a test image, at the left, and a training image.

    `pairs`: as `neighbors.close_pairs` returns them, with a column for either's label.
    """
    closest = pairs.head(PAIRS)
    left = fashion.test_images[closest["first"].tolist()].view(-1, 28, 28)
    right = fashion.images[closest["second"].tolist()].view(-1, 28, 28)
    rows = closest[["distance", "test label", "training label"]].to_numpy()
    words = [f"{d:.3f}: {CLASSES[int(a)]}, {CLASSES[int(b)]}" for d, a, b in rows]
    return gallery(torch.cat([left, right], 2), columns=4, captions=words)


def contradicted(fashion: Data, validation: Tensor, votes: Tensor) -> Axes:
    """Show the first images whose neighbours all carry one label that is not their own.

    `validation`: (n,) indices; `votes`: (n, k) their neighbours' labels.
    """
    truth = fashion.labels[validation]
    odd = (votes == votes[:, :1]).all(1) & (votes[:, 0] != truth)
    some = odd.nonzero().flatten()[:SHOWN]
    words = [f"{CLASSES[truth[n]]}\nnear: {CLASSES[votes[n, 0]]}" for n in some]
    return gallery(fashion.images[validation[some]], columns=5, captions=words)


def surely_wrong(fashion: Data, found: Predictions) -> Axes:
    """Show the test images that every run got wrong, with the first run's answer, surest first."""
    wrong = found.always_wrong()[:SHOWN]
    words = []
    for n in wrong:
        answer, sure = CLASSES[found.classes[0, n]], 100 * found.confidence[:, n].mean()
        words.append(f"{CLASSES[found.labels[n]]}\n{answer}, {sure:.0f} %")
    return gallery(fashion.test_images[wrong], columns=5, captions=words)
