"""fmnist_lab.training.memory: the estimate is what a training holds."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from fmnist_lab.config import Config
from fmnist_lab.training import memory
from fmnist_lab.training.evaluation import CHUNK, Chunk
from fmnist_lab.training.model import initial_network, techniques
from fmnist_lab.training.shapes import parameter_count
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training

CONFIG = Config(depth=2, width=16, batch_size=48, train_size=500)


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Let the collector leave alone what other tests keep, such as all published runs."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def storages() -> dict[int, int]:
    """The bytes of every tensor that the collector knows, by where they are."""
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    found = (tensor.untyped_storage() for tensor in tensors)
    return {storage.data_ptr(): storage.nbytes() for storage in found}


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, depth=0),
        replace(CONFIG, batch_size=1),
        replace(CONFIG, batch_size=48_000, train_size=2_000),  # gathers all images at once
        replace(CONFIG, precision="bfloat16"),
        replace(
            CONFIG,
            optimizer="sgd",
            dropout=0.5,
            input_dropout=0.1,
            batch_norm="on",
            average=0.9,
            schedule="cosine",
            augment="flip_shift",
        ),
        replace(CONFIG, optimizer="muon"),
    ],
    ids=[
        "small",
        "softmax regression",
        "single images",
        "one batch",
        "bfloat16",
        "techniques",
        "muon",
    ],
)
@pytest.mark.usefixtures("forgetful")
def test_all_that_a_training_and_its_evaluation_hold_is_foreseen(config, members):
    operands = getattr(torch, config.precision)
    pixels, targets = torch.rand(1, 784).to(operands), torch.rand(10, 1)
    shape = config.depth, config.width
    networks = [initial_network(*shape, n, **techniques(config)) for n in range(members)]
    before = storages()
    stack = Stack.of(networks, pixels, targets)
    held = [Training(stack, pixels, targets, config), Chunk(stack, CHUNK)]
    there = sum(size for place, size in storages().items() if place not in before)
    assert held
    foreseen = sum(memory.held(config, members)) - members * memory.passing(config)
    assert foreseen <= there <= 1.01 * foreseen + 1_000  # and some single numbers


@pytest.mark.parametrize("config", [replace(CONFIG, width=400), replace(CONFIG, batch_size=500)])
def test_the_training_of_those_who_are_left_is_built_beside_what_another_leaves(config):
    written = memory.WRITTEN * parameter_count(config.depth, config.width)
    (own, _), (left, buffers) = memory.held(config, 3), memory.held(config, 2)
    assert memory.training_bytes(config, 3) >= own + left + buffers + written
    assert memory.training_bytes(config, 3) >= sum(memory.held(config, 3)) + written
    assert memory.training_bytes(config, 1) == sum(memory.held(config, 1)) + written


def test_a_seed_changes_nothing_of_it():
    assert memory.training_bytes(replace(CONFIG, seed=9), 2) == memory.training_bytes(CONFIG, 2)


def test_a_training_gives_its_memory_back_at_once():
    pixels, targets = torch.rand(1, 784), torch.rand(10, 1)
    gc.disable()  # it would find, some time, what refers to itself
    try:
        training = Training(
            Stack.of([initial_network(1, 8, 0)], pixels, targets), pixels, targets, CONFIG
        )
        last = weakref.ref(training), weakref.ref(training.blocks[training.block])
        del training
        assert [reference() for reference in last] == [None, None]
    finally:
        gc.enable()
