"""Measure all trainers on all workloads: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from fmnist_lab.config import ConfigError
from fmnist_lab.files import put
from fmnist_lab.sweeps.crew import resolve

from . import costs, measure
from .trainers import FLOORS, ON_GPU, ROUNDED, SEEDS, SINGLE
from .work import WORKLOADS, as_json, prepare

BUSY = 0.5  # load above which something else is computing on the machine


def main(arguments: list[str] | None = None) -> None:
    """Measure what the command line asks for; write results as they come in."""
    trainers = list(SINGLE | SEEDS | ROUNDED | ON_GPU | FLOORS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--workloads", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--trainers", nargs="*", choices=trainers, default=trainers)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(cpu)")
    parser.add_argument("--repeats", type=int, default=5, help="timed epochs of each (5)")
    parser.add_argument(
        "--limit", type=float, default=2.0, metavar="SECONDS",
        help="slower epochs are cut to a share of their steps, and their time scaled up (2)",
    )  # fmt: skip
    parser.add_argument(
        "--no-costs", action="store_true",
        help="leave out imports, reading and sweeps, which the page on speed shows too",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=Path, default=Path("speed.json"), metavar="FILE",
        help="the results; the book shows fmnist_lab/facts/speed.json (speed.json)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    for name in ("repeats", "limit"):
        if not getattr(options, name) > 0:
            parser.error(f"--{name} is {getattr(options, name)}; it must be above 0.")
    try:
        resolve(options.device)
    except ConfigError as error:
        parser.error(str(error))
    if (load := os.getloadavg()[0]) > BUSY:
        say(f"The machine is busy (load {load:.1f}): times will be too long, and so may ratios.")
    results = measure.head(options.repeats, options.limit, options.device)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in options.workloads:
            workload = replace(WORKLOADS[name], device=options.device)
            say(workload.title)
            rounds = measure.measure(
                workload, options.trainers, Path(folder), options.repeats, options.limit, say
            )
            for part in rounds:
                results["workloads"][name] = part
                put(options.to, as_json(results))
    if not options.no_costs:
        say("Costs: imports, published runs, a sweep")
        try:
            results["costs"] = costs.measure()
        except subprocess.CalledProcessError as fault:
            say(f"  left out: {fault.stderr.strip().splitlines()[-1]}")
        put(options.to, as_json(results))


def say(line: str) -> None:
    """Report on stderr; the results are in the file."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
