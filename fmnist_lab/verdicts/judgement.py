"""Judge claims: every part of each, a chapter at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from fmnist_lab.config import scientific
from fmnist_lab.runs.run import Run

from .comparisons import Comparison
from .evidence import Arm, Evidence
from .families import BestOf, Printed, Share
from .statistics import ALPHA, CONFIDENCE, Effect
from .verdict import Verdict, combine, seeds_needed, show, show_limits, verdicts

Part = Comparison | BestOf | Printed | Share


@dataclass(frozen=True)
class Claim:
    """One conclusion of the report.

    `parts` are judged on runs at the report's learning rate ("as run"). `claimed` are judged on
    runs with the learning rate chosen for each setting ("as claimed"); `retuned` repeats `parts`
    there.
    """

    id: str
    chapter: str  # the page that judges it
    about: str
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
    """The verdict on one part of a claim."""

    name: str
    verdict: Verdict
    unit: str
    interval: str  # the kind of interval it has
    counted: str  # what its n counts
    rates: tuple[str, ...] = ()  # each setting with its chosen learning rate, as claimed

    @property
    def measured(self) -> str:
        """The estimate with its interval and number, or nothing."""
        found = self.verdict
        if found.estimate is None:
            return ""
        signed = self.unit != "%"
        estimate = show(found.estimate, self.unit, signed)
        if found.n < 2 or not math.isfinite(found.low):
            return f"{estimate} (one run, no interval)"
        limits = show_limits(found.low, found.high, self.unit, signed)
        return f"{estimate} ({self.interval} {limits}, {found.n} {self.counted})"


@dataclass(frozen=True)
class Judgement:
    """The verdicts on a claim, and the findings they follow from.

    `as_run` is None for a claim that one fixed learning rate cannot decide, `as_claimed` for one
    that is not about settings whose learning rate could be chosen anew.
    """

    claim: Claim
    as_run: Verdict | None
    as_claimed: Verdict | None
    runs: int  # number of runs used
    findings: tuple[Finding, ...] = ()
    claimed_findings: tuple[Finding, ...] = ()

    @property
    def first(self) -> Verdict:
        """The verdict to show first: as run, where there is one."""
        found = self.as_run or self.as_claimed
        assert found is not None  # `judge` gives at least one
        return found

    @property
    def moved(self) -> tuple[Finding, Finding] | None:
        """The part, as run and as claimed, that tells best why the two verdicts differ.

        That is one whose verdict differs: the part that decided the second, else the first, else
        any. None where the verdicts agree, or one is not run yet.
        """
        as_run, as_claimed = self.as_run, self.as_claimed
        if as_run is None or as_claimed is None or as_run.name == as_claimed.name:
            return None
        if "not run yet" in (as_run.name, as_claimed.name):
            return None
        before = {part.name: part for part in self.findings}
        pairs = [
            (before[part.name], part)
            for part in self.claimed_findings
            if part.name in before and before[part.name].verdict.name != part.verdict.name
        ]
        decided = [pair for pair in pairs if decides(pair[1], as_claimed)]
        decided += [pair for pair in pairs if decides(pair[0], as_run)]
        return next(iter(decided + pairs), None)

    @property
    def answers(self) -> dict[str, tuple[Verdict, Finding | None]]:
        """Each verdict there is, with the finding that decided it, if any part was there to."""
        both = {
            "as run": (self.as_run, self.findings),
            "as claimed": (self.as_claimed, self.claimed_findings),
        }
        return {
            how: (verdict, next((part for part in parts if decides(part, verdict)), None))
            for how, (verdict, parts) in both.items()
            if verdict is not None
        }


def decides(part: Finding, whole: Verdict) -> bool:
    """Return whether a claim's verdict is that of this part (`verdict.combine`)."""
    found = part.verdict
    return (found.name, found.estimate, found.p) == (whole.name, whole.estimate, whole.p)


def judge(claims: Sequence[Claim], runs: Iterable[Run]) -> dict[str, Judgement]:
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
        as_run = findings({claim.id: claim.parts for claim in here}, evidence)
        as_claimed = findings({claim.id: claim.second for claim in here}, retuned)
        for claim in here:
            used = {
                run.config
                for parts, there in ((claim.parts, evidence), (claim.second, retuned))
                for part in parts
                for arm in part.arms
                for run in there.of(arm).values()
            }
            judged[claim.id] = Judgement(
                claim,
                joined(as_run[claim.id], claim.missing),
                joined(as_claimed[claim.id]),
                len(used),
                as_run[claim.id],
                as_claimed[claim.id],
            )
    return {claim.id: judged[claim.id] for claim in claims}


def findings(
    parts: Mapping[str, tuple[Part, ...]], evidence: Evidence
) -> dict[str, tuple[Finding, ...]]:
    """Judge the parts of a chapter's claims, by claim."""
    everything = [part for several in parts.values() for part in several]
    family = {part.name: part for part in everything if isinstance(part, Comparison)}
    effects = {name: part.effect(evidence) for name, part in family.items()}
    judged = verdicts(
        effects,
        {name: part.smallest for name, part in family.items()},
        {name: part.direction for name, part in family.items()},
        unit={name: part.unit for name, part in family.items()},
    )
    spreads: dict[str, list[float]] = {}
    for name, effect in effects.items():
        # A difference of two settings, with more seeds than a guess at its spread needs.
        if effect is not None and effect.n >= 3 and len(family[name].arms) == 2:
            spreads.setdefault(family[name].measure.name, []).append(effect.sd)

    def of(part: Part) -> list[Finding]:
        if isinstance(part, Comparison):
            found = part.worded(judged[part.name], effects[part.name], evidence, len(family))
            verdict_of = {part.name: found}
        else:
            verdict_of = part.verdicts(evidence)
        if isinstance(part, BestOf) or (isinstance(part, Comparison) and len(part.arms) == 2):
            size = len(part.rivals) if isinstance(part, BestOf) else len(family)
            spread = spreads.get(part.measure.name, [])
            verdict_of = {n: hinted(v, part, spread, size) for n, v in verdict_of.items()}
        rates = rates_of(part.arms, evidence)
        return [
            Finding(name, found, part.unit, part.interval, part.counted, rates)
            for name, found in verdict_of.items()
        ]

    return {key: tuple(f for part in several for f in of(part)) for key, several in parts.items()}


def rates_of(arms: Sequence[Arm], evidence: Evidence) -> tuple[str, ...]:
    """Say at which learning rate, chosen for it, each setting ran; nothing of those as run."""
    chosen = {arm: evidence.chosen(arm) for arm in arms}
    return tuple(f"{arm}: {scientific(rate)}" for arm, rate in chosen.items() if rate)


def hinted(
    found: Verdict, part: Comparison | BestOf, spread: Sequence[float], family: int
) -> Verdict:
    """Say of a single run how many seeds would settle it at the spread of other comparisons."""
    if found.name != "inconclusive" or found.n != 1 or found.estimate is None or not spread:
        return found
    moved = found.estimate + part.direction * part.margin
    pilot = Effect(moved, -math.inf, math.inf, 2, median(spread), CONFIDENCE, 1.0, 1.0)
    seeds = seeds_needed(pilot, part.smallest, ALPHA / family)
    reason = (
        f"{found.reason}; at the spread of this chapter's other comparisons,"
        f" about {seeds:,} seeds would settle it"
    )
    return replace(found, reason=reason, seeds_needed=seeds)


def joined(found: Sequence[Finding], missing: str = "") -> Verdict | None:
    """Join the verdicts on a claim's parts; None where there is no part."""
    if missing:
        return Verdict("not run yet", missing)
    return combine({part.name: part.verdict for part in found}) if found else None
