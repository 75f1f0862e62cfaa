"""Train the runs of a study that are not on record yet: here, on a GPU or over a cluster."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import filelock
import torch

from fmnist_lab import data
from fmnist_lab.config import PRECISIONS, Config, ConfigError
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run, identify
from fmnist_lab.runs.runs import Runs
from fmnist_lab.training import environment, trainer
from fmnist_lab.training.model import FashionClassifier, network_of

from . import cluster
from .processes import local_processes, report_from_worker
from .progress import Progress, bar, duration, estimate, settings_text, speed

# Every run keeps its test predictions (13 KB): only another training could restore them.
KEPT = frozenset({"predictions"})
_loading = threading.Lock()


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
    missing runs train in this process (a single one, or stacks of seeds on a GPU) or in local
    processes, one thread each. Each worker has `device` on its own machine, "auto" its GPU if it
    has one. Every run is saved as it ends: interrupted, the next call continues.

    Raises `ConfigError` for a device that is not there or a cluster that cannot be used.
    """
    address = cluster.address(scheduler) if executor is None else None
    if executor is None and address is None:
        resolve(device)
    missing = records.missing(dict.fromkeys(configs), keep)
    if missing:
        with crew(device, executor, address) as all_workers:
            if progress:
                print(all_workers.estimate_text(missing), file=sys.stderr)
            train_all(missing, keep, device, all_workers, progress)
    return records.find(configs, keep)


def resolve(device: str) -> str:
    """Return the device to train on: "cpu", "cuda" or "cuda:N"; "auto" takes a GPU if there is one.

    Raises `ConfigError` if the name is unknown or the machine has no such device.
    """
    count = torch.cuda.device_count()
    allowed = ["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{n}" for n in range(count))]
    if device not in allowed:
        raise ConfigError(f"device is {device!r}; this machine allows {', '.join(allowed)}.")
    return ("cuda" if count else "cpu") if device == "auto" else device


# --- who trains ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Worker:
    """One that trains: a core or a GPU, wherever it is."""

    device: str  # of its own machine: "cpu", "cuda" or "cuda:N"
    speeds: Mapping[str, float]  # floating-point operations a second, by precision

    @classmethod
    def here(cls, device: str) -> Worker:
        """Return what a worker on this machine is."""
        device = resolve(device)
        return cls(device, {precision: speed(device, precision) for precision in PRECISIONS})

    def seconds(self, configs: Sequence[Config]) -> float:
        """Return how long it takes at most to train these, one after the other."""
        return sum(estimate(config, self.speeds) for config in configs)


@dataclass(frozen=True)
class Crew:
    """Those who train together: an executor's workers or, without one, this machine's."""

    workers: list[Worker]
    executor: Executor | None = None
    called: str = ""  # at the end of a sentence

    def jobs(self, missing: Sequence[Config]) -> list[list[Config]]:
        """Return the jobs, cut for a CPU if any worker has one: a stack could keep it long."""
        on_cpu = [worker for worker in self.workers if worker.device == "cpu"]
        return stacks(missing, (on_cpu or self.workers)[0])

    def estimate_text(self, missing: Sequence[Config]) -> str:
        """Say how many runs are to be trained and how long that takes at most."""
        alone = sorted(worker.seconds(missing) for worker in self.workers)
        seconds = 1 / sum(1 / time for time in alone[: len(self.jobs(missing))])
        devices = ", ".join(sorted({worker.device for worker in self.workers}))
        said = f"Training {len(missing)} run(s) on {devices}: about {duration(seconds)} at most"
        return f"{said}{self.called}."


@contextmanager
def crew(device: str, executor: Executor | None, address: str | None) -> Iterator[Crew]:
    """Yield the workers of an executor, of the cluster at an address, or of this machine."""
    if executor is not None:  # nothing says how many it has
        yield Crew([executor.submit(Worker.here, device).result()], executor, " on one worker")
    elif address is not None:
        with cluster.connect(address) as connected:
            workers = connected.ask(Worker.here, device)
            yield Crew(workers, connected.executor(), f" on {len(workers)} worker(s)")
    else:
        own = Worker.here(device)
        yield Crew([own] * (environment.usable_cpus() if own.device == "cpu" else 1))


def stacks(configs: Sequence[Config], worker: Worker) -> list[list[Config]]:
    """Group configs into jobs, cheapest first: one a setting on a GPU, one a run on a CPU.

    On a CPU a stack gains nothing over processes: a core is busy with one network.
    """
    configs = sorted(configs, key=lambda c: (worker.seconds([c]), str(replace(c, seed=0))))
    if worker.device == "cpu":
        return [[config] for config in configs]
    return [list(job) for _, job in itertools.groupby(configs, lambda c: replace(c, seed=0))]


# --- training ------------------------------------------------------------------------------------


def train_all(
    missing: Sequence[Config], keep: frozenset[str], device: str, by: Crew, progress: bool
) -> None:
    """Train every missing run and save it as it ends."""
    jobs = by.jobs(missing)
    with bar(len(missing), progress) as shown:
        if by.executor is not None:
            submit = by.executor.submit
            collect({submit(train_away, job, keep, device): job for job in jobs}, keep, shown)
        elif by.workers[0].device != "cpu" or len(missing) == 1:
            for job in jobs:
                train_job(job, keep, by.workers[0].device, shown.epoch)
                shown.finish(job)
        else:
            with local_processes(min(len(by.workers), len(missing)), shown) as pool:
                futures = [pool.submit(train_job, job, keep, "cpu", threads=1) for job in jobs]
                collect(dict(zip(futures, jobs, strict=True)), keep, shown)


def collect(jobs: dict[Future[Runs], list[Config]], keep: frozenset[str], shown: Progress) -> None:
    """Save the runs of jobs as they end; a worker's own store may be on another machine."""
    try:
        for future in as_completed(jobs):
            try:
                runs = future.result()
            except Exception as error:
                error.add_note(f"in the run {settings_text(jobs[future][0])}")
                raise
            for run in runs:
                if records.load(run.config, keep) is None:
                    records.save(run)
                shown.finish([run.config])
    except BaseException:
        for future in jobs:
            future.cancel()
        raise


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
    folder = records.folder("locks")
    names = sorted(identify(config, data.DIGEST) for config in configs)
    locks = [filelock.FileLock(folder / f"{name}.lock") for name in names]
    try:
        for lock in locks:
            lock.acquire()
        yield
    finally:
        for lock in locks:
            lock.release()


def loaded(device: str) -> data.Data:
    """Return the data set on a device, loaded once a process, however many of its threads ask."""
    with _loading:
        return _load(device)


@cache
def _load(device: str) -> data.Data:
    return data.load(device)
