"""Sweeps that are interrupted, killed and started side by side, in real processes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fmnist_lab.runs import records
from fmnist_lab.sweeps import studies, sweep
from fmnist_lab.training import environment, trainer

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
STUDY = {"width": 8, "depth": 1, "batch_size": 50, "train_size": 500, "seeds": 6}
STUDY |= {"epochs": 40, "patience": 40}  # long enough that some runs are left when it is stopped
PATIENCE = 300  # seconds: a busy machine takes long to start a process


FLAGS = [f"--{key.replace('_', '-')}={value}" for key, value in STUDY.items()]


@pytest.fixture
def start(home) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a process in its own group, as a terminal does."""
    started: list[subprocess.Popen[str]] = []

    def start(code, *arguments, **environment):
        script = [code] if isinstance(code, Path) else ["-c", code]
        process = subprocess.Popen(
            [sys.executable, *script, *arguments],
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


def helpers_of(process):
    """Return the processes that a sweep has started, and those that these have."""
    return psutil.Process(process.pid).children(recursive=True)


def command(process):
    """Return the command of a process, nothing if it has just ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def trainers(process):
    """Return the processes that train for a sweep: its fork server's or, without one, its own."""
    helpers = helpers_of(process)
    forked = [helper for helper in helpers if helper.ppid() != process.pid]
    return forked or [each for each in helpers if "spawn_main" in command(each)]


@pytest.fixture(scope="module")
def undisturbed(data_root, tmp_path_factory):
    """What each run of the study computes when nothing disturbs it, by its identity.

    Trained once for all of pytest's processes, which share a store.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNIST_LAB_HOME", str(folder / "undisturbed"))
        patch.setenv("FMNIST_DATA", str(data_root))
        patch.setattr(environment, "usable_cpus", lambda: 1)
        runs = sweep.sweep(studies.study("width").vary(**STUDY).configs(), progress=False)
    return {run.id: run for run in runs}


def disturb(kind, process, helpers, attempt):
    """Do to a sweep, or a process that trains for it, what a machine or a user does."""
    if kind == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    elif kind == "kill":
        process.kill()
    elif kind == "kill a process":
        helpers[attempt % 2].kill()
    else:  # not another byte of memory
        psutil.Process(helpers[attempt % 2].pid).rlimit(psutil.RLIMIT_AS, (1, 1))


def finish(configs, beside):
    """Train what is missing, here and, if asked, by another process: return what each trained."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as threads:
        here: list[int] = []
        train = trainer.train

        def remember(missing, *arguments, **options):
            here.extend(config.seed for config in missing)
            return train(missing, *arguments, **options)

        patch.setattr(trainer, "train", remember)
        if beside is not None:
            assert beside.stdout is not None
            there = [int(beside.stdout.readline())]  # it is at its first run
        sweep.sweep(configs, executor=threads, progress=False)
        if beside is None:
            return here, []
        said, errors = beside.communicate(timeout=PATIENCE)
        assert beside.returncode == 0, errors
        return here, there + [int(seed) for seed in said.split()]


# Only in the full form: tests/sweeps/test_processes.py kills processes that train, and a test below
# the one that forks them.
IN_FULL = ["kill a process", "out of memory"]
KINDS = ["ctrl-c", "kill", *(pytest.param(kind, marks=pytest.mark.full) for kind in IN_FULL)]


@pytest.mark.endurance("A sweep that is disturbed continues")
@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_disturbed_at_any_moment_continues_where_it_was(
    kind, start, home, undisturbed, trial, published
):
    """After `kill` by two sweeps at once, which train each run once."""
    kept_on, failed = 0, 0
    configs = studies.study("width").vary(**STUDY).configs()
    for attempt in range(times := trial.times(1, 20)):
        shutil.rmtree(home / "runs", ignore_errors=True)
        process = start(COMMAND_LINE, "run", "width", *FLAGS)
        wait_for_more_runs(home, process, than=attempt % 3)
        time.sleep(random.uniform(0, 0.5))
        helpers = trainers(process)
        disturb(kind, process, helpers, attempt)
        _, said = process.communicate(timeout=PATIENCE)  # until the helpers' ends are closed too
        _, left = psutil.wait_procs(helpers, timeout=PATIENCE)
        assert not left
        codes = {"ctrl-c": [130], "kill": [-signal.SIGKILL], "out of memory": [0, 1]}
        assert process.returncode in codes.get(kind, [0]), said
        assert "Traceback" not in said
        assert said.startswith(f"Training {len(configs)} run(s) on cpu: ")
        assert f"/{len(configs)} runs [" in said
        if kind == "ctrl-c":
            last = "Stopped. Finished runs are kept; run the same command to continue.\n"
            assert said.endswith(last)
        before = kept(home)
        kept_on += len(before)
        if process.returncode == 1:
            lost = len(configs) - len(before)
            assert f"{lost} run(s) failed; all others are" in said
            failed += 1
        assert before
        assert (len(before) == len(configs)) is (process.returncode == 0)

        missing = [config.seed for config in records.missing(configs)]
        beside = start(BESIDE, repr(STUDY)) if kind == "kill" else None
        here, there = finish(configs, beside)  # again
        assert sorted(here + there) == missing
        assert {path: time for path, time in kept(home).items() if path in before} == before
        found = {path.stem: records.read_own(path) for path in kept(home)}
        assert found.keys() == undisturbed.keys()
        assert all(run.agrees(undisturbed[name]) for name, run in found.items())
        assert {path.suffix for path in (home / "runs").iterdir()} == {".json"}
        assert [path.name for path in (home / "locks").iterdir()] == ["save.lock"]
    told = f", {failed} times runs failed and were named" * (kind == "out of memory")
    trial.found(
        f"{kind}, {times} times{told}: {kept_on} runs were kept, the rest trained to the same bits"
    )


@pytest.mark.endurance("A sweep that is disturbed continues")
def test_a_sweep_stopped_while_its_processes_start_ends_at_once_and_leaves_none(start, home, trial):
    for attempt in range(times := trial.times(1, 20)):
        process = start(COMMAND_LINE, "run", "width", *FLAGS, "--epochs=9999", "--patience=9999")
        while not any("fork" in command(each) for each in helpers_of(process)):
            time.sleep(0.02)
        time.sleep(random.uniform(0, attempt / 5))
        helpers = helpers_of(process)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        _, left = psutil.wait_procs(helpers, timeout=PATIENCE)
        assert not left
        assert process.returncode == 130, said
        assert "Traceback" not in said
        assert said.endswith("Stopped. Finished runs are kept; run the same command to continue.\n")
        assert not kept(home)
    trial.found(f"ctrl-c while its processes start, {times} times: it ended and left none")


@pytest.mark.skipif(sys.platform != "linux", reason="has no process that forks the others")
@pytest.mark.endurance("A sweep that is disturbed continues")
def test_the_process_that_forks_the_others_is_replaced_like_any_that_is_killed(start, home, trial):
    for attempt in range(times := trial.times(1, 20)):
        shutil.rmtree(home / "runs", ignore_errors=True)
        process = start(COMMAND_LINE, "run", "width", *FLAGS)
        while not (found := [each for each in helpers_of(process) if "fork" in command(each)]):
            time.sleep(0.02)
        time.sleep(random.uniform(0, attempt / 5))
        found[0].kill()
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        assert "Traceback" not in said
        assert len(kept(home)) == STUDY["seeds"]
    trial.found(f"what forks the processes was killed, {times} times: every run was trained")


@pytest.mark.endurance("Two sweeps at once train each run once")
def test_two_machines_that_share_a_store_train_each_run_once(
    request, start, data_root, undisturbed, trial
):
    """Each has a mount of its own, so that only the file system's server knows of both locks.

    Every other time one is killed and started again, which trains the run it was at again.
    """
    shared = request.config.getoption("--shared")
    if shared is None:
        pytest.skip("no network file system was named with --shared")
    seeds, killed = [run.config.seed for run in undisturbed.values()], 0
    for attempt in range(times := trial.times(1, 20)):
        homes = [folder / f"fmnist-lab-{os.getpid()}-{attempt}" for folder in shared]

        def machine(home):
            return start(BESIDE, repr(STUDY), FMNIST_LAB_HOME=str(home), FMNIST_DATA=str(data_root))

        machines, trained = [machine(home) for home in homes], []
        if kill := attempt % 2:
            first = machines.pop(0)
            said = first.stdout.readline()  # it is at its first run, unless the other had all
            time.sleep(random.uniform(0, 0.5))
            first.kill()
            trained = [int(seed) for seed in (said + first.communicate()[0]).split()]
            machines.append(machine(homes[0]))
        for each in machines:
            said, errors = each.communicate(timeout=PATIENCE)
            assert each.returncode == 0, errors
            trained += [int(seed) for seed in said.split()]
        again = len(trained) - len(set(trained))
        killed += again
        assert set(trained) == set(seeds)
        assert again <= kill, trained
        for home in homes:
            found = {path.stem: records.read_own(path) for path in (home / "runs").iterdir()}
            assert found.keys() == undisturbed.keys()
            assert all(run.agrees(undisturbed[name]) for name, run in found.items())
            assert [path.name for path in (home / "locks").iterdir()] == ["save.lock"]
        shutil.rmtree(homes[0])
    trial.found(
        f"{times} times two on a shared file system, {times // 2} of them one was killed:"
        f" {killed} runs that it was at trained again, all else once; all to the same bits"
    )


OUT_OF_MEMORY = (
    """
import resource
resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))  # bytes that a process may address
"""
    + COMMAND_LINE
)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_configuration_that_always_fails_fails_alone_and_is_told_with_a_status(
    home, start, tmp_path
):
    """In a script, which needs no guard against being imported by the processes that it starts."""
    (tmp_path / "script.py").write_text(OUT_OF_MEMORY)
    flags = [flag for flag in FLAGS if not flag.startswith(("--width", "--depth", "--seeds"))]
    flags += ["--width", "8", "16384", "--depth=16", "--seeds=2"]
    process = start(tmp_path / "script.py", "run", "width", *flags, FMNIST_LAB_ANYWAY="1")
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said
    first, *named = said.splitlines()[-3:]
    assert first == "2 run(s) failed; all others are trained and kept."
    for seed, line in enumerate(named):
        assert line.startswith(f"cross_entropy 16x16384 batch 50 rate 2.05e-5 seed {seed}: ")
        assert "memory" in line
    assert "Traceback" not in said
    assert len(kept(home)) == 2
