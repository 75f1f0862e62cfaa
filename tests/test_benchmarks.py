"""The benchmark compares the same work: every trainer here does what the workload says."""

import importlib.util
import json
import math
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import costs, measure
from benchmarks.host import Host, State
from benchmarks.remote import Remote, RemoteError, limited
from benchmarks.trainers import (
    FLOORS,
    ON_GPU,
    ROUNDED,
    SEEDS,
    SEEDS_ON_GPU,
    SINGLE,
    entries,
)  # fmt: skip
from benchmarks.work import IMAGES, WORKLOADS, Workload, prepare, share
from fmnist_lab.training.shapes import parameter_count
from tests.counter import Counter

# 10 steps per epoch, the last of them smaller.
TINY = Workload(depth=1, width=128, batch=32, cores=1, images=300)
TINY_SEEDS = Workload(depth=1, width=128, batch=32, cores=2, seeds=3, images=300)
TINY_ROUNDED = Workload(depth=1, width=128, batch=32, cores=1, images=300, precision="bfloat16")

# Trainer -> what must be installed for it besides the package itself.
NEEDED = {
    "jax": "jax", "keras": "keras", "lightning": "lightning", "sklearn": "sklearn",
    "skorch": "skorch",
}  # fmt: skip


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def named(workload, trainers, *, called=""):
    """Return one parameter per trainer of the workload, skipped if what it needs is missing."""

    def absent(name):
        return name in NEEDED and importlib.util.find_spec(NEEDED[name]) is None

    return [
        pytest.param(
            workload,
            entry,
            id=f"{called}{name}",
            marks=[
                pytest.mark.skipif(absent(name), reason=f"{NEEDED.get(name)} is not installed"),
                *([NO_GPU] if workload.device != "cpu" else []),
            ],
        )
        for name, entry in trainers.items()
    ]


@pytest.fixture(scope="session")
def folder(data_root, tmp_path_factory) -> Path:
    """The training images as a `Host` wants them."""
    path = tmp_path_factory.mktemp("benchmarks")
    prepare(path)
    return path


@pytest.fixture(scope="session")
def expected(folder):
    """The loss after an epoch of each workload, by the expert's loop."""
    host = Host(SINGLE["expert"], folder, TINY)
    return host.build(TINY.images)["loss"]


# --- The same work


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "entry"),
    [
        *named(TINY, SINGLE),
        *named(TINY_SEEDS, SEEDS, called="seeds-"),
        *named(TINY_ROUNDED, ROUNDED, called="bfloat16-"),
        *named(replace(TINY, device="cuda"), ON_GPU, called="gpu-"),
        *named(replace(TINY_SEEDS, device="cuda"), SEEDS_ON_GPU, called="gpu-seeds-"),
        *named(replace(TINY_ROUNDED, device="cuda"), ON_GPU, called="gpu-bfloat16-"),
    ],
)
def test_a_trainer_takes_the_steps_with_the_network_and_its_loss_falls(
    workload, entry, folder, expected
):
    with limited(
        workload.cores, workload.threads, workload.device
    ):  # others' libraries are not for this process
        other = any(entry.where.startswith(f"peers.{name}:") for name in NEEDED)
        remote = (Remote if other else Here)(Host, entry, folder, workload)
    try:
        started = remote.ask("start", 0.0, workload.images)
        assert started["steps"] == 10
        assert started["parameters"] == workload.seeds * parameter_count(1, 128)
        measure.check(started, workload, expected)
        for _ in range(4):
            seconds, processor = remote.ask("epoch")
            assert seconds > 0
            assert processor > 0
        state = remote.ask("state")
        assert state["steps"] == 50
        assert state["loss"] < 0.8 * started["loss"]
    finally:
        remote.close()


class Here:
    """An object in this process, asked as a `Remote` is."""

    def __init__(self, make: Callable[..., Any], *arguments: Any):
        self.thing = make(*arguments)

    def ask(self, method: str, *arguments: Any) -> Any:
        return getattr(self.thing, method)(*arguments)

    def close(self) -> None:
        self.thing.close()


def test_the_images_are_those_of_the_books_first_split(folder, fashion):
    pixels, labels = np.load(folder / "pixels.npy"), np.load(folder / "labels.npy")
    assert pixels.shape == (IMAGES, 784)
    assert labels.shape == (IMAGES,)
    assert pixels.max() == 1.0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": 9}, r"steps are 9; the workload has 10\."),
        ({"parameters": 5}, r"parameters are 5; the workload has 101,770\."),
        ({"loss": 0.5}, r"the loss after an epoch is 0\.5; it should be 1\.000"),
        ({"loss": 1.51}, r"the loss after an epoch is 1\.51; it should be 1\.000"),
        ({"loss": 0.66}, r"the loss after an epoch is 0\.66; it should be 1\.000"),
        ({"loss": None}, r"the loss after an epoch is None; it should be 1\.000"),
        ({"loss": math.nan}, r"the loss after an epoch is nan"),
    ],
)
def test_a_trainer_that_does_other_work_is_found_out(change, complaint):
    state = {"images": 300, "steps": 10, "parameters": 101_770, "loss": 1.1}
    measure.check(cast(State, state), TINY, 1.0)
    with pytest.raises(measure.OtherWorkError, match=complaint):
        measure.check(cast(State, state | change), TINY, 1.0)


@pytest.mark.parametrize("loss", [1 / measure.SAME_LOSS, measure.SAME_LOSS])
def test_a_loss_may_be_as_far_from_the_experts_as_seen(loss):
    state = {"images": 300, "steps": 10, "parameters": 101_770, "loss": loss}
    measure.check(cast(State, state), TINY, 1.0)


# --- Floors


@pytest.mark.parametrize("batch", [1, 32])
def test_a_floor_has_the_products_of_a_step_forward_and_back(batch):
    from benchmarks.floors import products

    # Three layers have three forward products, three for weights and two for inputs; an element
    # takes two operations per pair of numbers.
    sizes = [(784, 16), (16, 16), (16, 10)]
    operations = 0
    for _, a, b, out in products(sizes, batch, dtype=torch.bfloat16):
        operations += 2 * a.shape[0] * a.shape[1] * b.shape[1]
        assert {a.dtype, b.dtype, out.dtype} == {torch.bfloat16}
        assert out.shape == (a.shape[0], b.shape[1])
    forward = sum(2 * batch * n * m for n, m in sizes)
    assert operations == 3 * forward - 2 * batch * 784 * 16


SEEDS_AT_ONCE = pytest.param("products", TINY_SEEDS, 2, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "workload", "processes"),
    [*((name, TINY, 0) for name in FLOORS), SEEDS_AT_ONCE],
)
def test_a_floor_has_no_loss_and_uses_all_cores(name, workload, processes, folder):
    host = Host(entries(workload)[name], folder, workload)
    before = len(multiprocessing.active_children())
    try:
        assert host.build(300)["loss"] is None
        assert len(multiprocessing.active_children()) == before + processes
    finally:
        host.close()


# --- Shares of an epoch


@pytest.mark.parametrize(
    ("seconds_a_step", "images"),
    [
        (1e-5, 48_000),  # all fit
        (1e-3, 500),
        (1.1e-3, 200),
        (10.0, 5),  # never fewer
    ],
)
def test_a_share_is_a_round_number_of_steps_that_fits_in_the_limit(seconds_a_step, images):
    assert share(WORKLOADS["1x128-b1"], seconds_a_step, 0.5) == images


def test_a_slow_trainer_is_given_fewer_images_and_a_fast_one_all(folder):
    adam = FLOORS["adam"]
    assert Host(adam, folder, TINY).start(limit=0.0)["images"] == 5 * 32
    assert Host(adam, folder, TINY).start(limit=60.0)["images"] == 300


def test_the_time_of_a_share_is_scaled_to_the_epoch():
    found = {"images": 75, "seconds": [], "cpu_seconds": []}
    measure.note(found, TINY, 0.5, 0.25)
    assert found == {"images": 75, "seconds": [2.0], "cpu_seconds": [1.0]}


# --- Processes


@pytest.fixture
def counter():
    remote = Remote(Counter, 5)
    yield remote
    remote.close()


def test_an_object_in_another_process_keeps_its_state(counter):
    counter.ask("epoch")
    assert counter.ask("counted") == 6


def test_an_error_in_another_process_comes_back_in_one_line_and_it_goes_on(counter):
    with pytest.raises(RemoteError, match=r"^ValueError: the first line$"):
        counter.ask("fail")
    assert counter.ask("counted") == 5


def test_a_process_that_dies_is_an_error_and_no_hang(counter):
    with pytest.raises(RemoteError, match=r"ended with exit code 3"):
        counter.ask("die")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are not ours to choose")
def test_a_process_gets_the_cores_of_its_workload_and_this_one_keeps_its_own():
    before = os.sched_getaffinity(0)
    with limited(cores=1, threads=1):
        remote = Remote(Counter, 0)
    try:
        assert remote.ask("cores") == 1
    finally:
        remote.close()
    assert os.sched_getaffinity(0) == before
    assert os.environ.get("KERAS_BACKEND") is None


# --- The command


@pytest.mark.slow
@pytest.mark.endurance("The benchmark measures")
def test_the_command_writes_what_was_measured_and_names_who_is_left_out(
    folder, tmp_path, monkeypatch, capsys, trial
):
    monkeypatch.setitem(WORKLOADS, "1x128-b64", TINY)
    monkeypatch.setattr(command, "prepare", lambda path: link(folder, path))
    absent = SINGLE["jax"].__class__("with_nothing:Nothing", "nothing", "a peer that is not there")
    monkeypatch.setitem(SINGLE, "jax", absent)
    file = tmp_path / "speed.json"
    names = ["ours", "jax", "adam"]
    command.main(
        ["--workloads", "1x128-b64", "--trainers", *names, "--repeats", "2", "--limit", "0.05",
         "--no-costs", "--to", str(file)]
    )  # fmt: skip
    results = json.loads(file.read_text())
    measured = results["workloads"]["1x128-b64"]
    assert set(measured["trainers"]) == {"ours", "adam"}
    assert "No module named" in measured["left_out"]["jax"]
    assert "nothing is left out" in capsys.readouterr().err
    for one in measured["trainers"].values():
        assert len(one["seconds"]) == len(one["cpu_seconds"]) == 2
        assert one["peak_bytes"] > 1e7
    trial.found("two trainers measured, one that is not there named")


def link(folder: Path, path: Path) -> None:
    for name in ("pixels.npy", "labels.npy"):
        (path / name).symlink_to(folder / name)


@pytest.mark.slow
@pytest.mark.endurance("The benchmark measures")
def test_the_costs_are_measured_in_fresh_interpreters(data_root, monkeypatch, trial):
    monkeypatch.setattr(costs, "IMPORTED", ("torch", "fmnist_lab"))
    found = costs.measure(repeats=1, seeds=2, epochs=1, train_size=320)
    assert set(found["import_seconds"]) == {"torch", "fmnist_lab"}
    assert all(len(times) == 1 for times in found["import_seconds"].values())
    assert found["published_runs"] > 0
    assert found["sweep"]["in_turn_seconds"] > 0
    assert found["sweep"]["together_seconds"] > 0
    # Five numbers of four bytes per parameter: it, its gradient, two moments and the best so far.
    assert found["stack_bytes_a_parameter"] == pytest.approx(5 * 4, rel=1e-3)
    trial.found("imports, a sweep in turn and together, and a stack's memory")


@pytest.mark.parametrize("option", ["--repeats", "--limit"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_what_is_not_above_zero_is_told_before_anything_is_measured(option, value, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([option, value])
    assert f"{option} is {float(value) if option == '--limit' else value}; it must be above 0." in (
        capsys.readouterr().err
    )


def test_a_device_that_is_not_there_is_told_before_anything_is_measured(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SystemExit, match="2"):
        command.main(["--device", "cuda", "--to", str(tmp_path / "speed.json")])
    assert "device is 'cuda'; this machine allows auto, cpu." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
