"""Pictures whose scale is the point: a panel each where none is shared, or a logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes

from fmnist_lab.runs.run import Run

from .style import BACKDROP, COLORS, NAMES, axes, counted, grouped, look, panels, percent, series

# How a run ended, as `Run.stopped_by` says it: its marker and its entry in the legend.
ENDS = {
    "patience": ("o", "stopped by patience"),
    "epochs": ("^", "hit the cap on epochs"),
    "divergence": ("X", "diverged"),
}
PANEL = 3.0  # inches: three panels fill a page's width


def train_and_validation(runs: Iterable[Run], *, by: str, kind: str = "accuracy") -> list[Axes]:
    """Draw training and validation "accuracy" or "loss" by epoch, a panel a value of `by`.

    Lines are means over seeds up to the epoch where the first stopped, bands reach from lowest to
    highest. Panels share the epochs' axis; accuracies share theirs too, as they can be compared,
    losses do not.
    """
    groups = grouped(runs, by)
    count, shared = max(1, len(groups)), kind == "accuracy"
    drawn = panels(count, height=3.4, width=max(7.0, PANEL * count), sharex=True, sharey=shared)
    for ax, (value, group) in zip(drawn, groups.items(), strict=False):
        for n, (part, name) in enumerate((("train", "training"), ("validation", "validation"))):
            x, rows = series(group, f"{part}_{kind}", "epoch")
            every = max(1, len(x) // 4)
            ax.plot(x, rows.mean(0), label=name, markevery=(n * every // 2, every), **look(n))
            ax.fill_between(x, rows.min(0), rows.max(0), color=look(n)["color"], alpha=0.15, lw=0)
        ax.set_title(counted(value, len(group)), fontsize=11)
        ax.set(xlabel="epoch", ylabel="" if shared and ax is not drawn[0] else kind)
        ax.legend(fontsize=9, frameon=False, loc="lower right" if shared else "upper right")
        if shared:
            percent(ax.yaxis)
    return drawn


def along(
    frame: pd.DataFrame,
    *,
    by: str,
    metric: str = "validation_accuracy",
    backdrop: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every run at its value of `by` on a logarithmic axis, and a line through the means.

    The axis is linear if a value is 0, which a logarithmic one cannot show.
    A run's marker says how it ended (`ENDS`): one that hit the cap on epochs was still improving.
    `backdrop` runs are drawn in grey.
    """
    ax = axes(ax)
    for part, color, order in ((backdrop, BACKDROP, 1), (frame, COLORS[0], 3)):
        if part is None or part.empty:
            continue
        means = part.groupby(by)[metric].mean()
        ax.plot(means.index, means, color=color, lw=1.2, zorder=order)
        for end, (marker, name) in ENDS.items():
            rows = part[part["stopped_by"] == end]
            if len(rows):
                style = {"ls": "none", "mfc": "none", "ms": 7, "color": color, "zorder": order}
                entry = name if order == 3 else None
                ax.plot(rows[by], rows[metric], marker=marker, label=entry, **style)
    shown = [part[by] for part in (frame, backdrop) if part is not None and len(part)]
    scale = "log" if all((values > 0).all() for values in shown) else "linear"
    ax.set(xscale=scale, xlabel=NAMES.get(by, by), ylabel=NAMES.get(metric, metric))
    if metric.endswith("accuracy"):
        percent(ax.yaxis)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=9, frameon=False)
    return ax
