"""Several runs, as a study returns them."""

from __future__ import annotations

from collections import UserList
from dataclasses import fields

import pandas as pd

from fmnist_lab.config import Config

from .run import METRICS, Run

OUTCOME = ("id", "stopped_by", "epochs_run", "best_epoch", "seconds")


class Runs(UserList[Run]):
    """A list of runs that can be had as a table; slices and sums are such lists too."""

    def __repr__(self) -> str:
        return f"<{len(self)} run{'s' * (len(self) != 1)}: see table()>"

    def table(self) -> pd.DataFrame:
        """Return one row per run: its hyperparameters, outcome and metrics at the best epoch.

        Accuracies are fractions; `gap` is train minus validation accuracy at the best epoch,
        `last_*` are metrics after the last epoch; `seconds` is training time.
        """
        rows = []
        for run in self:
            row = {**vars(run.config), "id": run.id, "stopped_by": run.stopped_by}
            row |= {"epochs_run": run.epochs, "best_epoch": run.best_epoch, "seconds": run.seconds}
            row |= run.best | {f"last_{name}": value for name, value in run.last.items()}
            rows.append(row | {"device": run.device})
        metrics = [*METRICS, *(f"last_{name}" for name in METRICS)]
        # Named, so that a table without rows has them too.
        frame = pd.DataFrame(
            rows, columns=[*(field.name for field in fields(Config)), *OUTCOME, *metrics, "device"]
        )
        frame[metrics] = frame[metrics].astype(float)
        frame["gap"] = frame["train_accuracy"] - frame["validation_accuracy"]
        return frame
