"""fmnist_lab.sweeps.processes: what a worker writes reaches the bar, whatever ends the worker.

`tests/test_sweep.py` holds what becomes of the processes themselves.
"""

import multiprocessing
import os
import signal
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace

import pytest

from fmnist_lab.config import Config
from fmnist_lab.sweeps import processes
from fmnist_lab.sweeps.progress import Progress, bar
from fmnist_lab.sweeps.sweep import collect


def silent(text: str, refresh: bool) -> None:
    pass


def test_the_listener_stops_with_the_last_writer_even_in_the_middle_of_a_message():
    for last_words in (b"", b"\x00\x00\x01\x00half"):
        updates: list[float] = []
        made = SimpleNamespace(update=updates.append, set_postfix_str=silent, total=1, n=0)
        receiver, sender = multiprocessing.Pipe(duplex=False)
        sender.send((Config(epochs=2), 1, 1))
        os.write(sender.fileno(), last_words)
        sender.close()
        with receiver:
            processes.listen(receiver, Progress(made))
        assert updates == [0.5]


def test_a_pool_has_the_private_processes_that_we_end():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        worker = pool.submit(os.getpid).result()
        held = getattr(pool, "_processes", None)
        assert worker in (held or ()), (
            "ProcessPoolExecutor no longer keeps its processes by number in _processes: "
            "processes.terminate needs terminate_workers (Python 3.14) instead."
        )


def test_an_epoch_is_told_in_a_message_that_no_kill_can_cut_in_two():
    """POSIX promises it of 512 bytes."""
    config = Config(loss="mae_probabilities", learning_rate=1.2345678e-9, seed=2**32 - 1)
    assert len(ForkingPickler.dumps((config, 10_000, 10_000))) < 500


def die(times: int, diary: str) -> int:
    """End this process unless the diary says that it did so as often; return its number."""
    with Path(diary).open("ab") as file:
        if file.tell() < times:
            file.write(b".")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@pytest.fixture(scope="module")
def two_processes():
    with bar(1, progress=False) as shown, processes.local_processes(2, shown) as two:
        yield two


@pytest.mark.slow
def test_a_process_has_the_environment_of_its_own_sweep(monkeypatch):
    for value in ("first", "second"):
        monkeypatch.setenv("FMNIST_DATA", value)
        with bar(1, progress=False) as shown, processes.local_processes(1, shown) as alone:
            assert alone.submit(os.getenv, "FMNIST_DATA").result() == value


@pytest.mark.slow
def test_a_killed_process_takes_its_own_job_along_and_no_other(two_processes, tmp_path):
    diary = str(tmp_path / "diary")
    jobs = [two_processes.submit(die, times, diary) for times in (0, 0, 1, 0, 0, 0)]
    with pytest.raises(BrokenExecutor):
        jobs.pop(2).result()
    numbers = [job.result() for job in jobs]
    assert set(numbers[:2]) & set(numbers[2:])  # the other process went on


@pytest.mark.slow
def test_a_killed_job_is_tried_once_more_when_the_others_are_done(two_processes, tmp_path):
    deaths = {0: 0, 1: 1, 2: 2, 3: 0}  # by seed

    def submit(job):
        seed = job[0].seed
        return two_processes.submit(die, deaths[seed], str(tmp_path / str(seed)))

    jobs = [[Config(seed=seed)] for seed in deaths]
    ended = {job[0].seed: outcome for job, outcome in collect(submit, jobs, BrokenExecutor)}
    assert sorted([*ended][:2]) == [0, 3]
    assert sorted([*ended][2:]) == [1, 2]
    killed = [seed for seed, end in ended.items() if "its process was killed" in str(end)]
    assert killed == [2]
