"""fmnist_lab.runs.runs: runs as a table."""

from dataclasses import fields, replace

import pytest

from fmnist_lab.config import Config
from fmnist_lab.runs.run import METRICS
from fmnist_lab.runs.runs import Runs

CONFIG = Config(width=8, train_size=500, epochs=2)


def test_the_table_has_a_row_a_run_with_all_that_a_figure_needs(run):
    frame = Runs([run, replace(run, config=replace(CONFIG, seed=1))]).table()
    metrics = [
        f"{part}_{kind}"
        for part in ("train", "validation", "test")
        for kind in ("loss", "accuracy")
    ]
    assert list(frame.columns) == [
        *(field.name for field in fields(Config)),
        *("id", "stopped_by", "epochs_run", "best_epoch", "seconds"),
        *metrics,
        *(f"last_{name}" for name in metrics),
        *("device", "gap"),
    ]
    row = frame.iloc[0]
    assert (row["width"], row["seed"], row["id"]) == (8, 0, run.id)
    assert (row["stopped_by"], row["epochs_run"], row["best_epoch"]) == ("epochs", 2, 2)
    assert row["seconds"] == pytest.approx(1 / 2 + 1 / 3)
    assert list(frame["seed"]) == [0, 1]


def test_the_gap_is_train_minus_validation_accuracy_at_the_best_epoch(run):
    best = run.best | {"train_accuracy": 0.9, "validation_accuracy": 0.875}
    assert Runs([replace(run, best=best)]).table()["gap"].tolist() == [pytest.approx(0.025)]


def test_a_diverged_run_has_nan_where_there_is_no_number(run):
    nothing = dict.fromkeys(run.best)
    diverged = replace(
        run, stopped_by="divergence", best_epoch=0, best=nothing, last=nothing, environment={}
    )
    for runs in ([diverged], [run, diverged]):
        frame = Runs(runs).table()
        metrics = [*METRICS, *(f"last_{m}" for m in METRICS), "gap"]
        assert (frame[metrics].dtypes == "float64").all()
        assert frame[metrics].iloc[-1].isna().all()
        assert frame["stopped_by"].iloc[-1] == "divergence"
    assert Runs([run, diverged]).table()["test_accuracy"].mean() == 0.5


def test_the_table_of_no_runs_is_empty():
    assert Runs().table().empty
