"""An object in its own process, called over a pipe."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 5.0  # seconds that a process has to end by itself


class RemoteError(RuntimeError):
    """What went wrong in the other process, in one line."""


class Remote:
    """Make an object in a new process and call its methods there.

    Raises `RemoteError` if the call raised or the process died.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any):
        context = multiprocessing.get_context("spawn")  # inherits nothing from this process
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, make, *arguments))
        self.process.start()
        other.close()

    def send(self, method: str, *arguments: Any) -> None:
        """Ask without waiting."""
        try:
            self.connection.send((method, arguments))
        except OSError:
            raise self._dead() from None

    def receive(self) -> Any:
        """Return the answer to the oldest question."""
        try:
            failed, answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._dead() from None
        if failed:
            raise RemoteError(answer)
        return answer

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method and return what it returns."""
        self.send(method, *arguments)
        return self.receive()

    def close(self) -> None:
        """End the process."""
        self.connection.close()  # it reads the end of the pipe
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()

    def _dead(self) -> RemoteError:
        self.process.join(PATIENCE)
        return RemoteError(f"its process ended with exit code {self.process.exitcode}")


def serve(connection: Connection, make: Callable[..., Any], *arguments: Any) -> None:
    """Answer questions until the pipe ends: the loop of the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too, but the parent ends us
    thing: Any = None
    with suppress(EOFError, OSError):
        while True:
            method, given = connection.recv()
            try:
                thing = thing if thing is not None else make(*arguments)
                answer = False, getattr(thing, method)(*given)
            except Exception as error:
                lines = str(error).strip().splitlines() or [""]
                answer = True, f"{type(error).__name__}: {lines[0]}"
            connection.send(answer)
    if hasattr(thing, "close"):
        thing.close()


@contextmanager
def limited(cores: int, threads: int, device: str = "cpu") -> Iterator[int]:
    """Give processes started inside `cores` cores, and their libraries `threads` threads each.

    Yields the number of cores they really get: a machine may have fewer, or not let us choose.
    On a GPU, libraries share its memory, and JAX's products have all 32 bits, like PyTorch's.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    wanted = dict.fromkeys(names, str(threads)) | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": device}
    if device != "cpu":
        wanted |= {
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        }  # fmt: skip
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    pinned = hasattr(os, "sched_setaffinity")  # Linux
    allowed = os.sched_getaffinity(0) if pinned else set(range(os.cpu_count() or 1))
    if pinned:  # started processes inherit it; the first core does the machine's own work
        os.sched_setaffinity(0, sorted(allowed)[-cores:])
    try:
        yield min(cores, len(allowed)) if pinned else len(allowed)
    finally:
        if pinned:
            os.sched_setaffinity(0, allowed)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
