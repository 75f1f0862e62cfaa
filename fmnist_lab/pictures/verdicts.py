"""The claims and their verdicts: at a glance, as a table on a page, and how many of each."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from fmnist_lab.verdicts.claims import SYMBOLS, badge, changed, link, links, marked, sentence
from fmnist_lab.verdicts.judgement import Judgement
from fmnist_lab.verdicts.log import LOG, Entry
from fmnist_lab.verdicts.rules import NAMES, Name
from fmnist_lab.verdicts.specifications import AGREEING, curves

from .style import COLORS, INK, MARKERS, MEAN, PAGE, axes, effects, interval, legend, percent, rows

# Fill and text of a verdict's word in a picture: Okabe & Ito's colours, distinct in grey as well.
LOOKS: dict[Name, tuple[str, str]] = {
    "supported": ("#0072B2", "white"),
    "supported but size open": ("#56B4E9", INK["dark"]),
    "supported but immaterial": ("#A6D0EC", "black"),
    "not supported": ("#E69F00", INK["dark"]),
    "inconclusive": ("#E8E8E8", "black"),
    "not run yet": ("white", "#595959"),
}

HOW = ("as run", "as claimed")
COLUMNS = ("Claim", "The report says", "We measured", "Verdict and why")


def two_looks(found: Mapping[str, Judgement], ax: Axes | None = None) -> Axes:
    """Draw the tests that the first look left open and a second was fixed for, a row per test.

    A mark is an estimate with its 95 % interval, in units of the smallest effect that matters; a
    second look still to come has none.
    """
    names: list[str] = []
    ends: dict[str, list[tuple[float, float, float]]] = {"first look": [], "second look": []}
    for claim, item in found.items():
        first = item.as_claimed.findings if item.claim.second_look and item.as_claimed else ()
        again = {each.name: each for each in item.second_look.findings} if item.second_look else {}
        for each in first:
            if each.verdict.name == "inconclusive":
                names.append(f"{claim}, " + each.name.replace(": ", ":\n"))
                for look, test in zip(ends, (each, again.get(each.name)), strict=True):
                    ends[look].append(test.verdict.in_units if test else (math.nan,) * 3)
    ax = effects(names, 0.55, "effect, in units of the smallest that matters", ax, margin=1)
    ax.tick_params(axis="y", labelsize=9)
    for n, (look, limits) in enumerate(ends.items()):
        low, middle, high = np.reshape(limits, (-1, 3)).T
        style = MEAN | {"color": COLORS[n], "fmt": MARKERS[n], "label": look}
        places = np.arange(len(names)) + 0.3 * n - 0.15
        interval(ax, places, (low, middle, high), across=True, **style)
    legend(ax)
    return ax


def specifications(ax: Axes | None = None) -> Axes:
    """Draw what each verdict's specifications say: a row per verdict, a colour per word.

    A verdict left of the line is fragile; the choice it depends on most is named beside it.
    """
    found = {" ".join(key): curve for key, curve in curves().items()}
    ax = axes(ax, width=PAGE, height=0.24 * len(found) + 1.2)
    start = np.zeros(len(found))
    for name in reversed(NAMES):
        of = [[*curve.names.values()].count(name) / len(curve.names) for curve in found.values()]
        if any(of):
            fill = LOOKS[name][0]
            ax.barh(range(len(found)), of, left=start, color=fill, ec="#595959", lw=0.5, label=name)
        start += of
    for row, curve in enumerate(found.values()):
        if curve.fragile:
            ax.text(1.02, row, curve.hinge, va="center", fontsize=9)
    ax.axvline(AGREEING, color="black", lw=1, ls="--")
    rows(ax, [*found], fontsize=9)
    ax.set(xlim=(0, 1), xlabel="share of the specifications")
    percent(ax.xaxis)
    legend(ax)
    return ax


@dataclass(frozen=True)
class Ledger:
    """Judgements as a page shows them: a table that scrolls in its own box.

    Beside a verdict are the part that decided it, its numbers and the reason; on the page each row
    links to the figure that shows it. A terminal gets the verdicts alone.
    """

    found: Mapping[str, Judgement]

    def __repr__(self) -> str:
        lines = [f"{'':<3}{'as run':<28}as claimed"]
        for name, item in self.found.items():
            first, second = (
                badge(item.answers[how].name) if how in item.answers else "–" for how in HOW
            )
            lines.append(f"{name:<3}{first:<28}{second}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return scrolling("All claims", COLUMNS, map(row, self.found.values()))


class Log:
    """The log of readings, rules and looks as a page shows it; a terminal gets a line per entry."""

    def __repr__(self) -> str:
        return "\n".join(f"{entry.date} {entry.what}" for entry in LOG)

    def _repr_html_(self) -> str:
        columns = ("Date", "What changed", "What was known", "Verdicts, and the commit")
        return scrolling("Log of verdicts", columns, map(log_row, LOG))


def scrolling(label: str, columns: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table as HTML that scrolls in its own box, from its rows as HTML."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    # A region that scrolls must be reachable by keyboard (WCAG 2.1, criterion 2.1.1).
    return (
        f'<div class="ledger" role="region" aria-label="{label}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def log_row(entry: Entry) -> str:
    """Return an entry of the log as HTML."""
    lines = [*map(str, entry.moved), f"commit {entry.commit}" if entry.commit else ""]
    verdicts = "".join(f"<p>{html.escape(line)}</p>" for line in lines if line)
    cells = (html.escape(entry.what), html.escape(entry.known), verdicts or "–")
    return (
        f'<tr><th scope="row">{entry.date}</th>' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"
    )


class Wall(Ledger):
    """All verdicts at a glance, as links: a tile per claim, leading to its figure."""

    def _repr_html_(self) -> str:
        return f'<ul class="wall">{"".join(tile(item) for item in self.found.values())}</ul>'


def tile(item: Judgement) -> str:
    """Return a claim's tile as HTML: its id and a mark for each of its verdicts."""
    marks, words = [], []
    for how, answer in item.answers.items():
        name = answer.name.replace(" ", "-")
        marks.append(f'<span class="mark-{name}" aria-hidden="true">{SYMBOLS[answer.name]}</span>')
        words.append(f"{how}: {marked(item, how).removeprefix(SYMBOLS[answer.name]).strip()}")
    said = html.escape(f"{item.claim.says} {'; '.join(words).capitalize()}.")
    return (
        f'<li><a href="{link(item.claim)}" title="{said}"><b>{item.claim.id}</b> {"".join(marks)}'
        f'<span class="visually-hidden"> {said}</span></a></li>'
    )


def row(item: Judgement) -> str:
    """Return a claim's row as HTML."""
    claim = item.claim
    named = len(item.answers) > 1 or item.as_run is None
    measured, judgements = [], []
    for how, answer in item.answers.items():
        prefix = f"<i>{how}:</i> " if named else ""
        part, verdict = answer.decisive.name, answer.decisive.verdict
        name = verdict.name.replace(" ", "-")
        word = f'<b class="verdict-{name}">{html.escape(marked(item, how))}</b>'
        why = " ".join(sentence(text) for text in (verdict.why, answer.limit) if text)
        judgements.append(f"{prefix}{word}. {html.escape(why)}")
        if verdict.numbers:
            measured.append(prefix + html.escape(f"{sentence(part)[:-1]}: {verdict.numbers}"))
    measured += [f"{item.runs:,} run{'s' * (item.runs > 1)}"] if item.runs else []
    if text := changed(item):
        judgements.append(f"<i>what the rate changed:</i> {html.escape(sentence(text))}")
    judgements += [
        f"<i>{html.escape(how)}:</i> {html.escape(badge(answer.name))}"
        for how, answer in item.beside.items()
    ]
    judgements.append(links(claim))
    numbers, verdicts = (
        "".join(f"<p>{line}</p>" for line in lines) for lines in (measured, judgements)
    )
    return (
        f'<tr><th scope="row">{html.escape(claim.id)}</th><td>{html.escape(claim.says)}</td>'
        f"<td>{numbers or '–'}</td><td>{verdicts}</td></tr>"
    )
