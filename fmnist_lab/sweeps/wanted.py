"""The runs that are wanted: those on record as they are, what is missing once it is trained.

PyTorch, which takes a second to import, is not loaded before something has to be trained.
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
        check_device(device)
    if missing := records.missing(dict.fromkeys(configs), keep):
        from .sweep import train_missing  # brings PyTorch

        train_missing(missing, keep, device, executor, address, progress)
    return records.find(configs, keep)


def check_device(device: str) -> None:
    """Raise `ConfigError` for a device that this machine has not."""
    if not isinstance(device, str) or device not in ("auto", "cpu"):  # which all have
        from .crew import resolve  # brings PyTorch

        resolve(device)
