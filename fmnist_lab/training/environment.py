"""What trains: CPUs and their threads, the processor, versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from fmnist_lab.config import Config

from .shapes import parameter_count

# A step of at least this much arithmetic is worth a second thread: below it, threads wait for
# each other longer than they compute (measured: 1 x 128 slows down, 2 x 512 at batch 256 gains).
THREADED_STEP = 1e9  # floating-point operations

BFLOAT16 = "avx512_bf16"  # instructions for bfloat16 products
CPUINFO = Path("/proc/cpuinfo")


@contextmanager
def threads(config: Config, at_most: int | None = None) -> Iterator[None]:
    """Compute on as many CPU threads as the work of a step is worth; restore them afterwards."""
    before = torch.get_num_threads()
    work = 6 * parameter_count(config.depth, config.width) * config.batch_size
    most = at_most or usable_cpus()
    torch.set_num_threads(most if work >= THREADED_STEP else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def usable_cpus() -> int:
    """Return how many CPUs this process may use; a container may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows


def environment(
    device: torch.device, operands: torch.dtype, seeds: Collection[int]
) -> dict[str, Any]:
    """Return what a reader needs to know to repeat a run that this process trained.

    `seeds` are those of the stack that it began in: rounding may depend on what trains together.
    """
    return {
        "commit": commit(),
        "device": name(device, torch.get_num_threads()),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "fmnist_lab": version("fmnist-lab"),
        "precision": str(operands).removeprefix("torch."),
        "python": platform.python_version(),
        "seeds": ranges(seeds),
        "stack": len(seeds),
        "torch": torch.__version__,
    }


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers as text of at most 150 characters, as in "0-4, 7, 9-11"."""
    ordered = enumerate(sorted(numbers))
    runs = [[n for _, n in run] for _, run in groupby(ordered, lambda pair: pair[1] - pair[0])]
    said = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    return shorten(", ".join(said), 150, placeholder=" …")


def name(device: torch.device | str, threads: int) -> str:
    """Return what a run says about its device; on a CPU, how many threads compute too."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {threads} thread(s)"


@cache
def processor(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's name and, unless it is known to have `BFLOAT16`, say so.

    A virtual machine may give several generations one name, "AMD EPYC"; they round differently.
    """
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = said.get("model name") or platform.processor() or platform.machine()
    return name if has_bfloat16(cpuinfo) else f"{name} without {BFLOAT16}"


@cache
def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Return whether the processor is known to have `BFLOAT16`: Linux says so of x86 alone."""
    return cpuinfo.exists() and BFLOAT16 in cpuinfo.read_text().split()


@cache
def commit() -> str | None:
    """Return the git commit of the checkout that this package runs from, if it is one."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", here, "rev-parse", "--short=12", "HEAD"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
