"""All that the claims still lack, of every study: what it is, its time, and its training."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from fmnist_lab.config import Config
from fmnist_lab.runs import records

from .crew import Worker
from .progress import duration
from .studies import STUDIES
from .study import Study
from .sweep import FailedRuns, sweep
from .tuning import Tuning

AT_ONCE = 24  # runs trained before looking again which rates the tuning runs so far ask for


def lacking(study: Study) -> list[Config]:
    """Return what a study lacks on record, as far as the runs that choose its rates tell."""
    return records.missing(study.configs(), study.keep)


def waits_for(study: Study) -> str | None:
    """Return the study on whose tuning runs, not on record yet, more of this one depends."""
    tuning = study if isinstance(study, Tuning) and study.bracketed else study.tuned_by
    is_open = tuning and any(each.chosen is None for each in tuning.brackets().values())
    return tuning.name if tuning and is_open else None


def in_order(configs: Sequence[Config]) -> list[Config]:
    """Return configs in the order in which they settle most an hour: the shortest runs first.

    A verdict needs all seeds of its settings, each of which counts as one, however long it takes.
    """
    worker = Worker.here("cpu")
    return sorted(configs, key=lambda c: (worker.seconds([c]), str(replace(c, seed=0)), c.seed))


def train_everything(**options: Any) -> None:
    """Train all that is missing, `AT_ONCE` runs at a time; `options` are those of `sweep`.

    What tuning asks for next is found in between, and so are the studies that it tunes. Raises
    `FailedRuns` when all the others are trained.
    """
    failed: dict[Config, str] = {}
    trained = 0
    while True:
        keeps: dict[Config, frozenset[str]] = {}
        for study in STUDIES.values():
            for config in lacking(study):
                if config not in failed:
                    keeps[config] = keeps.get(config, frozenset()) | study.keep
        if not keeps and failed:
            raise FailedRuns(failed, trained)
        if not keeps:
            return
        print(f"{len(keeps)} runs are missing; the shortest come first.", file=sys.stderr)
        chosen = in_order(list(keeps))[:AT_ONCE]
        for keep in dict.fromkeys(keeps[config] for config in chosen):
            try:
                part = [config for config in chosen if keeps[config] == keep]
                sweep(part, keep=keep, **options)
            except FailedRuns as fault:
                failed |= fault.failed
        trained += len(set(chosen) - set(failed))


def listed() -> Iterator[str]:
    """Yield a line for each study that lacks runs or waits for some, then one for all of them."""
    worker = Worker.here("cpu")
    missing: dict[Config, None] = {}
    waiting = False
    for study in STUDIES.values():
        here, other = lacking(study), waits_for(study)
        missing |= dict.fromkeys(here)
        waiting |= other is not None
        parts = []
        if here:
            parts.append(f"{len(here)} runs, at most {duration(worker.seconds(here))} on one core")
        if other:
            parts.append(
                "more as its brackets close" if other == study.name else f"waits for {other}"
            )
        if parts:
            yield f"{study.name}: {'; '.join(parts)}"
    if missing or waiting:
        total = duration(worker.seconds(list(missing)))
        yield f"{len(missing)} runs are missing: at most {total} on one core."
    else:
        yield "Nothing is missing."
