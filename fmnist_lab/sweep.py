"""Train the runs of a study that are not on record yet: here, on a GPU or over a cluster."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

import filelock
import torch
from tqdm.auto import tqdm as auto_bar
from tqdm.std import tqdm as text_bar

from . import data, records, trainer
from .config import Config, ConfigError
from .model import parameter_count
from .run import Run, identify

# What a step costs besides its arithmetic, measured for 1 x 128 at batch 1 on one idle core.
SECONDS_PER_STEP = 1.1e-4
# Every run keeps its test predictions (13 KB): only another training could restore them.
KEPT = frozenset({"predictions"})
# In a worker process: the pipe's end and its lock, through which epochs reach the progress bar.
_epochs_done: tuple[Connection, Any] | None = None


def sweep(
    configs: Sequence[Config],
    *,
    keep: frozenset[str] = frozenset(),
    device: str = "auto",
    executor: Executor | None = None,
    progress: bool = True,
) -> list[Run]:
    """Train what is missing of `configs` and return the runs of all, in their order.

    `executor` is any `concurrent.futures.Executor`; without one, missing runs train in this
    process (a single one, or stacks of seeds on a GPU) or in local processes, one thread each.
    Every run is saved as it ends: interrupted, the next call continues.

    Raises `ConfigError` for a device that is not there.
    """
    device = resolve(device)
    missing = records.missing(dict.fromkeys(configs), keep)
    if missing:
        jobs = stacks(missing, device)
        if progress:
            print(estimate_text(missing, device), file=sys.stderr)
        train_all(jobs, keep, device, executor, progress)
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


def stacks(configs: Sequence[Config], device: str) -> list[list[Config]]:
    """Group configs into jobs, cheapest first: one a setting on a GPU, one a run on a CPU.

    On a CPU a stack gains nothing over processes: a core is busy with one network.
    """
    configs = sorted(configs, key=lambda c: (estimate(c, device), str(replace(c, seed=0))))
    if device == "cpu":
        return [[config] for config in configs]
    return [list(job) for _, job in itertools.groupby(configs, lambda c: replace(c, seed=0))]


def train_all(
    jobs: list[list[Config]],
    keep: frozenset[str],
    device: str,
    executor: Executor | None,
    progress: bool,
) -> None:
    """Train every job and save its runs as they end."""
    runs = sum(len(job) for job in jobs)
    with bar(runs, progress) as shown:
        if executor is not None:
            collect([executor.submit(train_job, job, keep, device) for job in jobs], keep, shown)
        elif device != "cpu" or runs == 1:
            for job in jobs:
                train_job(job, keep, device, shown.epoch)
                shown.finish(job)
        else:
            with local_processes(min(trainer.usable_cpus(), runs), shown) as pool:
                collect(
                    [pool.submit(train_job, job, keep, device, threads=1) for job in jobs],
                    keep,
                    shown,
                )


def collect(futures: list[Any], keep: frozenset[str], shown: Progress) -> None:
    """Save the runs of jobs as they end; a worker's own store may be on another machine."""
    try:
        for future in as_completed(futures):
            for run in future.result():
                if records.load(run.config, keep) is None:
                    records.save(run)
                shown.finish([run.config])
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def train_job(
    configs: list[Config],
    keep: frozenset[str],
    device: str,
    on_epoch: Callable[[Config, trainer.Epoch], None] | None = None,
    threads: int | None = None,
) -> list[Run]:
    """Train one stack in this process, save its runs as they end and return all of them.

    A lock a run makes two sweeps at once train it once: the second waits and reads the record.
    """
    report = on_epoch or report_from_worker
    with locked(configs):
        missing = records.missing(configs, keep)
        if missing:
            with trainer.threads(missing[0], at_most=threads):
                for epoch in trainer.train(missing, loaded(device), keep=keep | KEPT):
                    for run in epoch.finished:
                        records.save(run)
                    report(configs[0], epoch)
        return records.find(configs)


@contextmanager
def locked(configs: Sequence[Config]) -> Iterator[None]:
    """Hold the locks of some runs, taken in one order everywhere, so that none wait in a ring."""
    folder = records.home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(identify(config, data.DIGEST) for config in configs)
    locks = [filelock.FileLock(folder / f"{name}.lock") for name in names]
    try:
        for lock in locks:
            lock.acquire()
        yield
    finally:
        for lock in locks:
            lock.release()


@cache
def loaded(device: str) -> data.Data:
    """Return the data set on a device, loaded once a process."""
    return data.load(device)


# --- local processes -----------------------------------------------------------------------------


@contextmanager
def local_processes(workers: int, shown: Progress) -> Iterator[Executor]:
    """Yield a pool of processes whose epochs reach the progress bar, and which die with us."""
    context = multiprocessing.get_context("spawn")  # a forked torch may hang in its thread pool
    # A pipe that only workers write to: a worker ended while it writes keeps the lock for ever,
    # and a queue's sentinel would wait for it.
    receiver, sender = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, start_worker, (sender, context.Lock()))
    listener = threading.Thread(target=listen, args=(receiver, shown), daemon=True)
    listener.start()
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # an interrupted sweep loses the runs in progress, no more
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        sender.close()  # the last end of it: the listener stops
        listener.join()
        receiver.close()


def start_worker(sender: Connection, lock: Any) -> None:
    """Prepare a worker process: one thread, epochs reported, an end when the parent is gone."""
    global _epochs_done
    _epochs_done = sender, lock
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too: the parent ends us
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def report_from_worker(config: Config, epoch: trainer.Epoch) -> None:
    """Send an epoch to the parent's progress bar, if there is one."""
    if _epochs_done is not None:
        sender, lock = _epochs_done
        with lock:
            sender.send((config, epoch.number, len(epoch.metrics)))


def listen(receiver: Connection, shown: Progress) -> None:
    """Show workers' epochs until all writing ends are closed."""
    with suppress(EOFError, OSError):  # the end, or the middle of a message
        while True:
            shown.advance(*receiver.recv())


# --- progress and estimates ----------------------------------------------------------------------


class Progress:
    """A progress bar over runs that moves with every epoch; time left assumes no early stop."""

    def __init__(self, bar: Any):
        self.bar = bar
        self.lock = threading.Lock()
        self.shown: dict[Config, float] = {}  # by a job's first config: runs shown as done so far
        self.done: set[Config] = set()

    def epoch(self, config: Config, epoch: trainer.Epoch) -> None:
        """Show an epoch of a stack trained in this process."""
        self.advance(config, epoch.number, len(epoch.metrics))

    def advance(self, config: Config, number: int, members: int) -> None:
        """Show that `members` runs have done another epoch."""
        with self.lock:
            if config not in self.done:  # a worker's last epochs may come after its runs
                self.bar.set_postfix_str(f"{settings_text(config)}: epoch {number}", refresh=False)
                self.shown[config] = self.shown.get(config, 0.0) + members / config.epochs
                self.bar.update(members / config.epochs)

    def finish(self, job: Sequence[Config]) -> None:
        """Show that a job's runs are done, whenever they stopped."""
        with self.lock:
            self.done.add(job[0])
            self.bar.update(len(job) - self.shown.pop(job[0], 0.0))


@contextmanager
def bar(runs: int, progress: bool) -> Iterator[Progress]:
    """Yield a progress bar: a live widget where a person watches a notebook, else text on stderr.

    A widget would be saved with a notebook executed by papermill or the book's build and pull
    its whole JavaScript into the page.
    """
    live = "ipykernel" in sys.modules and "JPY_SESSION_NAME" in os.environ  # set by JupyterLab
    make = auto_bar if live else text_bar
    form = "{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}{postfix}]"
    options = {"total": runs, "disable": not progress, "bar_format": form, "mininterval": 0.5}
    with make(**options) as shown:
        yield Progress(shown)


def settings_text(config: Config) -> str:
    """Return a setting in a few words."""
    size = f"{config.depth}x{config.width}" if config.depth else "softmax regression"
    rest = f"batch {config.batch_size} rate {config.learning_rate:g} seed {config.seed}"
    return f"{config.loss} {size} {rest}"


def arithmetic(config: Config) -> float:
    """Return the floating-point operations of one epoch.

    Of an image to train on they are 2 a parameter forward and 4 backward, of one to validate on 2.
    """
    images = 6.0 * config.train_size + 2.0 * data.VALIDATION_SIZE
    return parameter_count(config.depth, config.width) * images


@cache
def speed(device: str) -> float:
    """Return a device's measured floating-point operations a second, from one matrix product."""
    size = 512 if device == "cpu" else 4096
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # an estimate is of one core
    try:
        a = torch.rand(size, size, device=device)
        torch.mm(a, a)
        started = time.perf_counter()
        for _ in range(5):
            product = torch.mm(a, a)
        product[0, 0].item()  # wait for the device
        return 5 * 2 * size**3 / (time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)


def estimate(config: Config, device: str) -> float:
    """Return the most seconds a run takes on one core or GPU, if patience never stops it."""
    steps = config.train_size / config.batch_size
    return config.epochs * (steps * SECONDS_PER_STEP + arithmetic(config) / speed(device))


def estimate_text(missing: Sequence[Config], device: str) -> str:
    """Say how many runs are to be trained and how long that takes at most."""
    workers = min(trainer.usable_cpus(), len(missing)) if device == "cpu" else 1
    seconds = sum(estimate(config, device) for config in missing) / workers
    return f"Training {len(missing)} run(s) on {device}: about {duration(seconds)} at most."


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that fits, rounded as far as an estimate is good."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
