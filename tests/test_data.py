"""fmnist_lab.data: the data set as it is loaded, the streams of a seed, the split it draws."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import FashionMNIST

from fmnist_lab import data, sources

SEEDS = st.integers(min_value=0, max_value=2**63)
STREAMS = st.sampled_from(data.STREAMS)


# --- The real files


def test_the_real_files_load_as_flat_images_in_zero_to_one(fashion):
    assert fashion.images.shape == (60_000, 784)
    assert fashion.test_images.shape == (10_000, 784)
    for images in (fashion.images, fashion.test_images):
        assert images.dtype == torch.float32
        assert (images.min().item(), images.max().item()) == (0.0, 1.0)
    assert torch.equal(fashion.labels.bincount(), torch.full((10,), 6000))
    assert torch.equal(fashion.test_labels.bincount(), torch.full((10,), 1000))
    # The mean and standard deviation commonly used to normalise Fashion-MNIST.
    assert fashion.images.mean().item() == pytest.approx(0.2860, abs=5e-5)
    assert fashion.images.std().item() == pytest.approx(0.3530, abs=5e-5)
    assert fashion.digest == "697249e9d1e87d6b"  # a part of every run's identity


def test_torchvision_reads_what_locate_returns(data_root):
    image, label = FashionMNIST(data_root, train=False)[0]
    assert (image.size, data.CLASSES[label]) == ((28, 28), "Ankle boot")


def test_the_longest_of_the_files_is_as_long_as_one_may_be(data_root):
    sizes = [path.stat().st_size for path in (data_root / "FashionMNIST" / "raw").iterdir()]
    assert max(sizes) == sources.MAX_BYTES


def test_data_moves_to_a_device_with_its_digest():
    images, labels = torch.zeros(2, 784), torch.zeros(2, dtype=torch.int64)
    moved = data.Data(images, labels, images, labels, "0123").to("meta")
    tensors = (moved.images, moved.labels, moved.test_images, moved.test_labels)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.digest == "0123"


def test_names_classes_and_mirror_are_those_that_torchvision_knows():
    assert [f"{name}.gz" for name in sources.FILES] == [name for name, _ in FashionMNIST.resources]
    assert list(data.CLASSES) == FashionMNIST.classes
    assert sources.MIRRORS[0] in FashionMNIST.mirrors


# --- Seeds and splits


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_split_puts_each_of_the_60_000_images_on_one_side(seed):
    train, validation = data.split(seed)
    assert (len(train), len(validation)) == (48_000, 12_000)
    assert train.dtype == validation.dtype == torch.int64
    assert torch.equal(torch.cat([train, validation]).sort().values, torch.arange(60_000))


@given(seeds=st.tuples(SEEDS, SEEDS).filter(lambda pair: pair[0] != pair[1]))
@settings(max_examples=20, deadline=None)
def test_a_split_is_its_seeds_own_and_always_the_same(seeds):
    (one, other) = (data.split(seed)[1] for seed in seeds)
    assert torch.equal(one, data.split(seeds[0])[1])
    # A fifth of one is expected in the other, 2,400; 200 are five standard deviations.
    assert abs(torch.isin(one, other).sum().item() - 2_400) < 200


def test_the_split_of_seed_0_never_changes():
    train, validation = data.split(0)
    assert train[:4].tolist() == [19982, 10379, 3610, 53715]
    assert validation[:4].tolist() == [2376, 45176, 35050, 2423]
    assert (
        hashlib.sha256(train.numpy().astype("<i8").tobytes()).hexdigest()[:16] == "3ef18678e045f891"
    )
    assert (
        hashlib.sha256(validation.numpy().astype("<i8").tobytes()).hexdigest()[:16]
        == "27f1df18855c7b5f"
    )


@pytest.mark.parametrize(
    ("stream", "first"),
    [("split", 32430), ("weights", 59935), ("order", 21046), ("augment", 17641)],
)
def test_the_streams_of_seed_0_never_change(stream, first):
    # As training draws: `torch.randint` changed with PyTorch 2.7 or 2.8, a permutation did not.
    assert torch.randperm(1 << 16, generator=data.generator(0, stream))[0].item() == first


@given(seed=SEEDS, drawn=STREAMS, other=STREAMS, count=st.integers(1, 5000))
@settings(max_examples=50, deadline=None)
def test_drawing_from_one_stream_leaves_every_other_generator_alone(seed, drawn, other, count):
    expected = torch.rand(100, generator=data.generator(seed, other))
    held, ambient = data.generator(seed, other), torch.get_rng_state()
    torch.rand(count, generator=data.generator(seed, drawn))
    assert torch.equal(torch.rand(100, generator=held), expected)
    assert torch.equal(torch.rand(100, generator=data.generator(seed, other)), expected)
    assert torch.equal(torch.get_rng_state(), ambient)


@given(
    places=st.lists(st.tuples(SEEDS, STREAMS), min_size=2, max_size=2, unique=True),
)
@settings(max_examples=50, deadline=None)
def test_two_streams_of_any_seeds_are_uncorrelated(places):
    draws = torch.stack([torch.randn(10_000, generator=data.generator(*at)) for at in places])
    assert abs(draws.corrcoef()[0, 1].item()) < 0.06  # six standard deviations


def test_the_streams_of_the_first_thousand_seeds_all_differ():
    # Only 32 bits of a seed count for PyTorch's CPU generator, so that this is not a matter of
    # course: of 5,000 draws two agree by chance once in 350 times.
    starts = {
        data.generator(seed, name).initial_seed() for seed in range(1000) for name in data.STREAMS
    }
    assert len({start % 2**32 for start in starts}) == 5000
