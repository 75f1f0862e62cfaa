"""Sweeps that are interrupted, killed and started beside each other, in real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fmnist_lab.runs import records
from fmnist_lab.sweeps import studies, sweep

pytestmark = pytest.mark.slow

# One worker process, so that a machine of many cores does not start many.
# A program started in the background ignores Ctrl-C and hands that on; one in a terminal does not.
COMMAND_LINE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from fmnist_lab.training import environment
from fmnist_lab.__main__ import main
environment.usable_cpus = lambda: 1
sys.exit(main(sys.argv[1:]))
"""
BESIDE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from fmnist_lab.sweeps import studies, sweep
from fmnist_lab.training import trainer
train = trainer.train
def say(configs, *arguments, **options):
    print(*(config.seed for config in configs), flush=True)
    return train(configs, *arguments, **options)
trainer.train = say
configs = studies.study("width").vary(**eval(sys.argv[1])).configs()
sweep.sweep(configs, executor=ThreadPoolExecutor(1), progress=False)
"""
STUDY = {"width": 8, "depth": 1, "batch_size": 50, "train_size": 500, "seeds": 20}
STUDY |= {"epochs": 40, "patience": 40}  # long enough that some runs are left when it is stopped
PATIENCE = 300  # seconds: a busy machine takes long to start a process


FLAGS = [f"--{key.replace('_', '-')}={value}" for key, value in STUDY.items()]


@pytest.fixture
def start(home) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a process in a group of its own, as a terminal does."""
    started: list[subprocess.Popen[str]] = []

    def start(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError), process:  # closes its pipes
            os.killpg(process.pid, signal.SIGKILL)  # a failed test leaves no process behind


def kept(home):
    return {path: path.stat().st_mtime_ns for path in (home / "runs").glob("*.json")}


def wait_for_more_runs(home, process, than=0):
    deadline = time.monotonic() + PATIENCE
    while len(kept(home)) <= than:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_ends_a_sweep_with_a_sentence_and_loses_the_run_in_progress_alone(home, start):
    process = start(COMMAND_LINE, "run", "width", *FLAGS)
    wait_for_more_runs(home, process, than=1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, said = process.communicate(timeout=PATIENCE)  # until the workers' ends are closed as well
    assert process.returncode == 130
    assert said.startswith("Training 20 run(s) on cpu: about ")
    assert said.endswith("Stopped. Finished runs are kept; the same command continues.\n")
    assert "Traceback" not in said
    assert "/20 runs [" in said
    for path in kept(home):
        records.read_own(path)
    assert 2 <= len(kept(home)) < 20


def test_killed_a_sweep_ends_its_workers_and_two_others_finish_it_training_each_run_once(
    trained, home, start
):
    killed = start(COMMAND_LINE, "run", "width", *FLAGS)
    wait_for_more_runs(home, killed, than=1)
    killed.kill()
    killed.communicate(timeout=PATIENCE)  # returns when the workers are gone too
    before = kept(home)
    configs = studies.study("width").vary(**STUDY).configs()
    missing = {config.seed for config in records.missing(configs)}
    assert 0 < len(missing) < 20

    beside = start(BESIDE, repr(STUDY))
    wait_for_more_runs(home, beside, than=len(before))
    with ThreadPoolExecutor(2) as threads:
        runs = sweep.sweep(configs, executor=threads, progress=False)
    said, errors = beside.communicate(timeout=PATIENCE)
    assert beside.returncode == 0, errors
    here, there = [config.seed for config in trained], [int(seed) for seed in said.split()]
    assert here
    assert there
    assert sorted(here + there) == sorted(missing)
    assert [run.config for run in runs] == configs
    assert {path: time for path, time in kept(home).items() if path in before} == before
