"""The other end of the pipe: builds one trainer and times its epochs."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypedDict

import numpy as np

from .processes import Processes
from .trainers import Entry
from .work import LEAST, InTurn, Timed, Trainer, Work, Workload, loss, share


class State(TypedDict):
    """What a trainer has done; a floor has no steps, parameters and loss."""

    images: int  # per epoch of this trainer, out of the workload's
    steps: int | None  # so far, of one network
    parameters: int | None  # of all networks
    loss: float | None  # now


class Host:
    """Holds the data and one trainer."""

    timed: Timed

    def __init__(self, entry: Entry, folder: Path, workload: Workload):
        module, name = entry.where.split(":")
        kind = getattr(import_module(f".{module}", __package__), name)
        alone = kind if entry.floor else partial(InTurn, kind)
        kinds = {"together": kind, "in turn": alone, "processes": partial(Processes, alone)}
        self.make, self.floor, self.workload = kinds[entry.seeds], entry.floor, workload
        self.pixels, self.labels = np.load(folder / "pixels.npy"), np.load(folder / "labels.npy")

    def start(self, limit: float, images: int | None = None) -> State:
        """Build the trainer and warm it up; its epochs have `images`, or what fits in `limit` s.

        To find how many fit, it tries more and more: the first steps say little about the others,
        because every epoch has costs that do not grow with it.
        """
        if images:
            return self.build(images)
        images = min(LEAST * self.workload.batch, self.workload.images)
        while True:
            state = self.build(images)
            seconds, _ = timed(self.timed)
            more = share(self.workload, seconds * self.workload.batch / images, limit)
            if more <= images or seconds > limit / 2:
                return state
            images = more

    def build(self, images: int) -> State:
        """Make the trainer and train one epoch of the first `images` images."""
        self.close()
        workload = replace(self.workload, images=images)
        self.work = Work(workload, self.pixels[:images], self.labels[:images])
        self.timed = self.make(self.work)
        self.timed.epoch()
        return self.state()

    def state(self) -> State:
        """Return what the trainer has done."""
        images = self.work.workload.images
        if self.floor:
            return {"images": images, "steps": None, "parameters": None, "loss": None}
        assert isinstance(self.timed, Trainer)
        return {
            "images": images,
            "steps": self.timed.steps(),
            "parameters": self.timed.parameters(),
            "loss": loss(self.timed, self.work),
        }

    def epoch(self) -> tuple[float, float]:
        """Train an epoch; return its seconds and the processor's."""
        return timed(self.timed)

    def peak_bytes(self) -> int:
        """Return the most memory held so far."""
        return self.timed.peak_bytes()

    def close(self) -> None:
        """Release the trainer."""
        if hasattr(self, "timed"):
            self.timed.close()
            del self.timed
            gc.collect()  # its memory should not count as the next one's


def timed(work: Timed) -> tuple[float, float]:
    """Do the work of an epoch; return its seconds and the processor's."""
    processor, start = work.cpu_seconds(), time.perf_counter()
    work.epoch()
    seconds = time.perf_counter() - start
    return seconds, work.cpu_seconds() - processor
