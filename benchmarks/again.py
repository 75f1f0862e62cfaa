"""Train published runs again on this machine: what another processor or a GPU changes.

    python -m benchmarks.again loss width --device cuda

Only published runs from another kind of device are trained, each once; after an interruption, run
the same command to continue. What they reach is stored in `facts.equivalences.RESULTS`, which the
chapter on method compares with what is published.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fmnist_lab import data
from fmnist_lab.config import ConfigError
from fmnist_lab.facts import equivalences
from fmnist_lab.files import put
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.crew import Crew, Worker, resolve
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.training import environment, trainer


def elsewhere(studies: Iterable[str], here: str, least: int = 0) -> list[Run]:
    """Return the published runs of these studies, `least` wide or wider, from another device."""
    published = {run.config: run for run in read_published().values()}
    configs = dict.fromkeys(c for name in studies for c in STUDIES[name].configs())
    runs = [published[c] for c in configs if c in published and c.width >= least]
    return [run for run in runs if run.environment["device"] != here]


def entry(run: Run) -> dict[str, Any]:
    """Return what is stored about a run."""
    kept = {name: run.environment[name] for name in ("commit", "device", "torch", "finished")}
    return {"config": asdict(run.config), **kept, "epochs": run.epochs, "best": run.best}


def write(entries: list[dict[str, Any]], path: Path) -> None:
    """Write the results, one entry per line."""
    lines = ",\n".join(json.dumps(each) for each in entries)
    put(path, f"[\n{lines}\n]\n".encode())


def main(arguments: list[str] | None = None) -> None:
    """Train what the command line names and this device has not trained yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.again", description=__doc__)
    parser.add_argument("studies", nargs="+", choices=STUDIES, metavar="STUDY")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--least", type=int, default=0, metavar="WIDTH", help="none narrower (0)")
    parser.add_argument("--to", type=Path, default=equivalences.RESULTS, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        device = resolve(options.device)
        here = environment.name(device, threads=1)
        entries = json.loads(options.to.read_text()) if options.to.exists() else []
        there = {equivalences.config(each) for each in entries if each["device"] == here}
    except ConfigError as error:
        parser.error(str(error))
    except (OSError, ValueError, LookupError, TypeError) as error:
        parser.error(f"{options.to} has no results to add to: {error}")
    runs = elsewhere(options.studies, here, options.least)
    missing = [run.config for run in runs if run.config not in there]
    images = data.load(device)
    for stack in Crew([Worker.here(device)]).stacks(missing):
        print(f"{len(stack)} of {stack[0]}", file=sys.stderr, flush=True)
        with environment.threads(stack[0], at_most=1):
            for epoch in trainer.train(stack, images, keep=frozenset()):
                entries += [entry(run) for run in epoch.finished]
        write(entries, options.to)


if __name__ == "__main__":
    main()
