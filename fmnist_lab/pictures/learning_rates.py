"""Pictures that the chapter on learning rates alone needs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from fmnist_lab.runs.run import Run

from .scales import along
from .style import curves, label, panels


def log_epochs(runs: Sequence[Run], backdrop: Sequence[Run] = ()) -> Axes:
    """Draw validation accuracy against the epoch on a logarithmic axis."""
    ax = curves(runs, by="learning_rate", backdrop=backdrop)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    return ax


def jumps(runs: Sequence[Run]) -> list[Axes]:
    """Draw each run's validation loss at the two largest rates, a panel a rate."""
    largest = sorted({run.config.learning_rate for run in runs})[-2:]
    drawn = panels(max(1, len(largest)), sharex=True, sharey=True)
    for ax, rate in zip(drawn, largest, strict=False):
        there = [run for run in runs if run.config.learning_rate == rate]
        curves(there, by="seed", metric="validation_loss", ax=ax)
        ax.set_title(f"learning rate {label(rate)}", fontsize=11)
    return drawn


def beside_reported(frame: pd.DataFrame, backdrop: pd.DataFrame) -> Axes:
    """Draw accuracy along the rates, with the range of the report's Table 1 and of claim R3."""
    ax = along(frame, by="learning_rate", backdrop=backdrop)
    ax.axvspan(1.5e-5, 2.35e-4, color="#F0F0F0", zorder=0, label="the report's Table 1")
    ax.axvspan(2e-5, 3e-5, color="#F5D9A8", zorder=0, label="best, says R3")
    ax.legend(fontsize=9, frameon=False, loc="lower right")
    return ax
