"""The tables of the pages, of made-up runs and of those published."""

from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_lab import facts
from fmnist_lab.chapter import PARAMETERS
from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps.studies import STUDIES

BOOK = Path(__file__).parents[2] / "book"


def test_the_summary_has_a_row_a_setting_in_percent(made_up_run):
    runs = [
        made_up_run(Config(seed=seed), accuracy=accuracy, stopped_by=end)
        for seed, (accuracy, end) in enumerate(((0.5, "epochs"), (0.6, "patience")))
    ]
    row = facts.summary(Runs(runs).table(), "depth").loc["1"]
    assert row["seeds"] == 2
    assert row["accuracy (%)"] == "55.00"
    assert row["SD"] == "7.07"  # 10 points apart: 10 / sqrt(2)
    assert row["hit the cap"] == 1


def test_one_seed_has_no_standard_deviation(made_up_run):
    row = facts.summary(Runs([made_up_run(Config())]).table(), "depth").loc["1"]
    assert row["SD"] == "–"


def test_the_way_to_an_accuracy_is_told_in_epochs_steps_and_seconds(with_curve):
    run = with_curve([0.5, 0.7, 0.9], batch_size=480)
    run.history["seconds"][:] = [2.0, 2.0, 2.0]
    found = facts.reached([run], "batch_size", 0.8).loc["480"]
    assert found.to_dict() == {
        "runs": 1,
        "reached it": 1,
        "epochs": "2.5",  # half way from 0.7 to 0.9
        "steps": "250",
        "seconds on none": "5.0",
    }


def test_seconds_of_different_devices_are_not_averaged(with_curve):
    runs = [with_curve([0.5, 0.9]), with_curve([0.5, 0.9], seed=1)]
    assert "seconds on none" in list(facts.reached(runs, "depth", 0.8))
    runs[1] = replace(runs[1], environment={"device": "another"})
    assert list(facts.reached(runs, "depth", 0.8)) == ["runs", "reached it", "epochs", "steps"]
    assert "seconds" not in list(facts.summary(Runs(runs).table(), "depth"))


def test_the_mean_is_over_the_runs_that_get_there(with_curve):
    runs = [
        with_curve(values, seed=seed)
        for seed, values in enumerate(([0.5, 0.9], [0.5, 0.6], [0.9, 0.9]))
    ]
    found = facts.reached(runs, "depth", 0.9).loc["1"]
    assert (found["runs"], found["reached it"], found["epochs"]) == (3, 2, "1.5")


def test_a_setting_that_never_gets_there_has_dashes(with_curve):
    found = facts.reached(
        [
            with_curve(
                [0.5, 0.6],
            )
        ],
        "depth",
        0.9,
    ).loc["1"]
    assert found["reached it"] == 0
    assert list(found[["epochs", "steps", "seconds on none"]]) == ["–"] * 3


def test_no_runs_are_an_empty_table():
    assert facts.reached([], "depth", 0.9).empty
    assert facts.summary(Runs().table(), "depth").empty


def test_the_summary_counts_runs_that_hit_the_cap_or_diverged(made_up_run):
    ends = ("patience", "epochs", "divergence", "divergence")
    runs = Runs(made_up_run(Config(seed=n), stopped_by=end) for n, end in enumerate(ends))
    row = facts.summary(runs.table(), "depth").loc["1"]
    assert (row["hit the cap"], row["diverged"]) == (1, 2)


def test_brackets_are_begun_at_every_rate_of_a_whole_grid(made_up_run, home, published):
    """Two humps: the lower one stops the brackets that start on its side of the valley."""
    tuning = STUDIES["loss_tuning"]
    heights = [0.1, 0.2, 0.5, 0.4, 0.3, 0.2, 0.1, 0.2, 0.3, 0.6, 0.3, 0.2, 0.1]
    for config in tuning.configs():
        if config.loss == "cross_entropy":
            height = heights[tuning.grid["learning_rate"].index(config.learning_rate)]
            records.save(made_up_run(config, accuracy=height))
    found = facts.bracketing()
    assert list(found.index) == ["1 × 128, batch 256"]
    row = found.iloc[0]
    # Starts at the first to seventh rate climb to 0.5; the seventh sees the same on both sides.
    assert row["most lost"] == pytest.approx(10.0)
    assert row["starts that find the best"] == "6 of 13"
    assert 3 < row["rates run"] < 13


def test_what_was_fixed_is_told_of_every_study():
    table = facts.fixed()
    assert table.loc["width", "seeds"] == "0 to 9"
    rates = table["learning rate, precision"]
    assert rates["width_retuned"] == "chosen by width_tuning, bfloat16"
    assert rates["loss_tuning"] == "all of 13, 1e-5 to 1e-2, float32"
    assert rates["precision_2x512"] == "2.05e-4, both"
    assert (
        table["compared"]["dropout_4192_retuned"] == "dropout: 0.1, 0.2, 0.3, 0.5; the best alone"
    )


def test_tuning_names_every_width_and_depth():
    assert list(facts.tuning().index[:2]) == ["width 128", "width 512"]
    assert len(facts.tuning()) == 10


def test_every_parameter_of_every_chapter_is_in_the_table_with_its_defaults():
    table = facts.parameters(BOOK)
    assert {*PARAMETERS} <= set(table.index)
    assert table["type"]["patience"] == "int"
    defaults = str(table["defaults"]["width"]).split(" or ")
    assert {"128", "2096", "[128, 512, 1024, 2096, 4192]"} <= set(defaults)


def test_the_hours_of_every_machine_add_up_to_those_of_all_runs():
    table = facts.machines()
    runs = read_published().values()
    assert table["runs"].sum() == len(runs)
    hours = sum(run.seconds for run in runs) / 3600
    assert table["hours"].astype(float).sum() == pytest.approx(hours, abs=0.05 * len(table))


def test_a_run_that_does_not_say_where_it_was_trained_is_counted_all_the_same(
    published, made_up_run
):
    records.write_lines(published / "width.jsonl", [made_up_run(Config(), environment={})])
    table = facts.machines()
    assert table["runs"].to_dict() == {"None": 1}
    assert set(table[["precision", "Python", "PyTorch"]].iloc[0]) == {"?"}
