"""Pictures of the data: a gallery shows every image at its place, counts stand out."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fmnist_lab import pictures
from fmnist_lab.pictures.images import GAP, gallery
from fmnist_lab.pictures.style import axes
from fmnist_lab.runs.predictions import Predictions
from tests.pictures.seen import canvas, labels, texts


def test_a_gallery_puts_images_row_by_row():
    images = np.stack([np.full(784, grey) for grey in (0.1, 0.2, 0.3)])
    drawn = canvas(gallery(images, columns=2))
    assert drawn.shape == (2 * 28 + GAP, 2 * 28 + GAP)
    assert (drawn[:28, :28] == 0.1).all()
    assert (drawn[:28, 28 + GAP :] == 0.2).all()
    assert (drawn[28 + GAP :, :28] == 0.3).all()
    assert (drawn[28 + GAP :, 28 + GAP :] == 0).all()  # no fourth image: white


def test_a_gallery_shows_zero_white_and_one_black():
    (image,) = gallery(np.zeros((1, 784)), columns=1).images
    assert image.to_rgba(np.array([0.0, 1.0]))[:, :3].tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_gallery_takes_images_of_any_shape():
    assert canvas(gallery(np.ones((2, 28, 56)), columns=1)).shape == (2 * 28 + GAP, 56)


def test_captions_stand_under_their_images_and_clear_of_the_next_row():
    ax = gallery(np.ones((4, 784)), columns=2, captions=["a", "b\nb", "c", "d"])
    ax.figure.canvas.draw()
    assert texts(ax) == ["a", "b\nb", "c", "d"]
    inside = [text.get_window_extent().transformed(ax.transData.inverted()) for text in ax.texts]
    for box in inside[:2]:  # the image's axis points down: its bottom is the larger y
        top, bottom = sorted((box.y0, box.y1))
        assert top > 27
        assert (canvas(ax)[int(bottom) + 1] == 1).sum() in (0, 56)
        assert bottom < np.flatnonzero(canvas(ax)[30:, 0])[0] + 30


def test_the_rows_of_a_gallery_are_named_at_their_middle():
    ax = gallery(np.ones((4, 784)), columns=2, rows=["above", "below"])
    assert labels(ax.yaxis) == ["above", "below"]
    assert ax.get_yticks().tolist() == [13.5, 28 + GAP + 13.5]


def test_a_gallery_of_nothing_is_white():
    assert not canvas(gallery(np.zeros((0, 784)), columns=5)).any()


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: gallery(np.zeros((1, 784)), columns=1, ax=ax),
        lambda ax: pictures.matrix(np.eye(10), ax=ax),
        lambda ax: pictures.reliability(Predictions.of([], [0]), ax=ax),
        lambda ax: pictures.by_class(Predictions.of([], [0]), ax=ax),
        lambda ax: pictures.beside_printed({"test": []}, {}, ax=ax),
    ],
)
def test_every_picture_draws_on_the_axes_it_is_given(draw):
    ax = axes()
    assert draw(ax) is ax
    assert len(plt.get_fignums()) == 1
