"""How often the whole procedure for a verdict errs, on made-up runs that scatter like real ones.

    python -m benchmarks.replay

A replay takes the real runs' deviations from their settings' means, draws new seeds from them, and
gives every setting a mean of our choice: the same for all, or such that each part of a claim has
the smallest effect that matters, in the claimed direction. Then everything is done as for the real
runs: new tuning seeds choose rates from brackets, parts are tested, corrected over their chapter,
and joined. The shares of replays are written to `fmnist_lab/facts/replay.json`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fmnist_lab.facts.tables import REPLAY
from fmnist_lab.files import put
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.tuning import Tuning, bracket
from fmnist_lab.verdicts import families, judgement
from fmnist_lab.verdicts.comparisons import Comparison, Part
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.evidence import RETUNED, Arm, Evidence
from fmnist_lab.verdicts.families import BestOf
from fmnist_lab.verdicts.judgement import answers
from fmnist_lab.verdicts.measures import ACCURACY, Measure
from fmnist_lab.verdicts.statistics import best_of

from .work import as_json

REPLAYS = 100  # a share of 5 % is right to 2.2 %, one of 50 % to 5 % (one standard error)
DRAWS = 999  # for `best_of`, in place of 19,999: (DRAWS + 1) * ALPHA is whole too
TESTED = ("difference", "difference from a margin", "level", "trend", "gains")
Key = tuple[Measure, tuple[Arm, ...]]


def effect(part: Part, arm: Arm) -> float:
    """Return what an arm gets beyond the others if a part has the smallest effect that matters.

    A test against a margin claims that two settings are alike.
    """
    if isinstance(part, BestOf):
        first = arm == part.arms[0] and not part.margin
        return part.direction * part.measure.material * first
    assert isinstance(part, Comparison)
    size = part.direction * part.measure.material
    if part.kind == "trend":  # material is of one doubling
        return size * math.log2(arm.value)
    if part.kind == "gains":  # of the best width over the first
        return size * (arm.study == "width" and arm != part.arms[0])
    if part.kind == "level":
        return size
    return size * (arm == part.arms[0]) * (part.kind == "difference")


class Choice:
    """The rates that a study's tuning chooses from newly drawn seeds, and what they cost."""

    def __init__(self, tuning: Tuning, runs: Sequence[Run]):
        self.tuning, self.grid = tuning, sorted(tuning.grid["learning_rate"])
        self.real = tuning.chosen_rates(runs)
        means = tuning.means(runs)
        whole = means[means["count"] == len(tuning.seeds)]
        self.means = {v: dict(zip(rows["learning_rate"], rows["mean"], strict=True))
                      for v, rows in whole.groupby(tuning.swept)}  # fmt: skip
        there = {run.config: run for run in runs}
        self.runs: dict[tuple[Any, float], list[Run]] = {}
        for setting in tuning.product:
            at = [replace(setting, seed=seed) for seed in tuning.seeds]
            key = getattr(setting, tuning.swept), setting.learning_rate
            self.runs[key] = [there[config] for config in at if config in there]
        self.costs: dict[tuple[Measure, Any, float], float] = {}

    def again(self, rng: np.random.Generator) -> dict[Any, float]:
        """Return the rate chosen for each setting; a rate never run counts as worse than all."""
        chosen: dict[Any, float] = {}
        guess = next(
            iter(self.real.values()), None
        )  # of the first, where no setting comes before it
        for value, means in self.means.items():
            drawn = dict.fromkeys(self.grid, -math.inf)
            for rate, mean in means.items():
                seen = np.array([ACCURACY.of(run) for run in self.runs[value, rate]], float)
                off = (seen - seen.mean()) * math.sqrt(len(seen) / (len(seen) - 1))
                drawn[rate] = mean + rng.choice(off, len(off)).mean()
            whole = len(means) == len(self.grid)
            found = bracket(drawn, self.grid, None if whole else guess)
            assert found.chosen is not None
            guess = chosen[value] = found.chosen
        return chosen

    def cost(self, measure: Measure, value: Any, rate: float) -> float:
        """Return how a measure at a rate differs from the same at the rate really chosen."""
        key = measure, value, rate
        if key not in self.costs:
            means = []
            for at in (rate, self.real[value]):
                read = [measure.of(run) for run in self.runs[value, at]]
                means.append(np.mean([x for x in read if x is not None] or [math.nan]))
            self.costs[key] = float(np.nan_to_num(means[0] - means[1]))
        return self.costs[key]


class Replayed(Evidence):
    """Evidence of made-up runs."""

    def __init__(self, runs: Sequence[Run], how: str):
        super().__init__(runs, retuned=how == "as claimed")
        self.known: dict[tuple[Arm, ...], dict[Arm, dict[int, Run]]] = {}
        self.real: dict[Key, pd.DataFrame] = {}
        self.shifts: dict[Key, list[float]] = {}
        self.rng = np.random.default_rng(0)
        self.choices = {}
        if self.retuned:
            studies = {name: self._study(Arm(name, None)).tuned_by for name in RETUNED}
            self.choices = {
                name: Choice(tuning, runs) for name, tuning in studies.items() if tuning
            }

    def compared(self, arms: Sequence[Arm]) -> dict[Arm, dict[int, Run]]:
        key = tuple(arms)
        if key not in self.known:
            self.known[key] = super().compared(arms)
        return self.known[key]

    def draw(self) -> None:
        """Draw the seeds and the rates of one replay."""
        self.drawn = self.rng.integers(0, 2**31)
        self.rates = {name: choice.again(self.rng) for name, choice in self.choices.items()}

    def values(self, measure: Measure, arms: Sequence[Arm]) -> pd.DataFrame:
        key = measure, tuple(arms)
        if key not in self.real:
            self.real[key] = super().values(measure, arms).dropna()
        frame = self.real[key]
        n = len(frame)
        if n < 2:
            return frame
        # One draw for all measures, so that what a seed does to several stays together.
        rows = np.random.default_rng(self.drawn).integers(0, n, n)
        off = (frame - frame.mean()) * math.sqrt(n / (n - 1))
        made = off.iloc[rows].reset_index(drop=True)
        made += self.shifts.get(key, [0.0] * len(arms))
        for arm in arms:
            if arm.study in self.choices:
                choice, rate = self.choices[arm.study], self.rates[arm.study].get(arm.value)
                made[arm] += choice.cost(measure, arm.value, rate) if rate else 0.0
        return made


def testable(part: Part) -> bool:
    """Return whether replays can test a part: not printed figures, counts and rates."""
    return isinstance(part, BestOf) or (isinstance(part, Comparison) and part.kind in TESTED)


def measure(runs: Sequence[Run], replays: int = REPLAYS) -> dict[str, dict[str, float]]:
    """Return the shares of replays for each verdict: false alarms, power, wrong rejections."""
    vars(families)["best_of"] = partial(best_of, draws=DRAWS)
    vars(judgement)["rest_on"] = lambda parts, evidence: (frozenset(), "")  # slow, and not needed
    vars(judgement)["rates_of"] = lambda arms, evidence: ()
    found: dict[str, dict[str, float]] = {}
    for how in ("as run", "as claimed"):
        evidence = Replayed(runs, how)
        for chapter in dict.fromkeys(claim.chapter for claim in CLAIMS.values()):
            here = [claim for claim in CLAIMS.values() if claim.chapter == chapter]
            parts = {c.id: c.second if evidence.retuned else c.parts for c in here}
            parts = {name: of for name, of in parts.items() if of and all(map(testable, of))}
            shifts = {
                (part.measure, part.arms): [effect(part, arm) for arm in part.arms]
                for of in parts.values() for part in of
            }  # fmt: skip
            for truth, given in (("none", {}), ("smallest", shifts)):
                evidence.shifts = given
                for _ in range(replays):
                    evidence.draw()
                    for name, answer in answers(parts, evidence).items():
                        row = found.setdefault(f"{name} {how}", {})
                        for word in ("supported", "not supported"):
                            key = f"{word}, effect {truth}"
                            row[key] = row.get(key, 0) + answer.name.startswith(word) / replays
            print(chapter, how, file=sys.stderr)
    return {name: {key: round(x, 4) for key, x in row.items()} for name, row in found.items()}


if __name__ == "__main__":
    put(REPLAY, as_json({"replays": REPLAYS, "verdicts": measure([*read_published().values()])}))
