"""Images mirrored or shifted at random, so that no two epochs see the same images."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from .layers import Operations
from .shapes import INPUT_DIM

SIDE = 28  # pixels


def variants(augment: str) -> Tensor:
    """Return which pixel each variant of an image takes at each place: (variants, 784).

    784 stands for a black pixel from beyond the edge. The variants are equally likely: mirrored or
    not, and shifted by up to a pixel in either direction or not.
    """
    pixels = torch.arange(INPUT_DIM).view(SIDE, SIDE)
    padded = nn.functional.pad(pixels, (1, 1, 1, 1), value=INPUT_DIM)
    starts = range(3) if "shift" in augment else [1]
    flips = [padded, padded.fliplr()] if "flip" in augment else [padded]
    shifted = [f[y : y + SIDE, x : x + SIDE] for f in flips for y in starts for x in starts]
    return torch.stack(shifted).flatten(1)


class Augment:
    """Replaces each image by a variant."""

    def __init__(self, images: Tensor, drawn: Tensor, augment: str):
        """Take images (S, n, 784) and the numbers of their variants (S, n)."""
        self.images, self.drawn = images, drawn
        self.variants = variants(augment).to(images.device)
        self.places = self.variants.new_empty(images.shape)
        self.moved = images.new_empty(images.shape)
        self.held = (self.variants, self.places, self.moved)

    def forward(self) -> Operations:
        rows = self.places.view(-1, INPUT_DIM)
        yield partial(torch.index_select, self.variants, 0, self.drawn.view(-1), out=rows)
        yield self.move

    def move(self) -> None:
        inside = self.places < INPUT_DIM
        torch.gather(self.images, 2, self.places.clamp_(max=INPUT_DIM - 1), out=self.moved)
        torch.mul(self.moved, inside, out=self.images)
