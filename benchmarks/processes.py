"""The seeds of a workload shared out among processes, one per core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .remote import Remote
from .work import Floats, Timed, Trainer, Work


class Processes(Trainer):
    """Does the work of some of the seeds in each process, all processes at once."""

    def __init__(self, kind: Callable[[Work], Timed], work: Work):
        workload = work.workload
        count = min(workload.cores, workload.seeds)
        ends = [workload.seeds * part // count for part in range(count + 1)]
        self.parts = [
            Remote(kind, replace(work, workload=replace(workload, seeds=end - start), seed=start))
            for start, end in pairwise(ends)
        ]

    def ask(self, method: str, *arguments: Any) -> list[Any]:
        """Ask all processes at once."""
        for part in self.parts:
            part.send(method, *arguments)
        return [part.receive() for part in self.parts]

    def epoch(self) -> None:
        self.ask("epoch")

    def steps(self) -> int:
        (steps,) = set(self.ask("steps"))
        return steps

    def parameters(self) -> int:
        return sum(self.ask("parameters"))

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return np.concatenate(self.ask("logits", pixels))

    def cpu_seconds(self) -> float:
        return super().cpu_seconds() + sum(self.ask("cpu_seconds"))

    def peak_bytes(self) -> int:
        return super().peak_bytes() + sum(self.ask("peak_bytes"))

    def close(self) -> None:
        for part in self.parts:
            part.close()
