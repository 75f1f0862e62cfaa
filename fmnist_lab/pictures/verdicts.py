"""The claims and their verdicts: at a glance, as a table on a page, and how many of each."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from fmnist_lab.runs.run import Run
from fmnist_lab.verdicts.claims import SYMBOLS, changed, judge, label, link, sentence
from fmnist_lab.verdicts.judgement import Judgement
from fmnist_lab.verdicts.verdict import Name, Verdict

from .style import INK, axes

# Fill and text of a cell of the overview: Okabe & Ito's colours, told apart in grey as well.
LOOKS: dict[Name, tuple[str, str]] = {
    "supported": ("#0072B2", "white"),
    "supported but immaterial": ("#A6D0EC", "black"),
    "not supported": ("#E69F00", INK["dark"]),
    "inconclusive": ("#E8E8E8", "black"),
    "not run yet": ("white", "#595959"),
}

COLUMNS = ("Claim", "The report says", "We measured", "Verdict and why")


def counts(found: Mapping[str, Judgement]) -> pd.DataFrame:
    """Return how many claims have each verdict: a row a verdict, columns as run and as claimed."""
    columns = {
        "as run": [item.as_run for item in found.values()],
        "as claimed": [item.as_claimed for item in found.values()],
    }
    rows = {
        f"{symbol} {name}": {
            column: sum(v is not None and v.name == name for v in verdicts)
            for column, verdicts in columns.items()
        }
        for name, symbol in SYMBOLS.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="verdict")


def undecided(found: Mapping[str, Judgement]) -> pd.DataFrame:
    """Return a row for each verdict that is inconclusive: what is missing, and how many seeds."""
    open_ones = [
        (name, kind, verdict)
        for name, item in found.items()
        for kind, (verdict, _) in item.answers.items()
        if verdict.name == "inconclusive"
    ]
    columns = {
        "verdict": [kind for _, kind, _ in open_ones],
        "seeds now": [verdict.n for *_, verdict in open_ones],
        "seeds that would settle it": [
            f"about {verdict.seeds_needed:,}" if verdict.seeds_needed else "not known"
            for *_, verdict in open_ones
        ],
    }
    return pd.DataFrame(columns, [name for name, *_ in open_ones]).rename_axis(columns="claim")


@dataclass(frozen=True)
class Ledger:
    """Judgements as a page shows them: one table that scrolls in a box of its own.

    The part that decided a verdict, its numbers and the reason stand beside it; on the page each
    row links to the figure that shows it. A terminal gets the verdicts alone.
    """

    found: Mapping[str, Judgement]

    def __repr__(self) -> str:
        lines = [
            f"{name:<3}{label(item.as_run):<28}{label(item.as_claimed)}"
            for name, item in self.found.items()
        ]
        return "\n".join([f"{'':<3}{'as run':<28}as claimed", *lines])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
        body = "".join(row(item) for item in self.found.values())
        # A region that scrolls must be reachable by keyboard (WCAG 2.1, criterion 2.1.1).
        return (
            '<div class="ledger" role="region" aria-label="All claims" tabindex="0">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


@dataclass(frozen=True)
class Wall:
    """All verdicts at a glance, as links: a tile a claim that leads to the figure that shows it."""

    found: Mapping[str, Judgement]

    def __repr__(self) -> str:
        return repr(Ledger(self.found))

    def _repr_html_(self) -> str:
        return f'<ul class="wall">{"".join(tile(item) for item in self.found.values())}</ul>'


def tile(item: Judgement) -> str:
    """Return a claim's tile as HTML: its id, and a mark for its verdict as run and as claimed."""
    marks, words = [], []
    for how, (verdict, _) in item.answers.items():
        name = verdict.name.replace(" ", "-")
        marks.append(f'<span class="mark-{name}" aria-hidden="true">{SYMBOLS[verdict.name]}</span>')
        words.append(f"{how}: {verdict.name}")
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
    for kind, (verdict, part) in item.answers.items():
        prefix = f"<i>{kind}:</i> " if named else ""
        name = verdict.name.replace(" ", "-")
        word = f'<b class="verdict-{name}">{html.escape(label(verdict))}</b>'
        judgements.append(f"{prefix}{word}. {html.escape(sentence(ending(verdict)))}")
        if part is not None and part.measured:
            measured.append(prefix + html.escape(f"{sentence(part.name)[:-1]}: {part.measured}"))
    measured += [f"{item.runs:,} run{'s' * (item.runs > 1)}"] if item.runs else []
    if text := changed(item):
        judgements.append(f"<i>what the rate changed:</i> {html.escape(sentence(text))}")
    judgements.append(f'<a href="{link(claim)}">The figure that shows it</a>')
    numbers, verdicts = (
        "".join(f"<p>{line}</p>" for line in lines) for lines in (measured, judgements)
    )
    return (
        f'<tr><th scope="row">{html.escape(claim.id)}</th><td>{html.escape(claim.says)}</td>'
        f"<td>{numbers or '–'}</td><td>{verdicts}</td></tr>"
    )


def ending(verdict: Verdict) -> str:
    """Return a verdict's reason without the numbers that stand beside it already.

    A reason is "part: numbers (interval, seeds, p): why"; what follows the last bracket and colon
    is the why.
    """
    _, bracket, why = verdict.reason.rpartition("): ")
    return why if bracket else verdict.reason


def overview(ax: Axes | None = None, runs: Iterable[Run] | None = None) -> Axes:
    """Draw all claims at a glance: a row each, its verdict as run and as claimed."""
    found = judge(runs=runs)
    ax = axes(ax, height=0.37 * len(found) + 0.5)
    columns = {"as run": 3.5, "as claimed": 5.27}  # left edges, inches of a page column
    for title, x in columns.items():
        ax.text(x + 0.85, -0.9, title, ha="center", va="center", weight="bold", fontsize=9)
    for row, (name, item) in enumerate(found.items()):
        ax.text(0, row, name, va="center", weight="bold", fontsize=9)
        ax.text(0.38, row, textwrap.fill(item.claim.says, 47), va="center", fontsize=8,
                linespacing=1)  # fmt: skip
        for verdict, x in zip((item.as_run, item.as_claimed), columns.values(), strict=True):
            if verdict is None:
                continue
            fill, ink = LOOKS[verdict.name]
            ax.barh(row, 1.7, 0.82, left=x, color=fill, edgecolor="#595959", linewidth=0.6)
            ax.text(x + 0.85, row, label(verdict), color=ink, ha="center", va="center", fontsize=8)
    ax.set(xlim=(0, 7), ylim=(len(found) - 0.4, -1.4))
    ax.set_axis_off()
    return ax
