"""Judge claims: every part of each, a chapter at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fmnist_lab.config import Config, scientific
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import STUDIES

from .comparisons import Part
from .evidence import RETUNED, SECOND_LOOKS, Arm, Evidence
from .rules import NAMES, Hypothesis, Name, Verdict, correct


@dataclass(frozen=True)
class Claim:
    """One conclusion of the report.

    `parts` are judged on runs at the report's learning rate ("as run"). `claimed` are judged on
    runs with the learning rate chosen for each setting ("as claimed"); `retuned` repeats `parts`
    there. `second_look` tests these once more, on fresh seeds alone.
    """

    id: str
    chapter: str = ""  # the page that judges it
    figure: str = ""  # the figure that shows it: fig-<chapter>-<what>
    says: str = ""  # the report's conclusion, in our words
    reading: str = ""  # what is tested for it
    parts: tuple[Part, ...] = ()
    claimed: tuple[Part, ...] = ()
    retuned: bool = False
    second_look: bool = False
    other: str = ""  # another reading, judged beside the first and deciding nothing
    other_parts: tuple[Part, ...] = ()

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

    A claim is supported if every part is, which needs no further correction (Berger 1982, the
    intersection-union test). It is not supported if any part is not, a union that this argument
    does not cover. Correcting a chapter's tests together does: in at most 5 % of chapters is one
    of them rejected by mistake, and so is one of these claims.
    """

    findings: tuple[Finding, ...]
    runs: frozenset[Config] = frozenset()  # that it is based on
    limit: str = ""  # what the cap on epochs has to do with it, as a clause

    @property
    def decisive(self) -> Finding:
        """The finding whose verdict is the claim's: of equally weak ones, that of largest p."""
        return min(self.findings, key=lambda f: (NAMES.index(f.verdict.name), -f.verdict.p))

    @property
    def name(self) -> Name:
        return self.decisive.verdict.name

    @property
    def reason(self) -> str:
        """Why and, if there are several tests, which one says so."""
        found = self.decisive
        named = f"{found.name}: " if len(self.findings) > 1 else ""
        return named + found.verdict.reason

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds would settle every inconclusive test; None where that is not known."""
        needs = [f.verdict.seeds_needed for f in self.findings if f.verdict.name == "inconclusive"]
        known = [seeds for seeds in needs if seeds is not None]
        return max(known) if known and len(known) == len(needs) else None


@dataclass(frozen=True)
class Judgement:
    """The verdicts on a claim.

    `as_run` is None for a claim that one fixed learning rate cannot decide, `as_claimed` for one
    that is not about settings whose learning rate could be chosen anew. `second_look` is as
    claimed too, on fresh seeds, once all of its chapter's runs are there. `beside` are answers
    that decide nothing: those on test images, to another reading, or a second look still to come.
    """

    claim: Claim
    as_run: Answer | None
    as_claimed: Answer | None
    runs: int  # number of runs used
    beside: Mapping[str, Answer] = field(default_factory=dict)
    second_look: Answer | None = None

    @property
    def answers(self) -> dict[str, Answer]:
        """The verdicts that there are, in the order in which to show them."""
        every = {"as run": self.as_run, "as claimed": self.as_claimed}
        every["second look"] = self.second_look
        return {how: answer for how, answer in every.items() if answer}

    @property
    def first(self) -> Answer:
        """The verdict to show first: as run, where there is one."""
        return next(iter(self.answers.values()))

    @property
    def moved(self) -> tuple[Finding, Finding] | None:
        """The test, as run and as claimed, that best shows why the two verdicts differ.

        Its own verdicts differ: it decided the second or, failing that, the first; else it is any
        such test. None where the claim's verdicts agree, or one is not run yet.
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

    The tests of a chapter are corrected together, once as run and once as claimed; a test that
    several claims share counts once, and one not run yet counts too.
    """
    runs = list(runs)
    evidence = {"as run": Evidence(runs), "as claimed": Evidence(runs, retuned=True)}
    evidence |= {f"on test images, {how}": e.seen(on_test=True) for how, e in evidence.items()}
    judged = {}
    for chapter in dict.fromkeys(claim.chapter for claim in claims):
        here = [claim for claim in claims if claim.chapter == chapter]
        found = {"other": answers({c.id: c.other_parts for c in here}, evidence["as run"])}
        again = {c.id: c.second for c in here if c.second_look}
        looks = answers(again, evidence["as claimed"].seen(second_look=True))
        if any(each.verdict.name == "not run yet" for x in looks.values() for each in x.findings):
            looks = {}
        for how, there in evidence.items():
            parts = {c.id: c.second if there.retuned else c.parts for c in here}
            found[how] = {
                name: answer
                for name, answer in answers(parts, there).items()
                if not there.on_test or any(part.measure.on_test for part in parts[name])
            }
        for claim in here:
            of = {how: several[claim.id] for how, several in found.items() if claim.id in several}
            if claim.other:
                of[f"read otherwise: {claim.other}"] = of.pop("other")
            if claim.second_look and not looks:
                seeds = len(STUDIES[SECOND_LOOKS[claim.parts[0].arms[0].study]].seeds)
                why = f"{seeds} fresh seeds per setting"
                of["second look"] = Answer((Finding("", Verdict("not run yet", why)),))
            both = of.pop("as run", None), of.pop("as claimed", None)
            look = looks.get(claim.id)
            used = {config for answer in (*both, look) if answer for config in answer.runs}
            judged[claim.id] = Judgement(claim, *both, len(used), of, look)
    return {claim.id: judged[claim.id] for claim in claims}


def answers(parts: Mapping[str, tuple[Part, ...]], evidence: Evidence) -> dict[str, Answer]:
    """Judge the parts of a chapter's claims; return the answers of those with parts, by claim."""
    rows = [
        (claim, part, part.group(evidence), name, effect)
        for claim, several in parts.items()
        for part in several
        for name, effect in part.effects(evidence).items()
    ]
    corrected = correct(
        {
            (hypothesis, name): Hypothesis(effect, part.measure.material, hypothesis)
            for _, part, hypothesis, name, effect in rows
            if part.tested
        }
    )
    found: dict[str, list[Finding]] = {}
    for claim, part, hypothesis, name, effect in rows:
        if effect:
            verdict = part.verdict(effect, corrected.get((hypothesis, name)))
        else:
            verdict = part.absent(name, evidence)
        if evidence.on_test and part.measure.on_test:
            name = name.replace("validation", "test")
        found.setdefault(claim, []).append(Finding(name, verdict, rates_of(part.arms, evidence)))
    return {
        claim: Answer(tuple(several), *rest_on(parts[claim], evidence))
        for claim, several in found.items()
    }


def rest_on(parts: Sequence[Part], evidence: Evidence) -> tuple[frozenset[Config], str]:
    """Return the runs that parts use, and say if the cap on epochs limits what these can show."""
    used: dict[Config, Run] = {}
    limited: dict[Config, Run] = {}
    for part in parts:
        for runs in evidence.compared(part.arms).values():
            there = {run.config: run for run in runs.values()}
            used |= there
            limited |= there if part.measure.progress else {}
    capped = [config for config, run in limited.items() if run.stopped_by == "epochs"]
    said = ""
    if capped:
        said = f"{len(capped)} of {len(limited)} runs ended at the cap of {capped[0].epochs} epochs"
        said += ": this compares progress until then"
    return frozenset(used), said


def rates_of(arms: Sequence[Arm], evidence: Evidence) -> tuple[str, ...]:
    """Say at which learning rates, chosen for it, each setting ran; as run, say nothing."""
    tuned = evidence.compared([arm for arm in arms if evidence.retuned and arm.study in RETUNED])
    rates = {
        arm: {run.config.learning_rate for run in runs.values()} for arm, runs in tuned.items()
    }
    return tuple(f"{a}: {' or '.join(map(scientific, sorted(r)))}" for a, r in rates.items() if r)
