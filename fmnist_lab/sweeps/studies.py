"""The questions the book asks: which settings each compares, and with which seeds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from fmnist_lab.config import (
    PRECISIONS,
    Bounds,
    Config,
    ConfigError,
    check,
    names,
    scientific,
    unknown_name,
)
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run
from fmnist_lab.runs.runs import Runs

from .sweep import sweep
from .tuning import Bracket, bracket

# Seeds whose runs a verdict rests on, and the ones a learning rate is chosen with: disjoint, so
# that the choice's luck does not enter the verdict.
CONFIRMING_SEEDS = tuple(range(10))
TUNING_SEEDS = (100, 101, 102)
# Settings nobody has trained yet start with this many seeds: the fewest that give an interval
# anyone would look at.
NEW_SEEDS = 3
SEEDS = Bounds(int, 1, 1000)  # how many; the most settle any difference worth having
# What is run was fixed before the first run (the chapter on method, "Fixed beforehand"): five seeds
# from this width on, ten below; a whole grid of rates for these depths and widths, else a bracket.
WIDE, WIDE_SEEDS = 2096, CONFIRMING_SEEDS[:5]
WHOLE_GRIDS = ((1, 128), (2, 128), (2, 512))
# Of tuning and retuned depth and width: the study of precision showed both to end alike (method).
RETUNED_PRECISION = "bfloat16"
# A quarter of a decade apart, from 1e-5 to 1e-2: the report's rates lie inside.
TUNING_RATES = tuple(float(f"{10 ** (-5 + step / 4):.3g}") for step in range(13))


@dataclass(frozen=True)
class Study:
    """One question: a base config, the values compared, the seeds.

    `grid` maps each varied hyperparameter to its values; the first is the one the study is about.
    """

    name: str
    question: str
    report: str  # what the report showed
    base: Config
    grid: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...] = CONFIRMING_SEEDS
    keep: frozenset[str] = frozenset()  # bulky parts its published runs hold
    tuned_by: str | None = None  # the study whose runs choose each setting's learning rate
    wide_seeds: tuple[int, ...] | None = None  # of settings WIDE or wider, where they have others
    bracketed: bool = False  # of a tuning study: whether WHOLE_GRIDS alone are run at every rate
    first_guess: str | None = None  # the tuning study whose first setting's rate starts brackets

    @property
    def swept(self) -> str:
        """The hyperparameter the study is about."""
        return next(iter(self.grid))

    @property
    def values(self) -> tuple[Any, ...]:
        """The swept hyperparameter's values."""
        return self.grid[self.swept]

    def product(self) -> list[Config]:
        """Return one config for all combinations of the grid's values, at the first seed."""
        settings = [
            replace(self.base, seed=self.seeds[0], **dict(zip(self.grid, values, strict=True)))
            for values in itertools.product(*self.grid.values())
        ]
        return list(dict.fromkeys(settings))  # without layers all widths are one setting

    def settings(self, runs: Iterable[Run] | None = None) -> list[Config]:
        """Return one config a setting, at the first seed.

        A tuned study has none until the runs that choose its learning rates are there, a bracketed
        one those that the runs so far lead to: among `runs`, or on record if they are left out.
        """
        if self.bracketed:
            found = brackets(self, runs)
            asked = {(value, rate) for value in found for rate in found[value].rates}
            return [s for s in self.product() if (getattr(s, self.swept), s.learning_rate) in asked]
        if self.tuned_by is None:
            return self.product()
        rates = chosen_rates(STUDIES[self.tuned_by], runs)
        return [
            replace(s, learning_rate=rates[getattr(s, self.swept)])
            for s in self.product()
            if getattr(s, self.swept) in rates
        ]

    def at_seeds(self, setting: Config) -> list[Config]:
        """Return a setting's config at each of its seeds."""
        few = self.wide_seeds is not None and setting.width >= WIDE
        return [replace(setting, seed=n) for n in (self.wide_seeds if few else self.seeds) or ()]

    def configs(self, runs: Iterable[Run] | None = None) -> list[Config]:
        """Return the config of every setting at every seed; `runs` as for the settings."""
        return [config for setting in self.settings(runs) for config in self.at_seeds(setting)]

    def first_seeds(self, count: int) -> Study:
        """Return the study with `count` seeds, going on where its own end."""
        first = self.seeds[0]
        return replace(self, seeds=tuple(range(first, first + count)), wide_seeds=None)

    def runs(self, **options: Any) -> Runs:
        """Train what is missing and return the runs of all; `options` are those of `sweep`.

        Raises `ConfigError` for a tuned study before the runs that tune it.
        """
        while True:  # a bracket asks for more as it learns
            configs = self.needed()
            runs = sweep(configs, keep=self.keep, **options)
            if not self.bracketed or self.configs() == configs:
                return runs

    def needed(self) -> list[Config]:
        """Return the configs; raise `ConfigError` if the runs that choose their rates lack."""
        if configs := self.configs():
            return configs
        first = self.tuned_by or self.first_guess
        raise ConfigError(f"{self.name} needs the runs of {first} first: train those.")

    def recorded(self) -> Runs:
        """Return the runs on record; none is trained."""
        return records.find(self.configs(), self.keep)

    def at_hand(self, fresh: int = 0) -> list[Config]:
        """Return, for each setting, the configs on record, or `fresh` ones where there is none."""
        configs = []
        for setting in self.settings():
            wanted = self.at_seeds(setting)
            there = [c for c in wanted if records.load(c, self.keep) is not None]
            configs += there or wanted[:fresh]
        return configs

    def vary(self, **given: Any) -> Study:
        """Return the study with other values.

        A hyperparameter of the grid takes one value or a list, any other takes one; `seeds` is
        how many. Raises `ConfigError`, naming every fault.
        """
        grid, base, faults = dict(self.grid), {}, []
        counted = "seeds" in given
        seeds = given.pop("seeds", len(self.seeds))
        if not SEEDS.admit(seeds):
            faults.append(f"seeds is {seeds!r}; it must be {SEEDS}.")
        for name, value in given.items():
            values = list(value) if isinstance(value, list | tuple) else [value]
            if name not in names() or name == "seed":
                faults.append(unknown_name(name, [n for n in names() if n != "seed"]))
            elif not values or (name not in grid and len(values) > 1):
                many = "a list of at least one" if name in grid else "no list"
                faults.append(f"{name} is {value!r}; give one value, {many}.")
            else:
                checked, wrong = _checked(name, values)
                faults += wrong
                if name in grid:
                    grid[name] = tuple(dict.fromkeys(checked))
                elif checked:
                    base[name] = checked[0]
        if faults:
            raise ConfigError("\n".join(faults))
        whole = "learning_rate" in given  # who names rates wants them all
        bracketed = self.bracketed and not whole
        study = replace(self, grid=grid, base=replace(self.base, **base), bracketed=bracketed)
        return study.first_seeds(int(seeds)) if counted else study


def _checked(name: str, values: list[Any]) -> tuple[list[Any], list[str]]:
    """Return the usable ones among a hyperparameter's values, and what is wrong with the rest."""
    usable, faults = [], []
    for value in values:
        try:
            usable.append(check({name: value})[name])
        except ConfigError as error:
            faults.append(str(error))
    return usable, faults


def tuning_table(study: Study, runs: Iterable[Run] | None = None) -> pd.DataFrame:
    """Return a tuning study's mean validation accuracy: a row a setting and rate, seeds counted.

    The runs are its own among `runs`, or those on record if they are left out.
    A run that diverged before its first epoch ended has learnt nothing: an accuracy of 0.
    """
    wanted = {config for setting in study.product() for config in study.at_seeds(setting)}
    if runs is None:
        runs = records.find(wanted)
    chosen = {run.config: run for run in runs if run.config in wanted}
    frame = Runs(chosen.values()).table()
    if frame.empty:
        return pd.DataFrame(columns=[study.swept, "learning_rate", "mean", "count"])
    frame["validation_accuracy"] = frame["validation_accuracy"].fillna(0.0)
    grouped = frame.groupby([study.swept, "learning_rate"])["validation_accuracy"]
    return grouped.agg(["mean", "count"]).reset_index()


def brackets(study: Study, runs: Iterable[Run] | None = None) -> dict[Any, Bracket]:
    """Return each setting's learning rates and the chosen one; `runs` as for `tuning_table`.

    Only rates with all tuning seeds count. A bracket starts at the rate chosen for the setting
    before; until there is one it has no rates.
    """
    runs = runs if runs is None else list(runs)
    frame = tuning_table(study, runs)
    complete = frame[frame["count"] == len(study.seeds)]
    guess = None
    if study.bracketed and study.first_guess:
        other = STUDIES[study.first_guess]
        guess = chosen_rates(other, runs).get(other.values[0])
    found: dict[Any, Bracket] = {}
    for value in study.values:
        setting = replace(study.base, **{study.swept: value})
        means = complete[complete[study.swept] == value].set_index("learning_rate")["mean"]
        grid = sorted(study.grid["learning_rate"])
        if not study.bracketed or (setting.depth, setting.width) in WHOLE_GRIDS:
            found[value] = bracket(dict(means), grid, None)
        elif guess is None:
            found[value] = Bracket(())
        else:
            found[value] = bracket(dict(means), grid, guess)
        guess = found[value].chosen
    return found


def chosen_rates(study: Study, runs: Iterable[Run] | None = None) -> dict[Any, float]:
    """Return each setting's learning rate of highest mean validation accuracy, once it is sure.

    Of equally good ones it is the lowest. A depth of 0 or any other setting is judged alike: on
    validation images alone.
    """
    found = brackets(study, runs)
    return {value: each.chosen for value, each in found.items() if each.chosen is not None}


def rates_run(study: Study, runs: Iterable[Run] | None = None) -> pd.DataFrame:
    """Return, a row a setting, which rates were run, which never, and why that does not matter."""
    grid = sorted(study.grid["learning_rate"])
    rows = {
        value: {
            "rates run": ", ".join(map(scientific, each.rates)),
            "never run": ", ".join(scientific(rate) for rate in grid if rate not in each.rates),
            "chosen": scientific(each.chosen) if each.chosen else "",
            "because": each.reason(grid),
        }
        for value, each in brackets(study, runs).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns=study.swept)


# What the report does not state (DESIGN: "what we take"): the network of its loss figures, 1 x 128,
# for loss, batch size and learning rate; its best model's rate and batch for depth and width.
SMALL = Config(depth=1, width=128, batch_size=256, learning_rate=2.05e-4)
BEST = Config(depth=2, width=4192, batch_size=512, learning_rate=2.05e-5)

WIDTHS = (128, 512, 1024, 2096, 4192)
DEPTHS = (0, 1, 2, 3, 4)
LOSSES = ("cross_entropy", "mse", "mae")
BATCH_SIZES = (1, 8, 16, 64, 128, 256, 512, 1024)

_ALL = [
    Study(
        name="loss",
        question="Which loss function reaches the highest accuracy?",
        report="Figures 1-4: cross-entropy, MSE and MAE on one hidden layer of 128.",
        base=SMALL,
        grid={"loss": LOSSES},
    ),
    Study(
        name="loss_on_probabilities",
        question="Does it matter whether MSE and MAE see logits or probabilities?",
        report="The report does not say which its losses see.",
        base=SMALL,
        grid={"loss": ("mse_probabilities", "mae_probabilities")},
    ),
    Study(
        name="depth",
        question="How many hidden layers are best?",
        report="Figures 5-6: one to four hidden layers of 2096.",
        base=replace(BEST, width=2096),
        grid={"depth": DEPTHS},
        wide_seeds=WIDE_SEEDS,
    ),
    Study(
        name="width",
        question="How wide should the hidden layers be?",
        report="Figure 7: widths 128 to 4192 at two hidden layers.",
        base=BEST,
        grid={"width": WIDTHS},
        wide_seeds=WIDE_SEEDS,
    ),
    Study(
        name="batch_size",
        question="How many images should a step see?",
        report="Figure 8: batch sizes 1, 8, 16, 64, 256 and 512; the text adds 128, Table 1 1024.",
        base=SMALL,
        grid={"batch_size": BATCH_SIZES},
    ),
    Study(
        name="steps",
        question="What does the loss do between two epochs' ends?",
        report="Figure 9: loss against step beside loss against epoch at batch 16.",
        base=SMALL,
        grid={"batch_size": (16,)},
        seeds=(0, 1, 2),
        keep=frozenset({"step_losses"}),
    ),
    Study(
        name="learning_rate",
        question="Which learning rate is best?",
        report="Figure 10: five rates from 5e-2 to 2.05e-6.",
        base=SMALL,
        grid={"learning_rate": (5e-2, 2.05e-3, 2.05e-4, 2.05e-5, 2.05e-6)},
    ),
    Study(
        name="best_model",
        question="Does the report's best configuration reach what the report says?",
        report="Table 2 and Figure 11: 89.9 % (89.7 %) validation, 89.3 % test.",
        base=BEST,
        grid={"width": (4192,)},
        wide_seeds=WIDE_SEEDS,
        keep=frozenset({"predictions"}),
    ),
    Study(
        name="width_tuning",
        question="Which learning rate suits each width?",
        report="The report fixes the learning rate.",
        base=replace(BEST, precision=RETUNED_PRECISION),
        grid={"width": WIDTHS, "learning_rate": TUNING_RATES},
        seeds=TUNING_SEEDS,
        bracketed=True,
    ),
    Study(
        name="width_retuned",
        question="How wide should the hidden layers be, each at its own learning rate?",
        report="The report fixes the learning rate.",
        base=replace(BEST, precision=RETUNED_PRECISION),
        grid={"width": WIDTHS},
        wide_seeds=WIDE_SEEDS,
        tuned_by="width_tuning",
    ),
    Study(
        name="depth_tuning",
        question="Which learning rate suits each depth?",
        report="The report says deeper networks need lower, more careful rates.",
        base=replace(BEST, width=2096, precision=RETUNED_PRECISION),
        grid={"depth": DEPTHS, "learning_rate": TUNING_RATES},
        seeds=TUNING_SEEDS,
        bracketed=True,
        first_guess="width_tuning",
    ),
    Study(
        name="depth_retuned",
        question="How many hidden layers are best, each at its own learning rate?",
        report="The report fixes the learning rate.",
        base=replace(BEST, width=2096, precision=RETUNED_PRECISION),
        grid={"depth": DEPTHS},
        wide_seeds=WIDE_SEEDS,
        tuned_by="depth_tuning",
    ),
    Study(
        name="loss_tuning",
        question="Which learning rate suits each loss function?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"loss": LOSSES, "learning_rate": TUNING_RATES},
        seeds=TUNING_SEEDS,
    ),
    Study(
        name="loss_retuned",
        question="Which loss function reaches the highest accuracy, each at its own learning rate?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"loss": LOSSES},
        tuned_by="loss_tuning",
    ),
    Study(
        name="batch_size_tuning",
        question="Which learning rate suits each batch size?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"batch_size": BATCH_SIZES, "learning_rate": TUNING_RATES},
        seeds=TUNING_SEEDS,
    ),
    Study(
        name="batch_size_retuned",
        question="How many images should a step see, each number at its own learning rate?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"batch_size": BATCH_SIZES},
        tuned_by="batch_size_tuning",
    ),
    *(
        Study(
            name=f"precision_{depth}x{width}",
            question="Do products of bfloat16 operands change the accuracy?",
            report="The report does not say in which precision it computes.",
            base=replace(SMALL, depth=depth, width=width, batch_size=batch_size),
            grid={"precision": PRECISIONS},
        )
        for depth, width, batch_size in ((1, 128, 256), (2, 512, 512), (2, 1024, 512))
    ),
]
STUDIES: dict[str, Study] = {study.name: study for study in _ALL}


def study(name: str) -> Study:
    """Return the study of that name; raise `ConfigError` if there is none."""
    if name not in STUDIES:
        raise ConfigError(unknown_name(name, STUDIES).replace("parameter", "study"))
    return STUDIES[name]
