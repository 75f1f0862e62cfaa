"""Train the runs of a study that are not on record yet: here, on a GPU or over a cluster."""

from __future__ import annotations

import errno
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import contextmanager, suppress
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

from . import cluster
from .crew import Crew, crew, insisted, resolve
from .processes import local_processes, report_from_worker
from .progress import Progress, bar, settings_text

# Every run keeps its test predictions (13 KB): only another training could restore them.
KEPT = frozenset({"predictions"})
# Faults of what all runs need, which end a sweep; any other is one run's own.
COMMON = (ConfigError, DataError, records.RecordError)
# What a network file system says of a file that another machine has removed while it was opened.
REMOVED = (errno.ENOENT, errno.ESTALE)
_loading = threading.Lock()


class FailedRuns(PlainError):
    """Runs of a sweep that failed while the others were trained and kept: which, and why."""

    def __init__(self, failed: dict[Config, str], trained: int):
        self.failed = failed
        lines = [f"{settings_text(config)}: {why}" for config, why in failed.items()]
        said = f"{len(failed)} run(s) failed; the other {trained} are trained and kept."
        super().__init__("\n".join([said, *lines]))


def sweep(
    configs: Sequence[Config],
    *,
    keep: frozenset[str] = frozenset(),
    device: str = "auto",
    executor: Executor | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Runs:
    """Train what is missing of `configs` and return the runs of all, in their order.

    `executor` is any `concurrent.futures.Executor`, `scheduler` the address of a Dask cluster's;
    left out, the one that the environment variable FMNIST_LAB_SCHEDULER names. Without either,
    missing runs train in this process (one at a time, or stacks of seeds on a GPU) or in local
    processes, one thread each. Each worker has `device` on its own machine, "auto" its GPU if it
    has one. Every run is saved as it ends: interrupted, the next call continues.

    Raises `ConfigError` for a device that is not there, a cluster that cannot be used, or what is
    too large (`TooLarge`) and not insisted on; and, once all the others are trained, `FailedRuns`.
    """
    address = cluster.address(scheduler) if executor is None else None
    if executor is None and address is None:
        resolve(device)
    missing = records.missing(dict.fromkeys(configs), keep)
    if missing:
        with crew(device, executor, address) as all_workers:
            if not insisted():
                all_workers.admit(missing)
            if progress:
                print(all_workers.estimate_text(missing), file=sys.stderr)
            train_all(missing, keep, device, all_workers, progress)
    return records.find(configs, keep)


# --- training ------------------------------------------------------------------------------------


def train_all(
    missing: Sequence[Config], keep: frozenset[str], device: str, by: Crew, progress: bool
) -> None:
    """Train every missing run and save it as it ends; raise `FailedRuns` last if any failed."""
    failed: dict[Config, str] = {}
    with bar(len(missing), progress) as shown:
        for job, ended in outcomes(missing, keep, device, by, shown):
            if isinstance(ended, str):
                failed |= dict.fromkeys(job, ended)
            else:
                for run in ended:  # a worker's own store may be on another machine
                    if records.load(run.config, keep) is None:
                        records.save(run)
            shown.finish(job)
    if failed:
        raise FailedRuns(failed, len(missing) - len(failed))


def outcomes(
    missing: Sequence[Config], keep: frozenset[str], device: str, by: Crew, shown: Progress
) -> Iterator[tuple[list[Config], Runs | str]]:
    """Yield each job as it ends, with its runs or what became of them in a sentence."""
    jobs = by.jobs(missing)
    if by.executor is not None:
        there = partial(attempt, train_away, keep=keep, device=device)
        yield from collect(partial(by.executor.submit, there), jobs, by.killed)
    elif by.workers[0].device != "cpu" or by.at_once(missing) == 1:
        for job in jobs:
            yield job, attempt(train_job, job, keep, by.workers[0].device, shown.epoch)
    else:
        with local_processes(by.at_once(missing), shown) as pool:
            here = partial(attempt, train_job, keep=keep, device="cpu", threads=1)
            yield from collect(partial(pool.submit, here), jobs, by.killed)


def collect(
    submit: Callable[[list[Config]], Future[Runs | str]],
    jobs: Sequence[list[Config]],
    killed: type[Exception],
) -> Iterator[tuple[list[Config], Runs | str]]:
    """Yield jobs as they end; what was killed here is tried once more, alone, with all memory."""
    futures = {submit(job): job for job in jobs}
    again = []
    try:
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenExecutor:
                again.append(futures[future])
            except killed:
                yield futures[future], "its workers were killed: see their logs (memory?)."
        for job in again:
            try:
                yield job, submit(job).result()
            except BrokenExecutor:
                yield job, "its process was killed, and again when it was alone (memory?)."
    finally:
        for future in futures:
            future.cancel()


def attempt(train: Callable[..., Runs], configs: list[Config], *args: Any, **options: Any) -> Any:
    """Return the runs of a job, or a sentence with the fault that is its own."""
    try:
        return train(configs, *args, **options)
    except COMMON:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return f"{''.join(traceback.format_exception_only(error)).strip()} ({where})"


def train_away(configs: list[Config], keep: frozenset[str], device: str) -> Runs:
    """Train one stack in an executor's worker, on the device and the threads that are its own.

    A Dask worker has one thread, unless OMP_NUM_THREADS said otherwise when it started.
    """
    return train_job(configs, keep, resolve(device), threads=torch.get_num_threads())


def train_job(
    configs: list[Config],
    keep: frozenset[str],
    device: str,
    on_epoch: Callable[[Config, trainer.Epoch], None] | None = None,
    threads: int | None = None,
) -> Runs:
    """Train one stack in this process, save its runs as they end and return all of them.

    A lock a run makes two sweeps at once train it once: the second waits and reads the record.
    """
    report = on_epoch or report_from_worker
    with locked(configs):
        missing = records.missing(configs, keep)
        if missing:
            with environment.threads(missing[0], at_most=threads):
                for epoch in trainer.train(missing, loaded(device), keep=keep | KEPT):
                    for run in epoch.finished:
                        records.save(run)
                    report(configs[0], epoch)
        return records.find(configs)


def network(run: Run, **options: Any) -> FashionClassifier:
    """Return a run's network on the CPU, with the weights of its best epoch.

    A run that kept no weights is trained again, with the `options` of `sweep`, and keeps them.
    Raises `ValueError` for a run that diverged in its first epoch: it has no best epoch.
    """
    if not run.best_epoch:
        raise ValueError(f"run {run.id} diverged in its first epoch: it has no best weights.")
    if run.weights is None:
        (run,) = sweep([run.config], keep=frozenset({"weights"}), **options)
    return network_of(run.config.depth, run.config.width, run.best_weights())


@contextmanager
def locked(configs: Sequence[Config]) -> Iterator[None]:
    """Hold the locks of some runs, taken in one order everywhere, so that none wait in a ring."""
    folder = records.own_folder("locks")
    names = sorted(identify(config, DIGEST) for config in configs)
    locks = [filelock.FileLock(folder / f"{name}.lock") for name in names]
    try:
        for lock in locks:
            try:
                lock.acquire()
            except (OSError, NotImplementedError) as fault:  # read-only, or a disk that cannot lock
                if getattr(fault, "errno", None) in REMOVED:
                    continue  # another machine has just done so: that run is on record
                raise records.unusable(fault) from fault
        yield
    finally:
        for lock in locks:
            lock.release()
        for path in folder.glob("*.lock"):  # also those that killed processes left; none held
            if records.own_path(path.stem).exists():  # who waits for it finds that
                with suppress(OSError, NotImplementedError), filelock.FileLock(path, timeout=0):
                    path.unlink()


def loaded(device: str) -> data.Data:
    """Return the data set on a device, loaded once a process, however many of its threads ask."""
    with _loading:
        return _load(device)


@cache
def _load(device: str) -> data.Data:
    return data.load(device)
