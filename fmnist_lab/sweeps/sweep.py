"""Train the runs of a study that are not on record yet: here, on a GPU or on a cluster.

A setting is a config without its seed. A stack is configs of one setting, or a single one, that a
worker trains together. The workers of a sweep are its crew.
"""

from __future__ import annotations

import errno
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import filelock
import torch

from fmnist_lab import data
from fmnist_lab.config import Config, ConfigError, PlainError
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run, identify
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sources import DIGEST, DataError
from fmnist_lab.training import environment, trainer
from fmnist_lab.training.model import FashionClassifier, network_of

from .crew import Crew, assemble, insisted, resolve
from .processes import Processes
from .progress import Progress, bar, settings_text
from .wanted import sweep as sweep

# Every run keeps its test predictions (13 KB): only another training could restore them.
KEPT = frozenset({"predictions"})
# Faults in what all runs need, which end a sweep; any other is one run's own.
COMMON = (ConfigError, DataError, records.RecordError)
# What a network file system reports if another machine removed a file while it was being opened.
REMOVED = (errno.ENOENT, errno.ESTALE)
HEARD = 0.2  # seconds between two checks, while waiting for a lock, for an order to stop
_load, _loading = cache(data.load), threading.Lock()


class FailedRuns(PlainError):
    """Some runs of a sweep failed, and all others were trained and kept: which, and why."""

    def __init__(self, failed: dict[Config, str]):
        self.failed = failed
        lines = [f"{settings_text(config)}: {why}" for config, why in failed.items()]
        said = f"{len(failed)} run(s) failed; all others are trained and kept."
        super().__init__("\n".join([said, *lines]))


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a notebook's Stop, during a sweep; a notebook shows the message alone."""

    def __init__(self) -> None:
        super().__init__("Stopped. Finished runs are kept; running it again continues.")

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def train_missing(
    missing: Sequence[Config],
    keep: frozenset[str],
    device: str,
    executor: Executor | None,
    address: str | None,
    progress: bool,
) -> None:
    """Train runs that are not on record, by an executor or by workers of a cluster or this machine.

    Raises what `wanted.sweep` raises.
    """
    with assemble(device, executor, address) as crew:
        if not insisted():
            crew.admit(missing)
        if progress:
            print(crew.estimate_text(missing), file=sys.stderr)
        try:
            train_all(missing, keep, device, crew, progress)
        except KeyboardInterrupt:
            raise Interrupted from None


def train_all(
    missing: Sequence[Config], keep: frozenset[str], device: str, crew: Crew, progress: bool
) -> None:
    """Train every missing run and save it as it ends; raise `FailedRuns` last if any failed."""
    failed: dict[Config, str] = {}
    with (
        bar(len(missing), progress) as shown,
        closing(outcomes(missing, keep, device, crew, shown)) as ended,
    ):
        for stack, outcome in ended:
            if isinstance(outcome, str):
                failed |= dict.fromkeys(stack, outcome)
            else:
                for run in outcome:  # a worker's own store may be on another machine
                    if records.load(run.config, keep) is None:
                        records.save(run)
            shown.finish(stack)
    if failed:
        raise FailedRuns(failed)


def outcomes(
    missing: Sequence[Config], keep: frozenset[str], device: str, crew: Crew, shown: Progress
) -> Generator[tuple[list[Config], Runs | str]]:
    """Yield each stack as it ends, with its runs or a sentence that says what became of them."""
    stacks = crew.stacks(missing)
    train = partial(train_away, keep=keep, device=device)
    if crew.executor is not None:
        yield from collect(partial(crew.executor.submit, train), stacks, crew.killed)
    elif crew.workers[0].device != "cpu" or crew.at_once(missing) == 1:
        for stack in stacks:
            yield stack, train_stack(stack, keep, crew.workers[0].device, shown.advance)
    else:
        with Processes(crew.at_once(missing), train, shown.advance) as processes:
            yield from collect(processes.submit, stacks, crew.killed)


def collect(
    submit: Callable[[list[Config]], Future[Runs | str]],
    stacks: Sequence[list[Config]],
    killed: type[Exception],
) -> Iterator[tuple[list[Config], Runs | str]]:
    """Yield stacks as they end; what was killed here gets a second try alone, with all memory."""
    futures = {submit(stack): stack for stack in stacks}
    again = []
    try:
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenExecutor:
                again.append(futures[future])
            except killed:
                yield futures[future], "its workers were killed: see their logs (memory?)."
        for stack in again:
            try:
                yield stack, submit(stack).result()
            except BrokenExecutor:
                yield stack, "its process was killed, and again when it trained alone (memory?)."
    finally:
        for future in futures:
            future.cancel()


def silent(config: Config, epoch: int, members: int) -> None:
    """Report an epoch to nobody."""


def train_away(
    stack: list[Config], keep: frozenset[str], device: str, report: Callable[..., None] = silent
) -> Runs | str:
    """Train a stack in another process, on that process's device and threads.

    A Dask worker has one thread, unless OMP_NUM_THREADS said otherwise when it started.
    """
    return train_stack(stack, keep, resolve(device), report, torch.get_num_threads())


def train_stack(
    stack: list[Config],
    keep: frozenset[str],
    device: str,
    report: Callable[..., None] = silent,
    threads: int | None = None,
) -> Runs | str:
    """Train a stack, save its runs as they end and return them, or a sentence on what went wrong.

    After each epoch `report` gets the stack's first config, the epoch's number and how many
    networks trained in it.
    One lock per run makes two simultaneous sweeps train it once: the second waits and reads the
    record. Raises `COMMON` faults.
    """
    try:
        with locked(stack):
            missing = records.missing(stack, keep)
            if missing:
                with environment.threads(missing[0], at_most=threads):
                    for epoch in trainer.train(missing, loaded(device), keep=keep | KEPT):
                        for run in epoch.finished:
                            records.save(run)
                        report(stack[0], epoch.number, len(epoch.metrics))
            return records.find(stack)
    except COMMON:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return f"{''.join(traceback.format_exception_only(error)).strip()} ({where})"


def network(run: Run, **options: Any) -> FashionClassifier:
    """Return a run's network on the CPU, with the weights of its best epoch.

    A run that kept no weights is trained again, with `sweep`'s `options`, and then keeps them.
    Raises `ValueError` for a run that diverged in its first epoch: it has no best epoch.
    """
    if not run.best_epoch:
        raise ValueError(f"run {run.id} diverged in its first epoch: it has no best weights.")
    if run.weights is None:
        (run,) = sweep([run.config], keep=frozenset({"weights"}), **options)
    return network_of(run.config, run.best_weights())


@contextmanager
def locked(configs: Sequence[Config], stop: threading.Event | None = None) -> Iterator[None]:
    """Hold the locks of some runs, taken in the same order everywhere, so there is no deadlock.

    Once `stop` is set it waits no longer: a training that starts then does nothing.
    """
    stop = stop or threading.Event()
    folder = records.own_folder("locks")
    names = sorted(identify(config, DIGEST) for config in configs)
    locks = [filelock.FileLock(folder / f"{name}.lock") for name in names]
    try:
        for lock in locks:
            try:
                while not (lock.is_locked or stop.is_set()):
                    with suppress(filelock.Timeout):
                        lock.acquire(timeout=HEARD)
            except (OSError, NotImplementedError) as fault:  # read-only, or a disk that cannot lock
                if getattr(fault, "errno", None) in REMOVED:
                    continue  # another machine just removed it: that run is on record
                raise records.unusable(fault) from fault
        yield
    finally:
        for lock in locks:
            lock.release()
        for path in folder.glob("*.lock"):  # also what killed processes left; no held one
            if records.own_path(path.stem).exists():  # whoever waits for the lock finds it
                with suppress(OSError, NotImplementedError), filelock.FileLock(path, timeout=0):
                    path.unlink()


def loaded(device: str) -> data.Data:
    """Return the data set on a device, loaded once per process, however many threads ask."""
    with _loading:
        return _load(device)
