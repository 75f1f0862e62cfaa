"""A Dask cluster that trains for a sweep; extra `[cluster]`.

To start one, run `dask scheduler` on one machine and, on each machine that is to train,
`dask worker tcp://HOST:8786 --nthreads 1 --nworkers N`, N being its number of cores (for GPUs,
dask-cuda gives each its own worker). Give each worker one thread, because Python computes on one at
a time. All machines need this package, in one version, and nothing else: each worker finds or
fetches the data set itself. Workers that share a store (FMNIST_LAB_HOME) never train the same run.

Anyone who reaches a scheduler or a worker can run any code there, because Dask unpickles what it
receives. Trust a cluster only as far as its network. On a network that others share, use TLS. Make
a certificate once, and copy both files to every machine:

    openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=lab -keyout key.pem -out ca.pem

In their folder, run this on every machine before you start anything:

    export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
    export DASK_DISTRIBUTED__COMM__TLS__CA_FILE=$PWD/ca.pem
    export DASK_DISTRIBUTED__COMM__TLS__SCHEDULER__CERT=$PWD/ca.pem
    export DASK_DISTRIBUTED__COMM__TLS__SCHEDULER__KEY=$PWD/key.pem
    export DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT=$PWD/ca.pem
    export DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY=$PWD/key.pem
    export DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT=$PWD/ca.pem
    export DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY=$PWD/key.pem

Then use the address tls://HOST:8786 everywhere, and start the scheduler with `--protocol tls`.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from tqdm import tqdm

from fmnist_lab.config import ConfigError

T = TypeVar("T")

VARIABLE = "FMNIST_LAB_SCHEDULER"
FORM = re.compile(r"(tcp|tls)://([\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})", re.ASCII)
TIMEOUT = 5.0  # seconds in which a scheduler must answer, and in which it must have a worker
LOOK = 5.0  # seconds between two checks that the cluster still has a worker


class ClusterError(ConfigError):
    """A cluster that cannot be used or was lost; the message says which and what to do."""


def address(given: str | None = None) -> str | None:
    """Return the scheduler's address: the one given, else the environment's, else None.

    Raises `ClusterError` if it is not an address.
    """
    name, found = ("scheduler", given) if given is not None else (VARIABLE, os.getenv(VARIABLE))
    if not found:
        return None
    match = FORM.fullmatch(found)
    if match is None or int(match[3]) > 65_535:
        raise ClusterError(f"{name} is {found!r}; it must be an address like tcp://host:8786.")
    return found


@dataclass(frozen=True)
class Cluster:
    """A scheduler that answers, and its workers."""

    client: Any
    killed: type[Exception]  # what the future of a stack raises if its workers keep dying

    def executor(self) -> Executor:
        """Return an executor that gives stacks to workers, and again if a worker is lost."""
        # Pure: two sweeps at once over one cluster share a stack.
        return self.client.get_executor(pure=True)

    def ask(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Return what a function returns on each worker, busy or not.

        Raises `ClusterError`, naming a worker on which it fails.
        """
        answers = self.client.run(function, *arguments, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, Exception):
                raise ClusterError(f"the worker {worker} cannot train: {reason_of(answer)}")
        return list(answers.values())


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Yield the cluster at a scheduler's address.

    Raises `ClusterError` if Dask is not installed, if no scheduler answers or it has no worker and,
    later, if the connection is lost.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise ClusterError(
            f"the scheduler {address} cannot be used without Dask: "
            "pip install 'fmnist-lab[cluster]'."
        ) from None

    class Closing(Client):
        """A client that is closed if it cannot start.

        Dask leaves it half open, and whichever client starts while the garbage collector closes
        it waits for a lock that it holds itself.
        """

        def start(self, **options: Any) -> None:
            try:
                super().start(**options)
            except BaseException:
                self.close()
                raise

    greet(address)
    # A sentence here replaces what the client would log as an error or show as a traceback.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Closing(address, timeout=TIMEOUT, set_as_default=False)
    except Exception as error:  # of many kinds, such as a TypeError where TLS is not set up
        reason = reason_of(error)
        raise ClusterError(f"the scheduler {address} cannot be used: {reason}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=TIMEOUT)
        except TimeoutError:
            raise ClusterError(
                f"the scheduler {address} has no workers: start some with "
                f"`dask worker {address} --nthreads 1`."
            ) from None
        try:
            check_versions(client, address)
            with watched(client):
                yield Cluster(client, KilledWorker)
        except (CancelledError, CommClosedError):
            raise ClusterError(
                f"the connection to the scheduler {address} was lost. "
                "Finished runs are kept; run the same command to continue."
            ) from None


def greet(address: str) -> None:
    """Check that a scheduler answers; Dask's client might wait for ever or run out of memory.

    Raises `ClusterError` if none does.
    """
    match = FORM.fullmatch(address)
    assert match is not None
    protocol, host, port = match.groups()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT) as connection:
            if protocol == "tcp" and not connection.recv(1):  # Dask's servers speak first
                raise ConnectionError("the connection was closed")
    except OSError as error:
        reason = error.strerror or error  # without its number
        raise ClusterError(f"no scheduler answers at {address}: {reason}.") from None


def check_versions(client: Any, address: str) -> None:
    """Check that all machines have this version of the package: others may train differently.

    Raises `ClusterError`, naming the first that does not.
    """
    try:
        found = {f"scheduler {address}": client.run_on_scheduler(installed)}
    except Exception as error:  # whatever goes wrong when it imports the package
        found = {f"scheduler {address}": error}
    workers = client.run(installed, on_error="return")
    found |= {f"worker {worker}": answer for worker, answer in workers.items()}
    for machine, answer in found.items():
        if answer != installed():
            needs = f"the {machine} needs fmnist-lab {installed()}, as here"
            raise ClusterError(f"{needs}; it has: {reason_of(answer)}")


def installed() -> str:
    """Return the version of this package on the machine that calls this."""
    return version("fmnist-lab")


@contextmanager
def watched(client: Any) -> Iterator[None]:
    """Say on stderr when the cluster has no worker left: its stacks then wait for a new one."""
    over = threading.Event()

    def look() -> None:
        had_some = True
        with suppress(Exception):  # the connection is lost, as the stacks will say
            while not over.wait(LOOK):
                has_some = bool(client.nthreads())
                if had_some and not has_some:
                    said = "The cluster has no worker left: the runs wait until it has one."
                    tqdm.write(said, file=sys.stderr)
                had_some = has_some

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def reason_of(answer: object) -> str:
    """Return an answer, or an error's message or kind, with one full stop."""
    return f"{str(answer).rstrip('.') or type(answer).__name__}."
