"""The runs that conclusions are judged on, found by the setting they were trained with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from fmnist_lab.config import LOSS_WORDS, Config, scientific, written
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.study import Study
from fmnist_lab.sweeps.tuning import NESTED_SEEDS, SECOND_LOOK_SEEDS, Bracket, Tuning

from .measures import ACCURACY, Measure

# Where each setting is repeated at the learning rate that suits it.
RETUNED = {name: f"{name}_retuned" for name in ("loss", "depth", "width", "batch_size")}
# Where each setting is run at every rate with ten seeds: verdicts then include the choice's luck.
NESTED = {name: f"{name}_nested" for name in ("loss", "batch_size")}
# Where settings are run once more, with fresh seeds, because the first look left a verdict open.
SECOND_LOOKS = {name: f"{name}_second_look" for name in RETUNED}


@dataclass(frozen=True)
class Arm:
    """One setting of a study, at all its seeds."""

    study: str
    value: Any  # of the hyperparameter the study sweeps; None for what the tuning runs choose
    learning_rate: float | None = None  # of a tuning study, which sweeps it too

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return LOSS_WORDS.get(self.value, self.value)
        if self.value is None:  # dropout_4192_retuned
            return self.study.rsplit("_", 2)[0].replace("_", " ")
        rate = f" at {scientific(self.learning_rate)}" if self.learning_rate else ""
        return f"{STUDIES[self.study].swept.replace('_', ' ')} {written(self.value)}{rate}"


class Evidence:
    """Find runs by study and setting.

    With `retuned`, the runs of a study's counterpart in `RETUNED` answer questions about it; the
    tuning runs given determine the learning rate of each setting there. Where `NESTED` has all
    settings compared, its runs answer instead. With `second_look`, runs at fresh seeds alone
    answer, which no other verdict as claimed may see.
    """

    on_test = False  # whether measures are read on test images, where they were recorded on them
    second_look = False

    def __init__(self, runs: Iterable[Run], *, retuned: bool = False):
        self.retuned = retuned
        self._runs: dict[Config, dict[int, Run]] = {}  # a setting at seed 0 -> seed -> run
        self._brackets: dict[str, dict[Any, Bracket]] = {}
        self._settings: dict[Arm, Config | None] = {}
        self._whole: dict[Arm, dict[int, Run]] = {}  # an arm's runs in nested studies
        for run in runs:
            seeds = self._runs.setdefault(replace(run.config, seed=0), {})
            seeds[run.config.seed] = run

    def seen(self, **otherwise: bool) -> Self:
        """Return the same evidence, with `on_test` or `second_look`."""
        other = copy(self)
        vars(other).update(otherwise)
        return other

    def of(self, arm: Arm) -> dict[int, Run]:
        """Return an arm's runs by seed.

        Seeds that chose a learning rate are kept apart from those that confirm it.
        """
        setting = self.setting(arm)
        found = {} if setting is None else self._runs.get(setting, {})
        tuning = isinstance(self._study(arm), Tuning)
        there = [seed for seed in sorted(found) if (seed in NESTED_SEEDS) == tuning]
        if self.second_look:  # all of a setting's runs or none: nobody looks in between
            seeds = STUDIES[SECOND_LOOKS[arm.study]].seeds
            there = [*seeds] if {*seeds} <= {*there} else []
        elif self.retuned and arm.study in RETUNED:
            there = [seed for seed in there if seed not in SECOND_LOOK_SEEDS]
        return {seed: found[seed] for seed in there}

    def setting(self, arm: Arm) -> Config | None:
        """Return an arm's config at seed 0; None while no learning rate is chosen for it."""
        if arm not in self._settings:
            study = self._study(arm)
            if arm.value is None:
                settings = [replace(each, seed=0) for each in study.settings(self._all())]
                return self._settings.setdefault(arm, next(iter(settings), None))
            setting = replace(study.base, seed=0, **{study.swept: arm.value})
            rate = self.chosen(arm) if study.tuned_by else arm.learning_rate
            lacking = study.tuned_by is not None and rate is None
            setting = replace(setting, learning_rate=rate) if rate else setting
            self._settings[arm] = None if lacking else setting
        return self._settings[arm]

    def compared(self, arms: Sequence[Arm]) -> dict[Arm, dict[int, Run]]:
        """Return the runs of the arms compared, by seed."""
        anew = self.retuned and not self.second_look
        nested = {arm: self._nested(arm) for arm in arms if anew}
        whole = nested and all(nested.values())
        return nested if whole else {arm: self.of(arm) for arm in arms}

    def _nested(self, arm: Arm) -> dict[int, Run]:
        """Return, by seed, the run at the rate that the other seeds choose; none unless all ran.

        Of rates with equal means the lowest is chosen, as in `Tuning`.
        """
        if arm.study not in NESTED:
            return {}
        if arm in self._whole:
            return self._whole[arm]
        study = STUDIES[NESTED[arm.study]]
        setting = replace(study.base, seed=0, **{study.swept: arm.value})
        rates = sorted(study.grid["learning_rate"])
        grid = [self._runs.get(replace(setting, learning_rate=rate), {}) for rate in rates]
        found = self._whole[arm] = {}
        if all(seed in runs for runs in grid for seed in study.seeds):
            reached = [[ACCURACY.of(runs[seed]) for seed in study.seeds] for runs in grid]
            table = np.array(reached, float)  # (rates, seeds)
            chosen = (table.sum(1, keepdims=True) - table).argmax(0)
            found |= {seed: grid[n][seed] for seed, n in zip(study.seeds, chosen, strict=True)}
        return found

    def chosen(self, arm: Arm) -> float | None:
        """Return the learning rate chosen for an arm; None if none is, or if it is the report's."""
        tuning = self._study(arm).tuned_by
        return self.brackets(tuning)[arm.value].chosen if tuning else None

    def _study(self, arm: Arm) -> Study:
        return STUDIES[RETUNED.get(arm.study, arm.study) if self.retuned else arm.study]

    def brackets(self, tuning: Tuning) -> dict[Any, Bracket]:
        """Return the learning rates that a tuning study's runs bracket for each setting."""
        if tuning.name not in self._brackets:
            self._brackets[tuning.name] = tuning.brackets(self._all())
        return self._brackets[tuning.name]

    def _all(self) -> list[Run]:
        return [run for seeds in self._runs.values() for run in seeds.values()]

    def values(self, measure: Measure, arms: Sequence[Arm]) -> pd.DataFrame:
        """Return a measure by seed (rows) and arm (columns).

        NaN where a seed is missing or its run has no such number. A seed is left out if all of its
        runs give only bounds. A learning rate outside its setting's closed bracket was not run and
        need not be: it counts as minus infinity.
        """
        found = self.compared(arms)
        read = (measure.on_test if self.on_test else None) or measure.of
        rows = {}
        for seed in sorted(set().union(*found.values())):
            runs = [found[arm].get(seed) for arm in arms]
            if not all(measure.bound(run) for run in runs if run is not None):
                rows[seed] = [None if run is None else read(run) for run in runs]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(arms), dtype=float)
        frame = frame.dropna(how="all")
        for arm in filter(self._outside, arms):
            frame[arm] = -math.inf
        return frame

    def _outside(self, arm: Arm) -> bool:
        """Return whether a tuning study's arm is known to be worse than those in its bracket."""
        study = STUDIES[arm.study]
        if not isinstance(study, Tuning):
            return False
        found = self.brackets(study)[arm.value]
        return found.chosen is not None and arm.learning_rate not in found.rates
