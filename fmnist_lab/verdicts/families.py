"""Tests other than comparisons of two settings: with all rivals, with a figure, by counting."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fmnist_lab.config import Config
from fmnist_lab.sweeps.tuning import Tuning

from .comparisons import Part
from .evidence import Arm, Evidence
from .measures import RATE, Measure
from .rules import Corrected, Name, Verdict, matches, show
from .statistics import CONFIDENCE, Effect, against, best_of, further_run


@dataclass(frozen=True)
class BestOf(Part):
    """Claim that one setting beats each rival or, with a `margin`, that none beats it by more.

    The rivals are one family (`statistics.best_of`, Dunnett's comparison with a control).
    """

    measure: Measure
    arms: tuple[Arm, ...]  # the one claimed first
    direction: Literal[1, -1] = 1  # -1: the lowest is best
    margin: float = 0.0

    def effects(self, evidence: Evidence) -> dict[str, Effect | None]:
        frame = evidence.values(self.measure, self.arms)
        there = {str(arm): frame[arm].dropna() for arm in self.arms if frame[arm].notna().any()}
        found: Mapping[str, Effect] = {}
        claimed = str(self.arms[0])
        if claimed in there and len(there) > 1:
            found = best_of(there, claimed)
        if self.margin:
            null = -self.direction * self.margin
            found = {rival: against(effect, null) for rival, effect in found.items()}
        return {name: found.get(str(rival)) for name, rival in self._named().items()}

    def compared(self, name: str) -> tuple[Arm, ...]:
        return (self.arms[0], self._named()[name])

    def _named(self) -> dict[str, Arm]:
        far, near = ("above", "below")[:: self.direction]
        side = f"not materially {near}" if self.margin else far
        claimed, *rivals = self.arms
        return {f"{self.measure.name}: {claimed} {side} {rival}": rival for rival in rivals}


@dataclass(frozen=True)
class AnyAbove(Part):
    """Claim that the best of several settings measures higher than another setting.

    The largest difference is tested, with the p-value and interval that hold for all of them
    (Dunnett's) and with the largest spread, so that no other lies above that interval.
    """

    measure: Measure
    arms: tuple[Arm, ...]  # the one they are compared with first
    direction = 1

    def effects(self, evidence: Evidence) -> dict[str, Effect | None]:
        frame = -evidence.values(self.measure, self.arms)
        base, *others = self.arms
        name = f"{self.measure.name}: the best of {', '.join(map(str, others))} above {base}"
        if frame.isna().all().any():
            return {name: None}
        found = best_of({str(arm): frame[arm].dropna() for arm in self.arms}, str(base)).values()
        largest = max(found, key=lambda effect: effect.estimate)
        return {name: replace(largest, sd=max(effect.sd for effect in found))}


@dataclass(frozen=True)
class Printed(Part):
    """Claim that one run of a setting could have given a figure that the report prints."""

    measure: Measure
    arms: tuple[Arm]
    figure: float
    rounding: float  # half a unit of its last digit

    def effects(self, evidence: Evidence) -> dict[str, Effect | None]:
        values = evidence.values(self.measure, self.arms)[self.arms[0]]
        name = f"{self.measure.name}: {show(self.figure, '%')}"
        if values.empty:
            return {name: None}
        return {name: further_run(self.figure, values, self.rounding)}

    def verdict(self, effect: Effect, corrected: Corrected | None) -> Verdict:
        return matches(effect, corrected)


@dataclass(frozen=True)
class Share(Part):
    """Claim that most settings' chosen learning rates lie in a range.

    The tuned settings are only counted: they are all there are, not a sample of others, so there
    is no test. A rate up to half a step of the grid beyond the range counts as inside.
    """

    studies: tuple[Tuning, ...]
    arms: tuple[Arm, ...]  # every setting at every rate
    low: float
    high: float
    measure = RATE
    tested = False

    def group(self, evidence: Evidence) -> Hashable:
        return "share"

    def effects(self, evidence: Evidence) -> dict[str, Effect | None]:
        name = f"settings with the best learning rate from {self.low:g} to {self.high:g}"
        rates = self._rates(evidence)
        if None in rates:
            return {name: None}
        grid = self.studies[0].grid["learning_rate"]
        slack = math.sqrt(grid[1] / grid[0])
        inside = [self.low / slack <= rate <= self.high * slack for rate in rates if rate]
        share = sum(inside) / len(inside)
        return {name: Effect(share, share, share, len(inside), 0.0, CONFIDENCE, p=1.0, df=0)}

    def verdict(self, effect: Effect, corrected: Corrected | None) -> Verdict:
        name: Name = "supported" if effect.estimate > 0.5 else "not supported"
        inside = round(effect.estimate * effect.n)
        why = f"{inside} of the {effect.n} settings tuned, counted and not tested"
        return Verdict(name, why)

    def absent(self, name: str, evidence: Evidence) -> Verdict:
        rates = self._rates(evidence)
        text = f"no learning rate is chosen yet for {rates.count(None)} of {len(rates)} settings"
        return Verdict("not run yet", text)

    def _rates(self, evidence: Evidence) -> list[float | None]:
        found = {study.name: evidence.brackets(study) for study in self.studies}
        settings = dict.fromkeys((arm.study, arm.value) for arm in self.arms)
        return [found[study][value].chosen for study, value in settings]


def mostly_between(low: float, high: float, *studies: Tuning) -> Share:
    """Claim `Share` of these studies' settings; one that two of them share counts once."""
    arms: dict[tuple[Config, float], Arm] = {}
    for study in studies:
        for value in study.values:
            setting = replace(study.base, **{study.swept: value})
            for rate in study.grid["learning_rate"]:
                arms.setdefault((setting, rate), Arm(study.name, value, rate))
    return Share(studies, tuple(arms.values()), low, high)
