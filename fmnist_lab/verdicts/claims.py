"""The report's conclusions with their verdicts: as data and as boxes.

Everything is computed from the published runs whenever it is asked for; a reader's own runs count
only where they are given.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from fmnist_lab.config import ConfigError, unknown_name
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run

from .conclusions import CLAIMS
from .judgement import Answer, Claim, Judgement, judge_claims
from .log import changed_on
from .rules import Name, Verdict, show
from .specifications import Curve, curves

# A symbol and a word show a verdict; colour comes on top. The variation selector keeps telephones
# from drawing an emoji.
SYMBOLS: dict[Name, str] = {
    "supported": "\u2714\ufe0e",
    "supported but size open": "\u2713",
    "supported but immaterial": "\u2248",
    "not supported": "\u2718\ufe0e",
    "inconclusive": "?",
    "not run yet": "\u2026",
}


def judge(chapter: str | None = None, runs: Iterable[Run] | None = None) -> dict[str, Judgement]:
    """Judge a chapter's claims, or all, on the published runs or on those given.

    Raises `ConfigError` for a chapter without claims.
    """
    chapters = list(dict.fromkeys(claim.chapter for claim in CLAIMS.values()))
    if chapter is not None and chapter not in chapters:
        raise ConfigError(unknown_name(chapter, chapters).replace("parameter", "chapter"))
    chosen = [claim for claim in CLAIMS.values() if chapter in (None, claim.chapter)]
    return judge_claims(chosen, records.read_published().values() if runs is None else runs)


def box(name: str, runs: Iterable[Run] | None = None) -> Box:
    """Return a claim's verdict box, for a notebook. Raises `ConfigError` for an unknown id."""
    return boxes(name, runs=runs)[0]


def boxes(*names: str, runs: Iterable[Run] | None = None) -> Boxes:
    """Return several claims' boxes in a row; a chapter's name stands for all of its claims."""
    of = {name: [claim.id for claim in CLAIMS.values() if claim.chapter == name] for name in names}
    ids = [each for name in names for each in of[name] or [name]]
    for unknown in set(ids) - set(CLAIMS):
        raise ConfigError(unknown_name(unknown, CLAIMS).replace("parameter", "claim"))
    runs = runs if runs is None else list(runs)
    found: dict[str, Judgement] = {}
    for chapter in {CLAIMS[each].chapter for each in ids}:
        found |= judge(chapter, runs)
    return Boxes(Box(found[each]) for each in ids)


def badge(name: Name) -> str:
    """Return a verdict's symbol and word."""
    return f"{SYMBOLS[name]} {name}"


def fragile(found: Judgement, how: str) -> Curve | None:
    """Return a verdict's curve if the verdict, on the published runs, is fragile."""
    curve = curves().get((found.claim.id, how))
    known = curve and curve.names[frozenset()] == found.answers[how].name
    return curve if curve and known and curve.fragile else None


def marked(found: Judgement, how: str) -> str:
    """Return a verdict's symbol and word, and whether it is fragile."""
    return badge(found.answers[how].name) + ", fragile" * bool(fragile(found, how))


def changed(found: Judgement) -> str:
    """Say what the learning rate changed where a claim's two verdicts differ; else nothing."""
    if found.moved is None:
        return ""
    before, after = found.moved
    if before.verdict.estimate is None or after.verdict.estimate is None:
        marks = (badge(finding.verdict.name) for finding in found.moved)
        return f"{after.name}: {' as run, '.join(marks)} as claimed"
    fixed, chosen = (show(x.verdict.estimate or 0.0, x.verdict.unit) for x in found.moved)
    rates = f" ({', '.join(after.rates)})" if len(after.rates) < 6 else ""
    return f"{after.name}: {fixed} at one learning rate, {chosen} at each setting's own{rates}"


def told(answer: Answer) -> str:
    """Return an answer as sentences: the verdict, why, and what the cap has to do with it."""
    limit = f" {sentence(answer.limit)}" if answer.limit else ""
    return f"{badge(answer.name)}. {sentence(answer.reason)}{limit}"


def beside(found: Judgement) -> list[tuple[str, str]]:
    """Return what is shown beside a verdict and decides nothing, each under a name."""
    rows = []
    for how, answer in found.beside.items():
        decides = found.answers.get(how.removeprefix("on test images, "))
        text = told(answer)
        if decides and decides.name == answer.name:
            text = f"{badge(answer.name)} too. Validation images decide."
        rows.append((sentence(how)[:-1], text))
    return rows


def link(claim: Claim) -> str:
    """Return the address of a claim's figure in the book; figures are named after their pages."""
    pages = {claim.chapter for claim in CLAIMS.values()} | {"method"}
    page = next(p for p in pages if claim.figure.startswith(f"fig-{p.replace('_', '-')}-"))
    return f"{page}.html#{claim.figure}"


def links(claim: Claim) -> str:
    """Return links, as HTML: to a claim's figure, and to the log if its verdict has changed."""
    found = [f'<a href="{link(claim)}">The figure that shows it</a>']
    if changed_on(claim.id):
        found.append('<a href="method.html#log-of-verdicts">the log of changes</a>')
    return ", ".join(found)


@dataclass(frozen=True)
class Box:
    """A claim and its verdicts as a notebook, a page or a terminal shows them."""

    judgement: Judgement

    def __repr__(self) -> str:
        lines = [self._head(), *(f"{name}: {text}" for name, text in self._rows() + self._behind())]
        lines += [f"- {line}" for line in self._parts()]
        wrapped = (textwrap.wrap(line, 99, subsequent_indent="  ") for line in lines)
        return "\n".join(line for lines in wrapped for line in lines)

    def _repr_html_(self) -> str:
        kind = self.judgement.first.name.replace(" ", "-")
        # Without the book's style sheet the border alone marks the box.
        look = "border-left: 0.3em solid var(--verdict, currentColor); padding: 0.1em 0.9em"
        rows, behind = (
            "".join(
                f"<p><b>{html.escape(name)}:</b> {html.escape(text)}</p>" for name, text in part
            )
            for part in (self._rows(), self._behind())
        )
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self._parts())
        items = f"<ul>{items}</ul>" if items else ""
        # Some style sheets of JupyterLab take a summary's triangle away.
        lead = '<summary style="display: list-item">What it is based on</summary>'
        return (
            f'<div class="verdict verdict-{kind}" style="{look}">'
            f'<p class="verdict-word"><b>{html.escape(self._head())}</b></p>{rows}'
            f"<details>{lead}{behind}{items}</details>"
            f"<p>{links(self.judgement.claim)}</p></div>"
        )

    def _head(self) -> str:
        found = self.judgement
        marks = {how: marked(found, how) for how in found.answers}
        words = [f"{mark} {how}" for how, mark in marks.items()]
        if len({*marks.values()}) == 1:
            words = [*marks.values()][:1]
        return f"{', '.join(words)} \u2013 claim {found.claim.id}"

    def _rows(self) -> list[tuple[str, str]]:
        found = self.judgement
        rows = [("The report concludes", found.claim.says), ("Tested", found.claim.reading)]
        names = {"as run": "As run", "as claimed": "As claimed, with the rate chosen for each"}
        names["second look"] = "Second look, as claimed, on fresh seeds alone"
        return rows + [(names[how], told(answer)) for how, answer in found.answers.items()]

    def _behind(self) -> list[tuple[str, str]]:
        found = self.judgement
        rows = [("What the rate changed", sentence(text))] if (text := changed(found)) else []
        fragiles = {how: curve for how in found.answers if (curve := fragile(found, how))}
        rows += [(f"Fragile {how}", sentence(curve.told)) for how, curve in fragiles.items()]
        rows += beside(found)
        if dates := changed_on(found.claim.id):
            rows.append(("Changed", f"on {' and '.join(dates)}: the chapter on method logs it."))
        return [*rows, ("Runs", f"{found.runs:,}")]

    def _parts(self) -> list[str]:
        lines = []
        for how, answer in self.judgement.answers.items():
            prefix = "" if how == "as run" else f"{how}, "
            run = [part for part in answer.findings if part.verdict.name != "not run yet"]
            if len(answer.findings) > 1 and run:
                lines += [f"{prefix}{part.name}: {in_short(part.verdict)}" for part in run]
                left = len(answer.findings) - len(run)
                lines += [f"{prefix}{left} more not run yet"] * (left > 0)
        return lines


class Boxes(tuple[Box, ...]):
    """Several boxes, one below the other."""

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return "".join(box._repr_html_() for box in self)


def in_short(found: Verdict) -> str:
    """Return a verdict's symbol, word and numbers."""
    return ", ".join(filter(None, (badge(found.name), found.numbers)))


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop; it may start with a number."""
    return f"{text[:1].upper()}{text[1:]}."
