"""Judges every claim under each combination of choices that others might have made.

    python -m benchmarks.specifications

It takes minutes, so pages read the table that it writes (`verdicts.specifications`).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from fmnist_lab.files import put
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.tuning import NESTED_SEEDS
from fmnist_lab.verdicts.comparisons import Part
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.evidence import Arm, Evidence
from fmnist_lab.verdicts.families import Printed
from fmnist_lab.verdicts.judgement import Answer, Claim, answers
from fmnist_lab.verdicts.measures import Measure
from fmnist_lab.verdicts.rules import Name
from fmnist_lab.verdicts.specifications import DEPARTURES, TABLE

from .work import as_json

Made = frozenset[str]  # departures
HOW = ("as run", "as claimed")
# In units of the book's 0.3 points. Dividing a measurement by the factor is the same as multiplying
# what matters by it.
MARGINS = {"margin 0.2": 2 / 3, "margin 0.5": 5 / 3}
PRINTED = {part.measure for c in CLAIMS.values() for part in c.parts if isinstance(part, Printed)}


class Departing(Evidence):
    """The evidence that a specification uses."""

    def __init__(self, runs: Sequence[Run], how: str, made: Made):
        if "CPU seeds" in made:
            runs = [run for run in runs if not on_gpu(run)]
        if "last epoch" in made:  # rates are chosen at the best, as fixed beforehand
            runs = [run if tunes(run) else at_last(run) for run in runs]
        super().__init__(runs, retuned=how == "as claimed")
        self.on_test = "test images" in made
        self.made = made

    def values(self, measure: Measure, arms: Sequence[Arm]) -> pd.DataFrame:
        frame = super().values(measure, arms)
        if measure in PRINTED:  # compared with a figure, where no margin counts
            return frame
        return frame / next((MARGINS[each] for each in self.made if each in MARGINS), 1.0)

    def of(self, arm: Arm) -> dict[int, Run]:
        tuning = self._study(arm).tuned_by
        if tuning is None or "runner-up rate" not in self.made:
            return super().of(arm)
        means = tuning.means(run for seeds in self._runs.values() for run in seeds.values())
        means = means[(means[tuning.swept] == arm.value) & (means["count"] == len(tuning.seeds))]
        ranked = means.sort_values(["mean", "learning_rate"], ascending=[False, True])
        rate = float(ranked["learning_rate"].iloc[1])
        setting = replace(tuning.base, seed=0, learning_rate=rate, **{tuning.swept: arm.value})
        return {seed: self._runs[setting][seed] for seed in tuning.seeds}


def on_gpu(run: Run) -> bool:
    """Return whether a GPU trained a run."""
    return "thread" not in str(run.device)


def tunes(run: Run) -> bool:
    """Return whether a run chooses a learning rate."""
    return run.config.seed in NESTED_SEEDS


def at_last(run: Run) -> Run:
    """Return a run as if its last epoch had been its best."""
    return replace(run, best=run.last)


def parts(claim: Claim, how: str, made: Made = frozenset()) -> tuple[Part, ...]:
    """Return the parts of a claim that a specification tests."""
    if how == "as claimed":
        return claim.second
    return claim.other_parts if "other reading" in made and claim.other_parts else claim.parts


def judge(claims: Sequence[Claim], how: str, made: Made, runs: Sequence[Run]) -> dict[str, Name]:
    """Return the verdicts on a chapter's claims under a specification."""
    evidence = Departing(runs, how, made)
    of = {claim.id: parts(claim, how, made) for claim in claims}
    if "uncorrected" not in made:
        return {name: answer.name for name, answer in answers(of, evidence).items()}
    found = {}
    for name, several in of.items():
        alone = [answers({name: (part,)}, evidence)[name] for part in several]
        findings = tuple(finding for answer in alone for finding in answer.findings)
        if findings:
            found[name] = Answer(findings).name
    return found


def differing(claim: Claim, how: str, runs: Sequence[Run]) -> list[str]:
    """Return the choices that change a claim's test if made differently, apart from rates."""
    there = parts(claim, how)
    evidence = Departing(runs, how, frozenset())
    compared = [evidence.compared(part.arms).values() for part in there]
    used = [run for arms in compared for of in arms for run in of.values()]
    measures = {part.measure for part in there}
    differs = {
        "images": any(measure.on_test for measure in measures),
        "epoch": any(m.of(run) != m.of(at_last(run)) for m in measures for run in used),
        "reading": parts(claim, how, frozenset({"other reading"})) != there,
        "margin": not measures <= PRINTED and any(part.tested for part in there),
        "correction": any(part.tested for part in there),
        "seeds": any(map(on_gpu, used)),
    }
    return [choice for choice, differ in differs.items() if there and differ]


def specifications(choices: Sequence[str]) -> Iterator[Made]:
    """Yield all combinations of departures from these choices."""
    for made in itertools.product(*(("", *DEPARTURES[choice]) for choice in choices)):
        yield frozenset(made) - {""}


def measure(runs: Sequence[Run]) -> dict[str, dict[str, Name]]:
    """Return each verdict's names by its specifications' departures."""
    found: dict[str, dict[str, Name]] = {}
    order = [each for several in DEPARTURES.values() for each in several]
    for chapter, how in itertools.product(dict.fromkeys(c.chapter for c in CLAIMS.values()), HOW):
        claims = [c for c in CLAIMS.values() if c.chapter == chapter]
        asked = {c.id: {*specifications(differing(c, how, runs))} for c in claims if parts(c, how)}
        for claim in claims:
            # The runner-up's runs are those of three tuning seeds: the one specification with it.
            if how == "as claimed" and claim.retuned:
                asked[claim.id].add(frozenset({"runner-up rate"}))
        for made in sorted({made for each in asked.values() for made in each}, key=sorted):
            key = ", ".join(sorted(made, key=order.index))
            print(chapter, how, key, file=sys.stderr)
            for name, verdict in judge(claims, how, made, runs).items():
                if made in asked[name]:
                    found.setdefault(f"{name} {how}", {})[key] = verdict
    keys = (f"{name} {how}" for name, how in itertools.product(CLAIMS, HOW))
    judged = (key for key in keys if key in found)
    return {key: found[key] for key in judged if found[key][""] != "not run yet"}


if __name__ == "__main__":
    put(TABLE, as_json(measure([*read_published().values()])))
