"""fmnist_lab.sweeps.crew: who trains, in what pieces, for how long, and whether there is room."""

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fmnist_lab.config import PRECISIONS, Config, ConfigError
from fmnist_lab.sweeps import crew, progress, sweep
from fmnist_lab.sweeps.crew import Crew, Worker
from fmnist_lab.training import environment

ROOT = Path(__file__).parents[2]
CONFIG = Config(width=8, batch_size=100, train_size=200, epochs=2)
SEEDS = [replace(CONFIG, seed=seed) for seed in range(3)]


def worker(device, speed, memory=1e12):
    return Worker(device, dict.fromkeys(PRECISIONS, speed), memory)


CPU, GPU = worker("cpu", 5e10), worker("cuda:0", 1e13)


def test_on_a_cpu_every_run_is_a_stack_and_on_a_gpu_every_setting_cheapest_first():
    wide = [replace(config, width=16) for config in SEEDS]
    configs = [wide[0], SEEDS[2], wide[1], SEEDS[0]]
    assert Crew([CPU]).stacks(configs) == [[SEEDS[2]], [SEEDS[0]], [wide[0]], [wide[1]]]
    assert Crew([GPU]).stacks(configs) == [[SEEDS[2], SEEDS[0]], [wide[0], wide[1]]]


def test_a_small_network_in_many_small_steps_is_not_cheap():
    long, short = Config(batch_size=1), Config(width=512)  # 48,000 steps per epoch against 188
    assert progress.arithmetic(long) < progress.arithmetic(short)
    assert Crew([CPU]).stacks([long, short]) == [[short], [long]]


@pytest.mark.parametrize("equally_cheap", [{"learning_rate": 1e-3}, {"patience": 3}])
def test_settings_of_equal_cost_make_no_more_stacks_than_there_are(equally_cheap):
    configs = [c for seed in SEEDS for c in (seed, replace(seed, **equally_cheap))]
    stacks = Crew([GPU]).stacks(configs)
    assert sorted(len(stack) for stack in stacks) == [3, 3]


@pytest.mark.parametrize("device", ["gpu", "tpu", "cuda:9", "CPU", "", None, 0, ["cpu"]])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(device, monkeypatch):
    for count, allowed in ((0, "auto, cpu"), (2, "auto, cpu, cuda, cuda:0, cuda:1")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        with pytest.raises(ConfigError) as caught:
            sweep.sweep([], device=device)
        assert str(caught.value) == f"device is {device!r}; this machine allows {allowed}."


@pytest.mark.parametrize("device", ["mps", "mps:0"])
def test_why_apples_gpu_is_refused_is_said(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError) as caught:
        crew.resolve(device)
    assert str(caught.value) == (
        f"device is {device!r}; this machine allows auto, cpu. "
        "Apple's GPU is refused: nobody has checked what is trained on one."
    )


def test_the_device_is_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert [crew.resolve(device) for device in ("auto", "cpu")] == ["cpu", "cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert [crew.resolve(device) for device in ("auto", "cpu", "cuda:0")] == [
        *("cuda", "cpu", "cuda:0")
    ]


@pytest.fixture
def an_hour(monkeypatch):
    """Every run takes a worker of speed 1 an hour."""
    monkeypatch.setattr(crew, "estimate", lambda config, speeds: 3600 / speeds["float32"])


@pytest.mark.usefixtures("an_hour")
def test_the_estimate_of_a_sweep_counts_the_cores_it_uses(monkeypatch):
    monkeypatch.setattr(crew, "speed", lambda device, precision: 1.0)
    for cores, text in ((1, "3.0 h"), (2, "1.5 h"), (8, "60.1 min")):
        monkeypatch.setattr(environment, "usable_cpus", lambda cores=cores: cores)
        with crew.assemble("cpu", None, None) as together:
            expected = f"Training 3 run(s) on cpu: at most {text}."
            assert together.estimate_text(SEEDS) == expected


@pytest.mark.usefixtures("an_hour")
@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ([("cuda", 1.0)], "on cuda: at most 3.0 h"),
        ([("cuda", 1.0), ("cuda", 1.0)], "on cuda: at most 3.0 h"),  # it is one stack
        ([("cpu", 1.0), ("cpu", 3.0)], "on cpu: at most 45.1 min"),
        ([("cpu", 1.0), ("cuda:0", 3.0)], "on cpu, cuda:0: at most 45.1 min"),
        ([("cpu", 1.0)] * 2 + [("cpu", 4.0)] * 3, "on cpu: at most 15.1 min"),
    ],
)
def test_workers_share_the_time_by_their_speed_and_no_more_of_them_than_there_are_stacks(
    workers, said
):
    together = Crew([worker(device, speed) for device, speed in workers], called=" on all")
    assert together.estimate_text(SEEDS) == f"Training 3 run(s) {said} on all."


def test_seeds_are_stacked_where_every_worker_has_a_gpu():
    gpu, other, cpu = (worker(device, 1e10) for device in ("cuda", "cuda:1", "cpu"))
    assert Crew([gpu, other]).stacks(SEEDS) == [SEEDS]
    assert Crew([gpu, cpu]).stacks(SEEDS) == [[seed] for seed in SEEDS]


# --- What there is room for

PEAK = """
import sys
from benchmarks.work import peak_bytes
from fmnist_lab.config import Config
from fmnist_lab.sweeps import sweep
for settings, seeds, keep in eval(sys.argv[1]):
    configs = [Config(**settings, seed=seed) for seed in range(seeds)]
    sweep.train_stack(configs, frozenset(keep), "cpu")
    print(peak_bytes())
"""


def settings(config):
    """Return the hyperparameters that make a config, without its seed."""
    return {name: value for name, value in asdict(config).items() if name != "seed"}


@pytest.mark.slow
@pytest.mark.endurance("What does not fit is said before it starts")
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_needs_about_the_memory_that_is_foreseen(precision, home, trial):
    short: dict[str, Any] = {"epochs": 1, "train_size": 500, "batch_size": 500}
    small = Config(width=8, **short)
    large = Config(depth=2, width=2096, precision=precision, **short)
    whole = Config(width=1, batch_size=48_000, epochs=1, precision=precision)  # gathered at once
    needs = [(small, 1, []), (large, 1, ["weights"]), (whole, 8, [])]  # each peak is higher
    jobs = [(settings(config), seeds, keep) for config, seeds, keep in needs]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, repr(jobs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shares = [
        crew.memory(config, seeds) / float(peak)
        for (config, seeds, _), peak in zip(needs, done.stdout.split(), strict=True)
    ]
    assert all(0.7 < share < 1.4 for share in shares)
    found = ", ".join(f"{share:.2f}" for share in shares)
    trial.found(f"{precision}: foreseen were {found} of the bytes at the peak")


@pytest.mark.usefixtures("an_hour")
def test_as_many_train_at_once_as_there_is_memory_for():
    free = 2.5 * crew.memory(CONFIG)
    for cores, count in ((1, 1), (2, 2), (8, 2)):
        assert Crew([worker("cpu", 1.0, free)] * cores).at_once(SEEDS) == count
    assert Crew([worker("cpu", 1.0, 1.0)]).at_once(SEEDS) == 1  # who insists


HUGE: dict[str, Any] = {"depth": 16, "width": 16_384}


@pytest.mark.parametrize(
    ("changes", "free", "said"),
    [
        (HUGE, 24e9, "16x16384 batch 100 rate 2.05e-4 seed 0 needs about 164.0 GB of memory; "),
        ({}, 1e9, "1x8 batch 100 rate 2.05e-4 seed 0 needs about 1.1 GB of memory; 1.0 GB are"),
        ({"epochs": 10_000, "train_size": 48_000, "width": 4192}, 1e12, "Training 3 run(s) on "),
    ],
)
def test_what_there_is_no_room_or_no_day_for_is_said_before_it_starts(
    changes, free, said, monkeypatch, home, published
):
    monkeypatch.setattr(crew.Worker, "here", lambda device: worker("cpu", 1e10, free))
    monkeypatch.setattr(sweep, "train_all", None)
    with pytest.raises(crew.TooLarge) as caught:
        sweep.sweep([replace(seed, **changes) for seed in SEEDS])
    first, *_, last = str(caught.value).splitlines()
    assert said in first
    assert last.startswith("To train it all the same, set FMNIST_LAB_ANYWAY=1: ")


def test_what_just_fits_is_admitted_and_a_byte_or_a_second_more_is_not(monkeypatch):
    needed, longest = crew.memory(CONFIG), crew.LONGEST
    for seconds, free, fits in (
        *((longest - 1, needed, True), (longest + 1, needed, False)),
        (longest - 1, needed - 1, False),
    ):
        monkeypatch.setattr(crew, "estimate", lambda config, speeds, seconds=seconds: seconds)
        alone = Crew([worker("cpu", 1.0, free)])
        if fits:
            alone.admit([CONFIG])
        else:
            with pytest.raises(crew.TooLarge):
                alone.admit([CONFIG])


def test_what_is_done_before_processes_have_started_needs_none(monkeypatch):
    for seconds, count in ((crew.STARTING / 3 - 0.01, 1), (crew.STARTING / 3 + 0.01, 2)):
        monkeypatch.setattr(crew, "estimate", lambda config, speeds, seconds=seconds: seconds)
        assert Crew([worker("cpu", 1.0)] * 2).at_once(SEEDS) == count


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "under 10 s"), (4.9, "under 10 s"), (5.0, "at most 10 s"), (85.0, "at most 1.5 min")],
)
def test_the_start_counts_and_seconds_are_not_told_apart(seconds, said):
    assert crew.at_most(seconds) == said


@pytest.mark.parametrize("word", ["0", "no", "yes", "2"])
def test_a_word_that_insists_or_not_is_not_guessed(word, monkeypatch, home, published):
    monkeypatch.setenv("FMNIST_LAB_ANYWAY", word)
    with pytest.raises(ConfigError) as caught:
        sweep.sweep(SEEDS[:1], progress=False)
    assert str(caught.value) == f"FMNIST_LAB_ANYWAY is {word!r}; it must be 1, or not be set."


def test_who_insists_may_train_what_is_too_large(monkeypatch, trained):
    monkeypatch.setattr(crew.Worker, "here", lambda device: worker("cpu", 1e10, 1.0))
    monkeypatch.setenv("FMNIST_LAB_ANYWAY", "1")
    assert len(sweep.sweep(SEEDS[:1], progress=False)) == 1
