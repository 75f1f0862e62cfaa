"""Sweeps that are interrupted, killed and started beside each other, in real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from fmnist_lab.runs import records
from fmnist_lab.sweeps import studies, sweep

pytestmark = pytest.mark.slow

# Two processes that train, however many cores there are, and however soon one would be done.
# A program started in the background ignores Ctrl-C and hands that on; one in a terminal does not.
COMMAND_LINE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from fmnist_lab.training import environment
from fmnist_lab.__main__ import main
from fmnist_lab.sweeps import crew
environment.usable_cpus = lambda: 2
crew.STARTING = 0
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
STUDY = {"width": 8, "depth": 1, "batch_size": 50, "train_size": 500, "seeds": 10}
STUDY |= {"epochs": 40, "patience": 40}  # long enough that some runs are left when it is stopped
PATIENCE = 300  # seconds: a busy machine takes long to start a process


FLAGS = [f"--{key.replace('_', '-')}={value}" for key, value in STUDY.items()]


@pytest.fixture
def start(home) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a process in a group of its own, as a terminal does."""
    started: list[subprocess.Popen[str]] = []

    def start(code, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
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
    assert said.startswith("Training 10 run(s) on cpu: about ")
    assert said.endswith("Stopped. Finished runs are kept; the same command continues.\n")
    assert "Traceback" not in said
    assert "/10 runs [" in said
    for path in kept(home):
        records.read_own(path)
    assert 2 <= len(kept(home)) < 10


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
    assert 0 < len(missing) < 10

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


def test_a_killed_worker_costs_no_run_and_no_other_worker(home, start):
    process = start(COMMAND_LINE, "run", "width", *FLAGS)
    wait_for_more_runs(home, process, than=2)
    workers = trainers(process)
    workers[0].kill()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert len(kept(home)) == 10
    assert "Traceback" not in said


def trainers(process):
    """Return the processes that train for a sweep: all that a multiprocessing parent spawned."""
    return [
        child
        for child in psutil.Process(process.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]


OUT_OF_MEMORY = (
    """
import resource
resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))  # bytes a process may address
"""
    + COMMAND_LINE
)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_configuration_that_always_fails_fails_alone_and_is_told_with_a_status(home, start):
    flags = [flag for flag in FLAGS if not flag.startswith(("--width", "--depth", "--seeds"))]
    flags += ["--width", "8", "16384", "--depth=16", "--seeds=2"]
    process = start(OUT_OF_MEMORY, "run", "width", *flags, FMNIST_LAB_ANYWAY="1")
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said
    first, *named = said.splitlines()[-3:]
    assert first == "2 run(s) failed; the other 2 are trained and kept."
    for seed, line in enumerate(named):
        assert line.startswith(f"cross_entropy 16x16384 batch 50 rate 2.05e-5 seed {seed}: ")
        assert "memory" in line
    assert "Traceback" not in said
    assert len(kept(home)) == 2


SCRIPT = """
from fmnist_lab import study
from fmnist_lab.sweeps import crew
crew.STARTING = 0
runs = study("width").vary(depth=1, width=8, train_size=500, epochs=1, seeds=2).runs()
print(len(runs))
"""


def test_a_script_may_train_without_a_guard_against_being_imported(home, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "2\n", done.stderr
    assert "Traceback" not in done.stderr
