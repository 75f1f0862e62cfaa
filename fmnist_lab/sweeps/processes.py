"""Local processes that train for a sweep, one stack at a time each, and report their epochs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Self

import torch

from fmnist_lab.config import Config

# Trains a stack and returns what became of it; it gets `report` to call after each epoch.
Train = Callable[..., Any]

# Linux forks processes from one that has imported what they all need and has computed nothing: the
# threads that PyTorch computes with do not survive a fork. Neither do some of macOS's libraries.
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
NEEDED = ["fmnist_lab.sweeps.sweep", "torchvision.datasets"]

_starting = threading.Lock()


class Processes:
    """Processes that die with us; one that is killed takes only its own stack with it.

    At most `count` threads wait for one process each, at the end of a pipe that no other process
    has. A stack's epochs come through it, then what became of the stack; a process that ends closes
    its pipe. A shared pipe could stay locked, or contain half a message, when a process is killed.
    """

    def __init__(self, count: int, train: Train, report: Callable[..., None]):
        self._train, self._report = train, report
        self._threads = ThreadPoolExecutor(count)
        self._idle: list[tuple[BaseProcess, Connection]] = []
        self._alive: set[BaseProcess] = set()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, fault: type[BaseException] | None, *details: object) -> None:
        """End the processes: when their stacks are done or, if a fault ends us, now."""
        self._threads.shutdown(wait=fault is None, cancel_futures=True)
        with _starting:  # also one that is being started
            self._ended = True
            if fault:
                for process in self._alive:
                    process.terminate()
        self._threads.shutdown()
        for _, pipe in self._idle:
            pipe.close()
        for process in self._alive:
            process.join()

    def submit(self, stack: list[Config]) -> Future[Any]:
        """Let the next idle process train a stack; `BrokenExecutor` if it is killed doing so."""
        return self._threads.submit(self._call, stack)

    def _call(self, stack: list[Config]) -> Any:
        try:
            process, pipe = self._idle.pop()
        except IndexError:  # fewer than threads, at first and when one was killed
            process, pipe = self._start()
        try:
            pipe.send(stack)
            while isinstance(message := pipe.recv(), tuple):
                self._report(*message)  # an epoch
        except (EOFError, OSError) as killed:
            with _starting:
                self._alive.discard(process)
            raise BrokenExecutor from killed
        self._idle.append((process, pipe))
        if isinstance(message, Exception):
            raise message
        return message

    def _start(self) -> tuple[BaseProcess, Connection]:
        context: Any = multiprocessing.get_context(START_METHOD)
        context.set_forkserver_preload(NEEDED)
        ours, theirs = context.Pipe()
        with _starting, without_main(), uninterrupted(), theirs:
            if self._ended:
                raise CancelledError
            process: BaseProcess = context.Process(
                target=work, args=(theirs, self._train, dict(os.environ))
            )
            try:
                process.start()
            except (EOFError, OSError) as killed:  # the one that forks was: the next gets another
                raise BrokenExecutor from killed
            self._alive.add(process)
        return process, ours


@contextmanager
def without_main() -> Iterator[None]:
    """Start processes that do not run the program that started them again.

    `multiprocessing` would, to find in it what to call, and a script that trains without
    `if __name__ == "__main__":` would start processes for ever. What is called is in this package.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes that Ctrl-C does not stop while they import, although it reaches them.

    They inherit the blocked signals from this thread; on Windows `work` takes care of that.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # it would unblock the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(pipe: Connection, train: Train, environment: dict[str, str]) -> None:
    """Train what comes through a pipe until it is closed, on one thread.

    The environment is the sweep's; the process that this was forked from has that of its start.
    """
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too, but the parent ends us
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    with suppress(EOFError, OSError, MemoryError):  # no parent, or no memory to say anything in
        while True:
            stack = pipe.recv()
            try:
                message = train(stack, report=lambda *epoch: pipe.send(epoch))
            except MemoryError:
                raise
            except Exception as fault:  # in what all runs need
                message = fault
            pipe.send(message)
