"""Pictures of trials: what a budget of them buys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fmnist_lab.runs.run import Run
from fmnist_lab.verdicts.luck import expected_best
from fmnist_lab.verdicts.measures import ACCURACY

from .style import NAMES, axes, grouped, label, looks, panels, percent

SHOWN = 0.06  # of accuracy below the best: what starts lower is out of sight at first


def budgets(tuned: Mapping[str, Iterable[Run]]) -> list[Axes]:
    """Draw `budget` for several hyperparameters side by side, from each one's runs by its name."""
    drawn = panels(len(tuned), sharey=True)
    for ax, (by, runs) in zip(drawn, tuned.items(), strict=True):
        budget(runs, by=by, ax=ax)
        ax.label_outer()
    return drawn


def budget(runs: Iterable[Run], *, by: str, ax: Axes | None = None) -> Axes:
    """Draw the best validation accuracy to expect from n trials, a line per value of `by`.

    A trial is one of the runs, drawn at random: a learning rate of the grid, at one seed.
    """
    ax = axes(ax)
    best, groups = {}, grouped(runs, by)
    look_of = looks(by, groups)
    for n, (value, group) in enumerate(groups.items()):
        trials = np.arange(1, len(group) + 1)
        best[value] = expected_best(np.array([ACCURACY.of(run) for run in group], float), trials)
        ax.plot(trials, best[value], label=label(value), markevery=(n, 6), **look_of[value])
    highest = max((max(line) for line in best.values()), default=1.0)
    ax.set_ylim(highest - SHOWN, highest + SHOWN / 10)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.set(xlabel="trials", ylabel="expected best validation accuracy")
    percent(ax.yaxis)
    ax.legend(*ax.get_legend_handles_labels(), title=NAMES[by])
    return ax
