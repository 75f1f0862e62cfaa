"""The tests that bring their own correction, or need none, and so give verdicts themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from scipy import stats

from fmnist_lab.config import Config
from fmnist_lab.sweeps.tuning import Tuning

from .comparisons import ANY, absent, beside_margin, shifted
from .evidence import Arm, Evidence
from .measures import Measure
from .statistics import ALPHA, Effect, best_of
from .verdict import Name, Verdict, reproduced, show, verdict


@dataclass(frozen=True)
class BestOf:
    """Claim that one setting beats each rival; with a `margin`, that none beats it by more.

    The rivals are one family (`statistics.best_of`, Dunnett's comparison with a control).
    """

    measure: Measure
    claimed: Arm
    rivals: tuple[Arm, ...]
    direction: Literal[1, -1] = 1  # -1: the lowest is best
    margin: float = 0.0
    interval: ClassVar[str] = "95 % interval"
    counted: ClassVar[str] = "seeds"

    @property
    def name(self) -> str:
        best = "highest" if self.direction == 1 else "lowest"
        near = ", or materially as good" if self.margin else ""
        return f"{self.measure.name}: {self.claimed} {best}{near}"

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (self.claimed, *self.rivals)

    @property
    def unit(self) -> str:
        return self.measure.unit

    @property
    def smallest(self) -> float:
        """The smallest difference that matters, for `verdict.verdict`."""
        return ANY if self.margin else self.measure.material

    def verdicts(self, evidence: Evidence) -> dict[str, Verdict]:
        """Judge the comparison with each rival."""
        frame = evidence.values(self.measure, self.arms)
        there = {str(arm): frame[arm].dropna() for arm in self.arms if frame[arm].notna().any()}
        effects: Mapping[str, Effect] = {}
        if str(self.claimed) in there and len(there) > 1:
            effects = best_of(there, str(self.claimed))
        return {
            self._against(rival): self._verdict(rival, effects, evidence) for rival in self.rivals
        }

    def _against(self, rival: Arm) -> str:
        side = "above" if self.direction == 1 else "below"
        return f"{self.measure.name}: {self.claimed} {side} {rival}"

    def _verdict(self, rival: Arm, effects: Mapping[str, Effect], evidence: Evidence) -> Verdict:
        effect = effects.get(str(rival))
        if effect is None:
            return absent(self.measure, (self.claimed, rival), evidence)
        margin = self.direction * self.margin
        moved = shifted(effect, margin, retest=True)
        found = verdict(moved, self.smallest, self.direction, unit=self.unit)
        return beside_margin(found, moved, margin, self.unit, 1) if margin else found


@dataclass(frozen=True)
class Printed:
    """Claim that one run of a setting could have given a figure the report prints."""

    measure: Measure
    arm: Arm
    figure: float
    rounding: float  # half a unit of its last digit
    unit: str = "%"
    interval: ClassVar[str] = "95 % prediction interval"
    counted: ClassVar[str] = "seeds"

    @property
    def name(self) -> str:
        return f"{self.measure.name}: {show(self.figure, self.unit, signed=False)}"

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (self.arm,)

    def verdicts(self, evidence: Evidence) -> dict[str, Verdict]:
        values = evidence.values(self.measure, self.arms)[self.arm]
        if values.empty:
            return {self.name: absent(self.measure, self.arms, evidence)}
        return {self.name: reproduced(self.figure, values, self.rounding, unit=self.unit)}


@dataclass(frozen=True)
class Share:
    """Claim that most settings' chosen learning rate lies in a range.

    Settings, not seeds, are counted, with an exact binomial test and interval (Clopper & Pearson
    1934). A rate of the grid counts as inside up to half a step of the grid beyond the range.
    """

    studies: tuple[Tuning, ...]
    low: float
    high: float
    unit: str = "%"
    interval: ClassVar[str] = "95 % interval"
    counted: ClassVar[str] = "settings"

    @property
    def name(self) -> str:
        return f"settings with the best learning rate from {self.low:g} to {self.high:g}"

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every setting at every rate; one that two studies share is named once."""
        arms: dict[tuple[Config, float], Arm] = {}
        for study in self.studies:
            for value in study.values:
                setting = replace(study.base, **{study.swept: value})
                for rate in study.grid["learning_rate"]:
                    arms.setdefault((setting, rate), Arm(study.name, value, rate))
        return tuple(arms.values())

    def verdicts(self, evidence: Evidence) -> dict[str, Verdict]:
        found = {study.name: evidence.brackets(study) for study in self.studies}
        settings = dict.fromkeys((arm.study, arm.value) for arm in self.arms)
        rates = [found[study][value].chosen for study, value in settings]
        if None in rates:
            text = (
                f"no learning rate is chosen yet for {rates.count(None)} of {len(rates)} settings"
            )
            return {self.name: Verdict("not run yet", text)}
        grid = self.studies[0].grid["learning_rate"]
        slack = math.sqrt(grid[1] / grid[0])
        inside = sum(self.low / slack <= rate <= self.high * slack for rate in rates if rate)
        n = len(rates)
        test = stats.binomtest(inside, n)
        limits = test.proportion_ci(1 - ALPHA)
        name: Name = "inconclusive"
        if test.pvalue <= ALPHA:
            name = "supported" if inside > n / 2 else "not supported"
        reason = f"{inside} of {n} settings, against half of them: p = {test.pvalue:.2g}"
        if name == "inconclusive":
            reason += "; more settings, not more seeds, would settle it"
        estimate = Verdict(name, reason, inside / n, limits.low, limits.high, test.pvalue, n)
        return {self.name: estimate}
