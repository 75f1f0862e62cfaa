"""fmnist_lab.training.model: the report's network, and where its weights start."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from fmnist_lab.training.model import FashionClassifier, initial_network
from fmnist_lab.training.shapes import parameter_count


def weights(network):
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])


@pytest.mark.parametrize(("depth", "width"), [(0, 0), (1, 128), (3, 20)])
def test_initial_weights_are_those_of_pytorch_after_manual_seed(depth, width):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = FashionClassifier(784, depth, width, 10)
    assert torch.equal(weights(initial_network(depth, width, 7)), weights(expected))
    assert len(weights(expected)) == parameter_count(depth, width)
    normed = FashionClassifier(784, depth, width, 10, batch_norm=True)
    assert len(weights(normed)) == parameter_count(depth, width, batch_norm=True)


def test_drawing_weights_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    initial_network(1, 8, 7)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_networks_drawn_in_several_threads_at_once_are_those_drawn_alone():
    seeds = list(range(200))
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda seed: weights(initial_network(1, 64, seed)), seeds))
    for seed, drawn in zip(seeds, together, strict=True):
        assert torch.equal(drawn, weights(initial_network(1, 64, seed)))


@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 28, 28)])
def test_images_are_taken_as_tutorials_give_them(shape):
    network, images = initial_network(1, 8, 7), torch.rand(5, 784)
    assert torch.equal(network(images.view(5, *shape)), network.layers(images))
