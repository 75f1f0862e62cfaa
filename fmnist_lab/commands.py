"""Fetch the data, train a study's runs, list them, export them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run, identify
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps import cluster, crew, studies
from fmnist_lab.sweeps.study import Study
from fmnist_lab.sweeps.sweep import COMMON, FailedRuns

from . import data
from .config import Config, ConfigError, names, number, written
from .sources import DIGEST, locate


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence and does not guess options."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}: see {self.prog} --help.")


def run(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 1 if runs failed, or 2 if it cannot do what it was told."""
    try:
        given = vars(parser().parse_args(arguments))
        command = given.pop("command")
        command(**given)
    except COMMON as fault:
        print(fault, file=sys.stderr)
        return 2
    except FailedRuns as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = Parser(prog="python -m fmnist_lab", description=__doc__)
    top.add_argument("--version", action="version", version=f"fmnist-lab {version('fmnist-lab')}")
    top.set_defaults(command=top.print_help)
    commands = top.add_subparsers()

    fetch = commands.add_parser("data", help="find or fetch Fashion-MNIST and verify it")
    fetch.set_defaults(command=show_data)

    overview = commands.add_parser("list", help="list the studies and what each asks")
    overview.set_defaults(command=list_studies)

    run = commands.add_parser("run", help="train a study's missing runs")
    run.add_argument("name", metavar="STUDY", nargs="?", help="which; without it, they are listed")
    run.add_argument("--all", action="store_true", help="all studies, one after the other")
    run.add_argument("--seeds", type=number, help="how many, or [0,3]; the study's own by default")
    run.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    run.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help=f"train on a Dask cluster: tcp://host:port; else ${cluster.VARIABLE}",
    )
    instead = run.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="show what exists and what is missing")
    instead.add_argument("--csv", metavar="FILE", type=Path, help="write a table, a row per run")
    for name in names():
        if name != "seed":
            run.add_argument(f"--{name.replace('_', '-')}", dest=name, nargs="+", type=number)
    run.set_defaults(command=run_studies)

    expect = commands.add_parser("expect", help="say where an accuracy falls among single runs")
    expect.add_argument("name", metavar="SETTING", nargs="?", help="which; without it, a list")
    expect.add_argument("accuracy", type=number, nargs="?", help="yours, in per cent")
    expect.add_argument("--images", default="test", help="test, validation or train")
    expect.set_defaults(command=show_expected)

    export = commands.add_parser("export", help="write runs in the published form")
    export.add_argument("names", metavar="STUDY", nargs="*", help="all by default")
    export.add_argument(
        "--from", dest="sources", metavar="FOLDER", nargs="+", type=folder, default=[]
    )
    export.add_argument(
        "--to", dest="folder", metavar="FOLDER", type=folder, default=records.PUBLISHED
    )
    export.add_argument("--newer", action="store_true", help="given runs replace contradicted ones")
    export.set_defaults(command=export_runs)
    return top


def folder(name: str) -> Path:
    """Return the named folder; an empty name, as from an unset variable, is an error."""
    if not name:
        raise argparse.ArgumentTypeError("a folder's name is empty")
    return Path(name)


def show_data() -> None:
    """Find or fetch the data set and say where it is."""
    found = data.load()
    print(f"Fashion-MNIST is verified: {locate()}")
    trained, tested = len(found.images), len(found.test_images)
    print(f"{trained:,} images to train and validate, {tested:,} to test.")


def list_studies() -> None:
    """Print what each study asks, and what the report says of it."""
    for study in studies.STUDIES.values():
        print(f"{study.name}: {study.question}\n    {study.report}")


def show_expected(name: str | None, accuracy: object, images: str) -> None:
    """Say where an accuracy falls among single runs of a setting, or where 95 % of those fall."""
    from fmnist_lab.facts.expected import everything, expected  # here, as it takes seconds

    for one in everything() if name is None else [expected(name, images)]:
        listed = f"{one.name} ({one.images}): {one.range}"
        print(listed if accuracy is None else one.place(accuracy))


def run_studies(
    name: str | None,
    all: bool,
    seeds: object,
    device: str,
    scheduler: str | None,
    list: bool,
    csv: Path | None,
    **given: Any,
) -> None:
    """Train the missing runs of one study or all and print their results, or list them."""
    varied = {key: value if len(value) > 1 else value[0] for key, value in given.items() if value}
    varied |= {} if seeds is None else {"seeds": seeds}
    if not (name or all or varied):
        list_studies()
        return
    if all == (name is not None) or (all and varied):
        raise ConfigError("run takes the name of a study, or --all without options that vary one.")
    # The tuned ones come after those that tune them, without which they have no settings.
    every = (study for study in studies.STUDIES.values() if study.configs())
    chosen = [studies.study(name).vary(**varied)] if name else every
    if list:
        list_settings(chosen, device, scheduler)
        return
    found, failed = Runs(), dict[Config, str]()
    for study in chosen:
        try:
            runs = study.runs(device=device, scheduler=scheduler)
        except FailedRuns as fault:
            failed |= fault.failed
            continue
        found += runs
        grouped = runs.table().groupby([*study.grid])[["validation_accuracy", "best_epoch"]]
        print(f"{study.name}\n{grouped.agg(['mean', 'count']).to_string()}")
    if csv is not None:
        csv.write_text(found.table().to_csv(index=False))
        print(f"A table of all runs is in {csv}.", file=sys.stderr)
    print(f"Your own runs are kept in {records.home() / 'runs'}.", file=sys.stderr)
    if failed:
        raise FailedRuns(failed)


def list_settings(chosen: Iterable[Study], device: str, scheduler: str | None) -> None:
    """Print each setting's seeds on record, its missing seeds and the estimate for those.

    On a cluster the estimate is for everything missing, by its workers.
    """
    address = cluster.address(scheduler)
    device = device if address else crew.resolve(device)
    missing: dict[Config, None] = {}
    for study in chosen:
        study.needed()
        print(study.name)
        for setting in study.settings():
            wanted = study.at_seeds(setting)
            lacking = records.missing(wanted, study.keep)
            values = ", ".join(f"{key}={written(getattr(setting, key))}" for key in study.grid)
            line = f"  {values}: {len(wanted) - len(lacking)} of {len(wanted)} runs on record"
            if lacking:
                line += f", missing seeds {', '.join(str(c.seed) for c in lacking)}"
            if lacking and not address:
                seconds = crew.Worker.here(device).seconds(lacking)
                line += f": {crew.at_most(seconds)}" + " on one core" * (device == "cpu")
            print(line)
            missing |= dict.fromkeys(lacking)
    if not missing:
        print("Nothing is missing.")
        return
    with crew.assemble(device, None, address) as workers:
        print(workers.estimate_text([*missing]))


def export_runs(names: list[str], sources: list[Path], folder: Path, newer: bool) -> None:
    """Write published files, one per study: the runs already published and those of `sources`.

    A source's run whose numbers contradict the published run of the same identity is left out or,
    with `newer`, takes its place, unless it lacks parts that the study shows. Without sources, the
    user's own store is the source, and what belongs is taken from it. What is damaged or
    belongs to no study is left out; the command ends with an error that names it.
    """
    chosen = {studies.study(name).name for name in names or studies.STUDIES}
    given: list[Run] = []
    refused: list[str] = []
    for source in sources or [records.home() / "runs"]:
        found, faults = records.read_folder(source)
        given += found
        refused += faults
    known, taken = dict(records.read_published()), []
    for run in given:
        if newer or run.agrees(known.setdefault(run.id, run)):
            taken.append(run)
        else:
            refused.append(
                f"run {run.id} contradicts the one on record, which is kept: {run.config}."
            )
    # Of several runs of one identity the last counts.
    runs = [*known.values(), *taken] if newer else [*taken, *known.values()]
    belonging: set[str] = set()
    for study in studies.STUDIES.values():
        wanted = {identify(config, DIGEST) for config in study.configs(runs)}
        held = [run for run in runs if run.id in wanted and run.holds(study.keep)]
        here = {run.id: run.keeping(study.keep) for run in held}  # of several, the last
        belonging |= wanted
        if here and study.name in chosen:
            records.write_lines(folder / f"{study.name}.jsonl", here.values())
            print(f"{study.name}: {len(here)} of {len(wanted)} runs")
    refused += [
        f"run {run.id} belongs to no study: {run.config}."
        for run in given
        if sources and run.id not in belonging
    ]
    if refused:
        raise records.RecordError("\n".join(refused))
