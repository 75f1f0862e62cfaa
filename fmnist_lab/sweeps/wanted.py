"""The runs that are wanted: those on record as they are, missing ones once they are trained.

PyTorch, which takes a second to import, is not loaded until something has to be trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.runs.runs import Runs

from . import cluster


def sweep(
    configs: Sequence[Config],
    *,
    keep: frozenset[str] = frozenset(),
    device: str = "auto",
    executor: Executor | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Runs:
    """Train the missing runs of `configs` and return all their runs, in order.

    `executor` is any `concurrent.futures.Executor`; `scheduler` is the address of a Dask cluster's
    scheduler, by default that in the environment variable FMNIST_LAB_SCHEDULER. Without either,
    missing runs train in this process (one at a time, or stacks of seeds on a GPU) or in local
    processes, one thread each. Each worker uses `device` on its own machine; "auto" is its GPU if
    it has one. Every run is saved as it ends, so after an interruption the next call continues.

    Raises `ConfigError` for a device that is not there, a cluster that cannot be used, or what is
    too large (`TooLarge`) unless insisted on; and, once all the others are trained, `FailedRuns`.
    """
    address = cluster.address(scheduler) if executor is None else None
    if executor is None and address is None:
        check_device(device)
    if missing := records.missing(dict.fromkeys(configs), keep):
        from .sweep import train_missing  # brings PyTorch

        train_missing(missing, keep, device, executor, address, progress)
    return records.find(configs, keep)


def check_device(device: str) -> None:
    """Raise `ConfigError` for a device that this machine does not have."""
    if not isinstance(device, str) or device not in ("auto", "cpu"):  # every machine has those
        from .crew import resolve  # brings PyTorch

        resolve(device)
