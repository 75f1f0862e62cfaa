"""fmnist_lab.sweeps.processes: what a process says reaches us, and its end costs only its stack.

`tests/sweeps/test_interruptions.py` holds what becomes of the processes themselves.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from fmnist_lab.config import Config, ConfigError
from fmnist_lab.sweeps.processes import Processes
from fmnist_lab.sweeps.sweep import collect

pytestmark = pytest.mark.slow
DEATHS = {0: 0, 1: 1, 2: 2, 3: 0}  # by seed
STACKS = [[Config(seed=seed)] for seed in DEATHS]


def die(stack: list[Config], report: Callable[..., None], folder: Path) -> int:
    """End this process until it has been as often as the seed is to; return its number."""
    seed = stack[0].seed
    with (folder / str(seed)).open("ab") as diary:
        if diary.tell() < DEATHS[seed]:
            diary.write(b".")
            diary.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def variable(stack: list[Config], report: Callable[..., None]) -> str:
    return os.environ["FMNIST_DATA"]


def refuse(stack: list[Config], report: Callable[..., None]) -> None:
    report(stack[0], 1, 1)
    raise ConfigError(f"seed is {stack[0].seed}.")


@contextmanager
def processes(count: int, train: Callable[..., Any]) -> Iterator[tuple[Processes, list[Any]]]:
    reported: list[Any] = []
    with Processes(count, train, lambda *epoch: reported.append(epoch)) as started:
        yield started, reported


def test_a_process_has_the_environment_of_its_own_sweep(monkeypatch):
    for value in ("first", "second"):
        monkeypatch.setenv("FMNIST_DATA", value)
        with processes(1, variable) as (alone, _):
            assert alone.submit(STACKS[0]).result() == value


def test_epochs_are_reported_and_a_fault_of_all_runs_is_raised(tmp_path):
    with processes(1, refuse) as (alone, reported):
        for stack in STACKS[:2]:
            with pytest.raises(ConfigError, match=rf"^seed is {stack[0].seed}\.$"):
                alone.submit(stack).result()
    assert reported == [(stack[0], 1, 1) for stack in STACKS[:2]]


def test_a_killed_process_takes_its_own_stack_along_and_no_other(tmp_path):
    with processes(2, partial(die, folder=tmp_path)) as (two, _):
        ended = [two.submit(STACKS[seed]) for seed in (0, 3, 1, 0, 3, 0)]
        with pytest.raises(BrokenExecutor):
            ended.pop(2).result()
        numbers = [each.result() for each in ended]
    assert set(numbers[:2]) & set(numbers[2:])  # the other process went on
    assert not any(map(psutil.pid_exists, numbers))


def test_a_killed_stack_is_tried_once_more_when_the_others_are_done(tmp_path):
    with processes(2, partial(die, folder=tmp_path)) as (two, _):
        ended = {s[0].seed: what for s, what in collect(two.submit, STACKS, BrokenExecutor)}
    assert sorted([*ended][:2]) == [0, 3]
    assert sorted([*ended][2:]) == [1, 2]
    killed = [seed for seed, what in ended.items() if "its process was killed" in str(what)]
    assert killed == [2]
