"""A study: one question, the settings it compares, their seeds, and all their runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fmnist_lab.config import BOUNDS, Bounds, Config, ConfigError, check, names, shown, unknown_name
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run
from fmnist_lab.runs.runs import Runs

from .wanted import sweep

if TYPE_CHECKING:
    from .tuning import Tuning

# The seeds whose runs decide a verdict.
CONFIRMING_SEEDS = tuple(range(10))
SEEDS = Bounds(int, 1, 1000)  # how many; the most settle any difference that matters
SEED = BOUNDS["seed"]
MOST_VALUES = 1000  # of a hyperparameter that is swept


@dataclass(frozen=True)
class Study:
    """One question: a base config, the values compared, the seeds.

    `grid` maps each hyperparameter that varies to its values; the study is about the first.
    """

    name: str
    question: str
    report: str  # what the report showed
    base: Config
    grid: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...] = CONFIRMING_SEEDS
    keep: frozenset[str] = frozenset()  # bulky parts that its published runs contain
    tuned_by: Tuning | None = None  # whose runs choose each setting's learning rate
    best_alone: bool = False  # whether they also choose the one setting that is run

    @property
    def swept(self) -> str:
        """The hyperparameter the study is about."""
        return next(iter(self.grid))

    @property
    def values(self) -> tuple[Any, ...]:
        """The swept hyperparameter's values."""
        return self.grid[self.swept]

    @cached_property
    def product(self) -> list[Config]:
        """One config per combination of the grid's values, at the first seed."""
        settings = [
            replace(self.base, seed=self.seeds[0], **dict(zip(self.grid, values, strict=True)))
            for values in itertools.product(*self.grid.values())
        ]
        return list(dict.fromkeys(settings))  # with no layers all widths are one setting

    def settings(self, runs: Iterable[Run] | None = None) -> list[Config]:
        """Return one config per setting, at the first seed.

        A tuned study has none until the runs that choose its learning rates are there: among
        `runs` or, without those, on record.
        """
        if self.tuned_by is None:
            return [*self.product]
        rates = self.tuned_by.chosen_rates(runs)
        if self.best_alone:
            best = self.tuned_by.best(runs)
            rates = {value: rate for value, rate in rates.items() if value == best}
        asked = ((s, rates.get(getattr(s, self.swept))) for s in self.product)
        return [replace(s, learning_rate=rate) for s, rate in asked if rate]

    def at_seeds(self, setting: Config) -> list[Config]:
        """Return a setting's config at each of its seeds."""
        return [replace(setting, seed=seed) for seed in self.seeds]

    def configs(self, runs: Iterable[Run] | None = None) -> list[Config]:
        """Return the config of every setting at every seed; `runs` as for `settings`."""
        return [config for setting in self.settings(runs) for config in self.at_seeds(setting)]

    def needed(self) -> list[Config]:
        """Return the configs; raise `ConfigError` if runs that choose their rates are missing."""
        if configs := self.configs():
            return configs
        first = self.tuned_by or vars(self)["first_guess"]  # any other study has configs
        raise ConfigError(f"{self.name} needs the runs of {first.name}: train those first.")

    def runs(self, **options: Any) -> Runs:
        """Train what is missing and return all runs; `options` are those of `sweep`.

        Raises `ConfigError` for a tuned study whose tuning runs are missing.
        """
        while True:  # brackets ask for more as they learn
            configs = self.needed()
            runs = sweep(configs, keep=self.keep, **options)
            if self.configs() == configs:
                return runs

    def recorded(self) -> Runs:
        """Return the runs on record, without training any."""
        return records.find(self.configs(), self.keep)

    def at_hand(self, fresh: int = 0) -> list[Config]:
        """Return each setting's configs on record, or `fresh` of its configs if it has none."""
        configs = []
        for setting in self.settings():
            wanted = self.at_seeds(setting)
            there = [c for c in wanted if records.load(c, self.keep) is not None]
            configs += there or wanted[:fresh]
        return configs

    def vary(self, **given: Any) -> Self:
        """Return the study with other values.

        A hyperparameter of the grid takes one value or a list, any other takes one; `seeds` is
        how many, or a list of them. A tuned study takes only other seeds: its rates were chosen
        for its settings.
        Raises `ConfigError`, naming every fault.
        """
        grid, base, seeds, faults = dict(self.grid), self.base, self.seeds, []
        if "seeds" in given:
            wanted = given.pop("seeds")
            if SEEDS.admit(wanted):  # continuing where the study's own end
                seeds = tuple(range(seeds[0], seeds[0] + int(wanted)))
            elif isinstance(wanted, list | tuple) and wanted and all(map(SEED.admit, wanted)):
                seeds = tuple(dict.fromkeys(map(int, wanted)))
            else:
                faults.append(f"seeds is {shown(wanted)}; it must be {SEEDS}, or a list of seeds.")
        if given and self.tuned_by is not None:
            faults.append(
                f"{self.name} trains each setting at the learning rate that {self.tuned_by.name} "
                "chose for it; only its seeds can be changed."
            )
        for name, value in given.items():
            values = list(value) if isinstance(value, list | tuple) else [value]
            if name not in names() or name == "seed":
                faults.append(unknown_name(name, [n for n in names() if n != "seed"]))
            elif not values or (name not in grid and len(values) > 1):
                many = "a list of at least one" if name in grid else "no list"
                faults.append(f"{name} is {shown(value)}; give one value, {many}.")
            elif len(values) > MOST_VALUES:
                faults.append(f"{name} has {len(values):,} values; give at most {MOST_VALUES}.")
            else:
                usable: list[Any] = []
                for one in values:
                    try:
                        usable.append(check({name: one})[name])
                    except ConfigError as fault:
                        faults.append(str(fault))
                if name in grid:
                    grid[name] = tuple(dict.fromkeys(usable))
                elif usable:
                    base = replace(base, **{name: usable[0]})
        if faults:
            raise ConfigError("\n".join(faults))
        return replace(self, grid=grid, base=base, seeds=seeds)
