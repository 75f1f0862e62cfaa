"""What a notebook asks of the package: its parameters, read and checked, and its runs."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any, NoReturn

from fmnist_lab.runs.records import find
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps import cluster
from fmnist_lab.sweeps.studies import study
from fmnist_lab.sweeps.wanted import check_device, sweep

from .config import Bounds, ConfigError, names, number, shown, unknown_name
from .notebook import shell

PUBLISHED = "published"  # the value of `seeds` that takes as many as are on record
PARAMETERS = (*(name for name in names() if name != "seed"), "seeds", "device")
# papermill writes this line at the top of the cell with the values it was given.
INJECTED = "# Parameters\n"
# What it writes there beside them with --inject-paths.
PATHS = ("PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")
# The type of what a notebook leaves for pipelines to read: scrapbook's reader looks for it.
SCRAP = "application/scrapbook.scrap.json+json"
# Settings nobody has trained yet start with this many seeds: the fewest that give an interval
# anyone would look at.
NEW_SEEDS = 3


class ParameterError(ConfigError):
    """A notebook parameter that cannot be used; shown as its message alone."""


class Stale:
    """Takes the place of a name that belongs to earlier parameters; any use of it says so."""

    def __init__(self, name: str):
        self._sentence = (
            f"{name} belongs to earlier parameters: run the cells that lead to it again."
        )

    def __repr__(self) -> str:
        return self._sentence

    def _refuse(self, *arguments: object) -> NoReturn:
        raise ParameterError(self._sentence)

    __call__ = __getattr__ = __getitem__ = __iter__ = __len__ = _refuse


class Chapter:
    """One study as a notebook shows it.

    `namespace` is the notebook's `globals()`: the parameters cell's variables are read from it.
    Raises `ParameterError`, naming every fault at once.
    """

    def __init__(self, name: str, namespace: dict[str, Any]):
        self.published, self.namespace = study(name), namespace
        given = {key: number(namespace[key]) for key in PARAMETERS if key in namespace}
        faults = unknown_parameters()
        self.device = given.pop("device", "auto")
        seeds = given.get("seeds", PUBLISHED)
        # An array would not say yes or no.
        if as_published := isinstance(seeds, str) and seeds == PUBLISHED:
            given.pop("seeds", None)
        try:
            if not cluster.address():  # whose workers know what devices they have
                check_device(self.device)
        except ConfigError as fault:
            faults.append(str(fault))
        try:
            self.study = self.published.vary(**given)
        except ConfigError as fault:
            faults.append(str(fault).replace("or a list", f'"{PUBLISHED}", or a list'))
        if faults:
            forget(namespace)
            raise ParameterError("\n".join(faults))
        if as_published:
            # With its defaults a chapter never trains, whatever is published so far.
            fresh = 0 if self.study == self.published else NEW_SEEDS
            self.configs = self.study.at_hand(fresh)
        else:
            self.configs = self.study.configs()

    def runs(self) -> Runs:
        """Return the chapter's runs, first training what is not on record.

        Their table also goes into the notebook, as the scrap "runs", for pipelines to read.
        """
        try:
            runs = sweep(self.configs, keep=self.study.keep, device=self.device)
        except BaseException:  # interrupted, too large, failed
            forget(self.namespace)
            raise
        if here := shell():
            rows = json.loads(runs.table().to_json(orient="records"))
            scrap = {"name": "runs", "data": rows, "encoder": "json", "version": 1}
            about = {"scrapbook": {"name": "runs", "data": True, "display": False}}
            here.display_pub.publish({SCRAP: scrap}, about)
        return runs

    def backdrop(self) -> Runs:
        """Return the published sweep's other runs, to be shown behind the chapter's own.

        There are none if those differ in more than the swept hyperparameter: that would mislead.
        """
        if self.study.base != self.published.base:
            return Runs()
        own = set(self.configs)
        return find(config for config in self.published.configs() if config not in own)


def numbers(namespace: dict[str, Any], *texts: str, **bounds: Bounds) -> list[Any]:
    """Return the parameters of a notebook that has no runs: these numbers, in this order.

    `namespace` is the notebook's `globals()`, `texts` names parameters that are texts. Raises
    `ParameterError`, naming every fault at once: another parameter, or a value that is no number
    within its bounds.
    """
    faults = unknown_parameters((*texts, *bounds))
    given = {name: number(namespace[name]) for name in bounds}
    for name, allowed in bounds.items():
        if not allowed.admit(given[name]):
            faults.append(f"{name} is {shown(given[name])}; it must be {allowed}.")
    if faults:
        forget(namespace, (*texts, *bounds))
        raise ParameterError("\n".join(faults))
    return [allowed.kind(given[name]) for name, allowed in bounds.items()]


def forget(namespace: dict[str, Any], known: Sequence[str] = PARAMETERS) -> None:
    """Make stale what cells assigned, except parameters: no old runs are drawn under new ones."""
    targets = [target for cell in cells_run() for target in assigned(cell)]
    parts = [part for target in targets for part in ast.walk(target)]  # of a tuple each
    own = {p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}
    for name in own - {*known, *PATHS}:
        namespace[name] = Stale(name)


def unknown_parameters(known: Sequence[str] = PARAMETERS) -> list[str]:
    """Return a sentence for each name in the parameters cells that is not a `known` parameter.

    The cells are the last one that sets the last of `known`, and papermill's after it, as it was
    last run.
    """
    cells = cells_run()
    alone = [[t.id for t in assigned(cell) if isinstance(t, ast.Name)] for cell in cells]
    own = [n for n, found in enumerate(alone) if known[-1] in found][-1:]
    later = range(own[0] + 1, len(cells)) if own else ()
    injected = [n for n in later if cells[n].startswith(INJECTED)][-1:]
    given = dict.fromkeys(name for n in own + injected for name in alone[n])
    return [unknown_name(name, known) for name in given if name not in (*known, *PATHS)]


def cells_run() -> list[str]:
    """Return the cells run so far, including this one, from IPython's history; none outside it."""
    return list(here.history_manager.input_hist_raw) if (here := shell()) else []


def assigned(cell: str) -> list[ast.expr]:
    """Return what a cell assigns to at its top level: names, as a parameter is one, or tuples."""
    try:
        statements = ast.parse(cell).body
    except SyntaxError:  # a cell with magics is no parameters cell
        return []
    targets: list[ast.expr] = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets += statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets.append(statement.target)
    return targets
