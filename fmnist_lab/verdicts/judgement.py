"""Judge claims: every part of each, a chapter at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fmnist_lab.config import scientific
from fmnist_lab.runs.run import Run

from .comparisons import Part
from .evidence import RETUNED, Arm, Evidence
from .rules import NAMES, Name, Verdict, correct


@dataclass(frozen=True)
class Claim:
    """One conclusion of the report.

    `parts` are judged on runs at the report's learning rate ("as run"). `claimed` are judged on
    runs with the learning rate chosen for each setting ("as claimed"); `retuned` repeats `parts`
    there.
    """

    id: str
    chapter: str  # the page that judges it
    says: str  # the report's conclusion, in our words
    reading: str  # what is tested for it
    figure: str  # the figure that shows it: fig-<chapter>-<what>
    parts: tuple[Part, ...] = ()
    claimed: tuple[Part, ...] = ()
    retuned: bool = False
    missing: str = ""  # why there are no parts

    @property
    def second(self) -> tuple[Part, ...]:
        """The parts judged as claimed."""
        return self.claimed or (self.parts if self.retuned else ())


@dataclass(frozen=True)
class Finding:
    """The verdict on one test of a claim."""

    name: str
    verdict: Verdict
    rates: tuple[str, ...] = ()  # each setting with its chosen learning rate, as claimed


@dataclass(frozen=True)
class Answer:
    """The verdict on a claim, joined from those on its tests: the weakest decides.

    No further correction is due: if every part is shown at level alpha, so is the whole (Berger
    1982, the intersection-union test).
    """

    findings: tuple[Finding, ...]

    @property
    def decisive(self) -> Finding:
        """The finding whose verdict is the claim's: of equally weak ones, of the largest p."""
        return min(self.findings, key=lambda f: (NAMES.index(f.verdict.name), -f.verdict.p))

    @property
    def name(self) -> Name:
        return self.decisive.verdict.name

    @property
    def reason(self) -> str:
        """Why, and which test says so, if there are several."""
        found = self.decisive
        named = f"{found.name}: " if len(self.findings) > 1 else ""
        return named + found.verdict.reason

    @property
    def seeds_needed(self) -> int | None:
        """The seeds that would settle every inconclusive test; None where that is not known."""
        needs = [f.verdict.seeds_needed for f in self.findings if f.verdict.name == "inconclusive"]
        known = [seeds for seeds in needs if seeds is not None]
        return max(known) if known and len(known) == len(needs) else None


@dataclass(frozen=True)
class Judgement:
    """The verdicts on a claim.

    `as_run` is None for a claim that one fixed learning rate cannot decide, `as_claimed` for one
    that is not about settings whose learning rate could be chosen anew.
    """

    claim: Claim
    as_run: Answer | None
    as_claimed: Answer | None
    runs: int  # number of runs used

    @property
    def answers(self) -> dict[str, Answer]:
        """Each verdict there is, the first to show first."""
        both = {"as run": self.as_run, "as claimed": self.as_claimed}
        return {how: answer for how, answer in both.items() if answer}

    @property
    def first(self) -> Answer:
        """The verdict to show first: as run, where there is one."""
        return next(iter(self.answers.values()))

    @property
    def moved(self) -> tuple[Finding, Finding] | None:
        """The test, as run and as claimed, that tells best why the two verdicts differ.

        That is one whose verdict differs: the one that decided the second, else the first, else
        any. None where the verdicts agree, or one is not run yet.
        """
        as_run, as_claimed = self.as_run, self.as_claimed
        if as_run is None or as_claimed is None or as_run.name == as_claimed.name:
            return None
        if "not run yet" in (as_run.name, as_claimed.name):
            return None
        before = {found.name: found for found in as_run.findings}
        pairs = [
            (before[found.name], found)
            for found in as_claimed.findings
            if found.name in before and before[found.name].verdict.name != found.verdict.name
        ]
        decided = as_claimed.decisive, as_run.decisive
        return max(pairs, key=lambda x: (x[1] == decided[0], x[0] == decided[1]), default=None)


def judge_claims(claims: Sequence[Claim], runs: Iterable[Run]) -> dict[str, Judgement]:
    """Judge claims on these runs.

    Comparisons of one chapter are one family for Holm's correction, once as run and once as
    claimed; a comparison that several claims share is counted once, and one not run yet counts
    too. The tests of `families` are no part of it.
    """
    runs = list(runs)
    evidence, retuned = Evidence(runs), Evidence(runs, retuned=True)
    judged = {}
    for chapter in dict.fromkeys(claim.chapter for claim in claims):
        here = [claim for claim in claims if claim.chapter == chapter]
        as_run = answers({claim.id: claim.parts for claim in here}, evidence)
        as_claimed = answers({claim.id: claim.second for claim in here}, retuned)
        for claim in here:
            used = {
                run.config
                for parts, there in ((claim.parts, evidence), (claim.second, retuned))
                for part in parts
                for found in there.compared(part.arms).values()
                for run in found.values()
            }
            first = as_run[claim.id]
            if claim.missing:
                first = Answer((Finding("", Verdict("not run yet", claim.missing)),))
            judged[claim.id] = Judgement(claim, first, as_claimed[claim.id], len(used))
    return {claim.id: judged[claim.id] for claim in claims}


def answers(parts: Mapping[str, tuple[Part, ...]], evidence: Evidence) -> dict[str, Answer | None]:
    """Judge the parts of a chapter's claims, by claim; None for one without."""
    tested = {
        claim: [(part, part.effects(evidence)) for part in several]
        for claim, several in parts.items()
    }
    family = correct(
        {
            name: (effect, part.measure.material)
            for several in tested.values()
            for part, effects in several
            for name, effect in effects.items()
            if part.together
        }
    )
    found = {
        claim: [
            Finding(
                name,
                part.verdict(effect, family.get(name) if part.together else None)
                if effect
                else part.absent(name, evidence),
                rates_of(part.arms, evidence),
            )
            for part, effects in several
            for name, effect in effects.items()
        ]
        for claim, several in tested.items()
    }
    return {claim: Answer(tuple(several)) if several else None for claim, several in found.items()}


def rates_of(arms: Sequence[Arm], evidence: Evidence) -> tuple[str, ...]:
    """Say at which learning rates, chosen for it, each setting ran; nothing of those as run."""
    tuned = evidence.compared([arm for arm in arms if evidence.retuned and arm.study in RETUNED])
    rates = {
        arm: {run.config.learning_rate for run in runs.values()} for arm, runs in tuned.items()
    }
    return tuple(f"{a}: {' or '.join(map(scientific, sorted(r)))}" for a, r in rates.items() if r)
