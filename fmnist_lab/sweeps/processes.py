"""Local processes that train for a sweep: their epochs reach its progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

import torch

from fmnist_lab.config import Config
from fmnist_lab.training.trainer import Epoch

from .progress import Progress

# In a worker process: the pipe's end and its lock, through which epochs reach the progress bar.
_epochs_done: tuple[Connection, Any] | None = None


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
        terminate(pool)  # an interrupted sweep loses the runs in progress, no more
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        sender.close()  # the last end of it: the listener stops
        listener.join()
        receiver.close()


def terminate(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once: `ProcessPoolExecutor.terminate_workers` from Python 3.14."""
    for process in list((pool._processes or {}).values()):
        process.terminate()


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


def report_from_worker(config: Config, epoch: Epoch) -> None:
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
