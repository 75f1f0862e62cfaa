"""Local processes that train for a sweep: their epochs reach its progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, TypeVar

import torch

from fmnist_lab.config import Config
from fmnist_lab.training.trainer import Epoch

from .progress import Progress

T = TypeVar("T")

# Linux forks processes from one that has imported what they need, once for all of them, and has
# computed nothing: the threads that PyTorch computes with do not outlive a fork. Neither do some
# of macOS's libraries.
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
NEEDED = ["fmnist_lab.sweeps.sweep", "torchvision.datasets"]

# In a worker process: the end of the pipe through which epochs reach the progress bar.
_epochs_done: Connection | None = None
_starting = threading.Lock()


class Processes(Executor):
    """Processes with a job at a time each: one that is killed takes its own job along, no more.

    A pool of several would give up all of its jobs. Each process is a pool of one here, with a
    thread that waits for it; the next job finds a new process in the place of a killed one.
    """

    def __init__(self, count: int, new: Callable[[], ProcessPoolExecutor]):
        self._threads = ThreadPoolExecutor(count)
        self._new = new
        self._pools = [new() for _ in range(count)]
        self._ended = False
        self._idle = SimpleQueue[int]()
        for place in range(count):
            self._idle.put(place)

    def submit(self, function: Callable[..., T], /, *args: Any, **options: Any) -> Future[T]:
        """Let the next idle process call a function; `BrokenExecutor` if it is killed meanwhile."""
        return self._threads.submit(self._call, function, *args, **options)

    def _call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        place = self._idle.get()
        try:
            with _starting, without_main(), uninterrupted():
                if self._ended:
                    raise CancelledError
                future = self._pools[place].submit(function, *args, **options)
            return future.result()
        except BrokenExecutor:
            self._pools[place].shutdown()
            self._pools[place] = self._new()
            raise
        finally:
            self._idle.put(place)

    def terminate(self) -> None:
        """End the processes at once, also one that is being started."""
        self._ended = True
        with _starting:
            for pool in self._pools:
                terminate(pool)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when their jobs are done."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait)


@contextmanager
def without_main() -> Iterator[None]:
    """Start processes that do not run the program again that started them.

    `multiprocessing` would, to find in it what is to be called, and a script that trains without
    `if __name__ == "__main__":` would start processes for ever. What is called is in this package.
    """
    main = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {
        name: main.pop(name) for name in ("__file__", "__spec__") if name in main
    }
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes that Ctrl-C, which reaches them too, leaves alone while they import.

    They inherit from this thread which signals wait; `start_worker` sees to it on Windows.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def local_processes(count: int, shown: Progress) -> Iterator[Executor]:
    """Yield processes whose epochs reach the progress bar, and which die with us."""
    context = multiprocessing.get_context(START_METHOD)
    context.set_forkserver_preload(NEEDED)
    # A pipe without a lock, which a worker killed while it writes would keep for ever: so short a
    # message is written whole or not at all (POSIX, `write`, up to PIPE_BUF bytes).
    receiver, sender = context.Pipe(duplex=False)
    prepare = (start_worker, (sender, dict(os.environ)))
    processes = Processes(count, partial(ProcessPoolExecutor, 1, context, *prepare))
    listener = threading.Thread(target=listen, args=(receiver, shown), daemon=True)
    listener.start()
    try:
        yield processes
    except BaseException:
        processes.terminate()  # an interrupted sweep loses the runs in progress, no more
        raise
    finally:
        processes.shutdown(cancel_futures=True)
        sender.close()  # the last end of it: the listener stops
        listener.join()
        receiver.close()


def terminate(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once: `ProcessPoolExecutor.terminate_workers` from Python 3.14."""
    for process in list((pool._processes or {}).values()):
        process.terminate()


def start_worker(sender: Connection, environment: dict[str, str]) -> None:
    """Prepare a worker process: one thread, epochs reported, an end when the parent is gone.

    Its environment is the sweep's; the process that it was forked from has that of its own start.
    """
    global _epochs_done
    _epochs_done = sender
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too: the parent ends us
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def report_from_worker(config: Config, epoch: Epoch) -> None:
    """Send an epoch to the parent's progress bar, if there is one."""
    if _epochs_done is not None:
        _epochs_done.send((config, epoch.number, len(epoch.metrics)))


def listen(receiver: Connection, shown: Progress) -> None:
    """Show workers' epochs until all writing ends are closed."""
    with suppress(EOFError, OSError):  # the end, or the middle of a message
        while True:
            shown.advance(*receiver.recv())
