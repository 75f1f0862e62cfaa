"""Training on a GPU is training: the same networks, although work is recorded and replayed."""

from dataclasses import replace
from threading import Event

import pytest
import torch

from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.runs.run import HISTORY
from fmnist_lab.sweeps import crew
from fmnist_lab.sweeps.sweep import sweep
from fmnist_lab.training.trainer import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

# Patience stops each seed at another epoch; the last batch is smaller and forms its own block.
CONFIG = Config(
    depth=2, width=32, batch_size=48, learning_rate=0.01, train_size=500, epochs=12, patience=1
)
SEEDS = [replace(CONFIG, seed=seed) for seed in (0, 1, 2)]
METRICS = HISTORY[:-1]  # all but seconds
LARGE = Config(depth=2, width=2096, batch_size=512, train_size=2048, epochs=1)


def trained(configs, data, **options):
    runs = [run for epoch in train(configs, data, **options) for run in epoch.finished]
    return {run.config.seed: run for run in runs}


@pytest.fixture(scope="module")
def on_gpu(fashion):
    return fashion.to("cuda")


@pytest.fixture(scope="module")
def runs(on_gpu):
    return trained(SEEDS, on_gpu)


def test_each_member_ends_as_on_the_cpu(fashion64):
    """In double precision, where the devices' roundings do not add up to anything."""
    there, here = (
        trained(SEEDS, fashion64.to(device), dtype=torch.float64) for device in ("cuda", "cpu")
    )
    ends = {len(run.history["seconds"]) for run in here.values()}
    assert len(ends) > 1  # the stack lost members on its way
    for seed, run in here.items():
        other = there[seed]
        assert (other.stopped_by, other.best_epoch) == (run.stopped_by, run.best_epoch)
        for name in METRICS:
            assert other.history[name] == pytest.approx(run.history[name], rel=1e-5)
        assert other.best == pytest.approx(run.best, rel=1e-5)
        assert other.predictions == run.predictions


TECHNIQUES = [
    {"schedule": "cosine"},
    {"schedule": "cosine", "optimizer": "sgd", "learning_rate": 0.1},
    {"augment": "flip_shift"},
    {"optimizer": "muon", "weight_decay": 0.1},
    {"optimizer": "muon", "schedule": "cosine", "depth": 4},
    {"dropout": 0.3, "input_dropout": 0.1, "batch_norm": "on"},
    {"label_smoothing": 0.1, "average": 0.9, "optimizer": "adamw", "weight_decay": 0.1},
]


@pytest.mark.parametrize("settings", TECHNIQUES, ids=str)
def test_a_technique_does_on_a_gpu_what_it_does_on_a_cpu(settings, fashion, on_gpu):
    """For some steps, in single precision: then rounding drives the two apart."""
    configs = [replace(CONFIG, epochs=2, learning_rate=1e-3, seed=n) for n in (0, 1)]
    configs = [replace(config, **settings) for config in configs]
    there, here = trained(configs, on_gpu), trained(configs, fashion)
    for seed, run in here.items():
        for name in METRICS:
            assert there[seed].history[name] == pytest.approx(run.history[name], rel=0.02)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("settings", TECHNIQUES, ids=str)
def test_a_technique_gives_the_same_bits_twice(settings, precision, on_gpu):
    configs = [replace(c, epochs=2, precision=precision, **settings) for c in SEEDS]
    once, again = trained(configs, on_gpu), trained(configs, on_gpu)
    assert all(run.agrees(again[seed]) for seed, run in once.items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("batch_size", [1, 48])
def test_the_same_training_gives_the_same_bits(on_gpu, precision, batch_size):
    configs = [replace(c, precision=precision, batch_size=batch_size, epochs=2) for c in SEEDS]
    once, again = trained(configs, on_gpu), trained(configs, on_gpu)
    assert all(run.agrees(again[seed]) for seed, run in once.items())


def test_a_run_says_which_gpu_trained_it(runs):
    names = {run.environment["device"] for run in runs.values()}
    assert names == {torch.cuda.get_device_name()}


def test_a_sweep_trains_the_seeds_of_a_setting_as_a_stack(home, published, runs):
    found = sweep(SEEDS, device="cuda", progress=False)
    assert [run.environment["stack"] for run in found] == [
        runs[run.config.seed].environment["stack"] for run in found
    ]
    assert all(run.agrees(runs[run.config.seed]) for run in found)
    assert not records.missing(SEEDS)


def test_a_network_that_diverges_is_recorded_as_such(on_gpu):
    exploding = Config(
        loss="mse", depth=16, width=128, batch_size=64, learning_rate=1.0, train_size=64, epochs=3
    )
    (run,) = trained([exploding], on_gpu).values()
    assert run.stopped_by == "divergence"


def test_who_stops_a_training_has_the_epochs_that_were_finished(on_gpu):
    stop = Event()
    for epoch in train(SEEDS[:1], on_gpu, stop=stop):
        if epoch.number == 2:
            stop.set()
    (run,) = epoch.finished
    (short,) = trained([replace(CONFIG, epochs=2)], on_gpu).values()
    assert run.agrees(short)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("members", [1, 3])
def test_a_training_needs_no_more_memory_than_is_foreseen(on_gpu, precision, members):
    configs = [replace(LARGE, precision=precision, seed=seed) for seed in range(members)]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.mem_get_info()[0]
    trained(configs, on_gpu, keep=frozenset({"weights"}))
    needed = before - torch.cuda.mem_get_info()[0]  # what PyTorch keeps for what comes next
    assert 0 < needed < crew.memory(configs[0], members)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU at most")
def test_the_second_gpu_trains_without_the_first(fashion, runs):
    torch.cuda.reset_peak_memory_stats("cuda:0")
    before = torch.cuda.max_memory_allocated("cuda:0")
    again = trained(SEEDS, fashion.to("cuda:1"))
    assert torch.cuda.current_device() == 0
    assert torch.cuda.max_memory_allocated("cuda:0") == before
    assert all(run.agrees(runs[seed]) for seed, run in again.items())


# Small networks whose images are all gathered at once, for many members.
WHOLE = Config(width=1, batch_size=48_000, epochs=2)


def test_images_that_are_gathered_for_many_members_are_foreseen(on_gpu):
    configs = [replace(WHOLE, seed=seed) for seed in range(20)]
    torch.cuda.empty_cache()
    before = torch.cuda.mem_get_info()[0]
    trained(configs, on_gpu)
    needed = before - torch.cuda.mem_get_info()[0]
    assert 20 * 48_000 * 784 * 4 < needed < crew.memory(WHOLE, 20)
