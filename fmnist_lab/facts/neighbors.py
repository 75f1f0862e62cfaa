"""Which images are close to each other, pixel by pixel.

The distance of two images is the root mean square of the differences of their pixels: 0 for
the same image, 1 for black against white.
"""

from __future__ import annotations

import hashlib

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

SIDE = 28  # pixels of an image's edge
BLOCK = 4  # pixels; 7 x 7 blocks keep a garment's outline at a sixteenth of the arithmetic
CHUNK = 500  # images at a time: their distances to 60,000 others take 120 MB
PAIRS = 20_000  # compared pixel by pixel at a time: 63 MB per side
# Float32 rounds a squared distance of thumbnails by at most 49 * 6e-8 * 49 = 1.4e-4.
SLACK = 1e-3


def thumbnails(images: Tensor) -> Tensor:
    """Average every block of 4 x 4 pixels: (n, 784) to (n, 49)."""
    return avg_pool2d(images.view(-1, 1, SIDE, SIDE), BLOCK).flatten(1)


def identical(images: Tensor) -> list[list[int]]:
    """Return the groups of images (n, any) that are the same, byte by byte, as rising indices.

    The SHA-256 of their bytes finds them, so each image is read once.
    """
    groups: dict[bytes, list[int]] = {}
    for n, image in enumerate(images.contiguous().numpy()):
        groups.setdefault(hashlib.sha256(image.tobytes()).digest(), []).append(n)
    return [group for group in groups.values() if len(group) > 1]


def close_pairs(first: Tensor, second: Tensor, threshold: float) -> pd.DataFrame:
    """Find every pair of images, one from each set, that are at most `threshold` apart.

    first: (n, 784), second: (m, 784). Returns a row per pair, the closest first: its indices
    `first` and `second` and its `distance`.

    No pair is missed: the mean of squares is at least the square of the mean, so two images are
    no closer than their thumbnails, and these no closer than their mean brightness. These cheap
    tests rule out most pairs. 10,000 x 60,000 images at a threshold of 0.05 take 2 s on one core;
    all pixels of all pairs would take ten times as long.
    """
    small, others = thumbnails(first), thumbnails(second)
    order, other_order = small.mean(1).argsort(), others.mean(1).argsort()
    others = others[other_order]
    brightness, norms = others.mean(1), others.square().sum(1)
    limit = others.shape[1] * threshold**2 + SLACK
    found = []
    for rows in order.split(CHUNK):
        part = small[rows]
        ends = part.mean(1).aminmax()
        low = int(torch.searchsorted(brightness, ends.min - threshold - SLACK))
        high = int(torch.searchsorted(brightness, ends.max + threshold + SLACK))
        # |p - o|^2 = |p|^2 - 2 p.o + |o|^2, with |p|^2 on the other side of the comparison
        partial = torch.addmm(norms[low:high], part, others[low:high].T, alpha=-2)
        near = (partial <= (limit - part.square().sum(1))[:, None]).nonzero()  # (candidates, 2)
        for a, b in zip(near[:, 0].split(PAIRS), near[:, 1].split(PAIRS), strict=True):
            one, other = rows[a], other_order[low + b]
            distance = (first[one] - second[other]).square().mean(1).sqrt()
            pairs = {"first": one, "second": other, "distance": distance}
            frame = pd.DataFrame({name: column.numpy() for name, column in pairs.items()})
            found.append(frame[frame["distance"] <= threshold])
    every = pd.concat(found, ignore_index=True)
    return every.sort_values(["distance", "first", "second"], ignore_index=True)


def nearest(points: Tensor, others: Tensor, count: int = 1) -> Tensor:
    """Return the indices (n, count) of the nearest among `others` to each point, nearest first.

    points: (n, d), others: (m, d); Euclidean distance.
    """
    norms = others.square().sum(1)
    return torch.cat(
        [  # |p|^2 is the same for all others, so it does not change their order
            torch.addmm(norms, part, others.T, alpha=-2).topk(count, largest=False).indices
            for part in points.split(CHUNK)
        ]
    )
