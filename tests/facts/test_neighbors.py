import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.facts.neighbors import close_pairs, identical, nearest, thumbnails


def blank(*greys: float) -> torch.Tensor:
    """Make images of one grey each, (n, 784)."""
    return torch.tensor(greys)[:, None].expand(-1, 784).clone()


def test_a_thumbnail_is_the_mean_of_every_block():
    image = torch.zeros(28, 28)
    image[0, 0] = 1.6  # one of the sixteen pixels of the first block
    image[24:, 24:] = 0.5  # all of the last
    small = thumbnails(image.view(1, 784))
    assert small.shape == (1, 49)
    assert small[0, 0].item() == pytest.approx(0.1)
    assert small[0, 48].item() == pytest.approx(0.5)
    assert small[0, 1:48].abs().max() == 0


def test_identical_images_are_found_in_groups():
    images = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.1, 0.2], [0.2, 0.1], [0.1, 0.2]])
    assert identical(images) == [[0, 2, 4]]


def test_images_that_differ_in_one_pixel_by_one_255th_are_not_identical():
    images = blank(0.0, 0.0)
    images[1, 100] = 1 / 255
    assert identical(images) == []


def test_the_distance_of_two_images_is_the_root_mean_square_over_pixels():
    checked = blank(0.5, 0.5)
    checked[1, ::4] = 0.7  # a quarter of the pixels by 0.2: sqrt(0.04 / 4) = 0.1
    found = close_pairs(checked[:1], checked[1:], 0.2)
    assert found["distance"].tolist() == pytest.approx([0.1])


def test_black_and_white_are_one_apart():
    assert close_pairs(blank(0.0), blank(1.0), 1.0)["distance"].tolist() == pytest.approx([1.0])


def test_pairs_come_the_closest_first_and_name_both_images():
    found = close_pairs(blank(0.9, 0.1), blank(0.5, 0.13, 0.1), 0.05)
    expected = pd.DataFrame({"first": [1, 1], "second": [2, 1], "distance": [0.0, 0.03]})
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, atol=1e-6)


def test_where_nothing_is_close_the_table_is_empty_and_has_its_columns():
    found = close_pairs(blank(0.0), blank(1.0), 0.5)
    assert found.empty
    assert list(found) == ["first", "second", "distance"]


@given(st.integers(0, 10_000), st.floats(0.0, 0.5))
@settings(max_examples=25, deadline=None)
def test_no_pair_is_missed_and_none_is_made_up(seed, threshold):
    random = torch.Generator().manual_seed(seed)
    first = torch.rand(30, 784, generator=random) * torch.rand(30, 1, generator=random)
    # Some are near images of the first set, at all distances up to about the threshold.
    noise = torch.randn(30, 784, generator=random) * torch.rand(30, 1, generator=random)
    second = first.flip(0) + threshold * noise
    found = close_pairs(first, second, threshold)
    exact = torch.cdist(first.double(), second.double()) / 28
    sure = exact < threshold - 1e-5
    pairs = set(zip(found["first"], found["second"], strict=True))
    assert {tuple(pair) for pair in sure.nonzero().tolist()} <= pairs
    assert all(exact[a, b] < threshold + 1e-5 for a, b in pairs)
    assert len(pairs) == len(found)


def test_the_closest_pairs_are_those_of_brute_force_on_the_real_images(fashion):
    first, second = fashion.test_images[:200], fashion.images[:3000]
    exact = (torch.cdist(first.double(), second.double()) / 28).flatten()
    found = close_pairs(first, second, 0.08)
    assert len(found) == (exact <= 0.08).sum() > 0
    assert found["distance"].tolist() == pytest.approx(exact[exact <= 0.08].sort().values.tolist())


def test_the_nearest_come_in_order():
    others = torch.tensor([[0.0, 0.0], [5.0, 0.0], [1.0, 0.0]])
    points = torch.tensor([[0.2, 0.0], [4.0, 0.0]])
    assert nearest(points, others, 3).tolist() == [[0, 2, 1], [1, 2, 0]]
    assert nearest(points, others).tolist() == [[0], [1]]
