"""Facts of made-up runs, computed by hand; and that every fact a page names exists."""

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fmnist_lab import data, facts, pictures, verdicts
from fmnist_lab.chapter import PARAMETERS
from fmnist_lab.config import Config
from fmnist_lab.facts import common
from fmnist_lab.facts.chapters import bumped, listed
from fmnist_lab.facts.images import mixed_up
from fmnist_lab.pictures import speed
from fmnist_lab.runs import records
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run, pack
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps.studies import STUDIES

BOOK = Path(__file__).parents[2] / "book"
RATES = (2.05e-4, 2.05e-3)
PAGES = ["intro", *sorted(path.stem for path in BOOK.glob("*.ipynb"))]


@pytest.fixture
def runs(made_up_run):
    """Two seeds of two widths: 50 and 52 %, 60 and 63 %; an hour each, the last one capped."""
    made: list[Run] = []
    for width, accuracy in ((8, 0.50), (8, 0.52), (16, 0.60), (16, 0.63)):
        config = Config(width=width, seed=len(made) % 2)
        run = made_up_run(config, accuracy=accuracy, stopped_by="patience")
        made.append(replace(run, history=run.history | {"seconds": [1800.0, 1800.0]}))
    return Runs([*made[:3], replace(made[3], stopped_by="epochs")])


def test_runs_are_counted_with_their_hours_devices_and_caps(runs):
    counted = {"runs": 4, "hours": 4.0, "devices": "none", "capped": 1}
    assert facts.width(runs) == counted | {"precision": "single precision"}


def test_seeds_are_those_of_the_settings_with_fewest_and_most(runs):
    assert common.of_runs(runs, "width")["seeds"] == "2"
    assert common.of_runs(runs[:3], "width")["seeds"] == "1 to 2"


def test_without_runs_there_is_nothing_to_count():
    assert common.of_runs(Runs())["devices"] == "no device"
    assert common.of_runs(Runs(), "width")["runs"] == 0


def test_a_devices_threads_are_named_once():
    trained = ["A Xeon, 2 threads", "A Xeon, 1 thread", "A Xeon, 2 threads", "NVIDIA H100"]
    assert common.devices(pd.Series(trained)) == "A Xeon (1 or 2 threads) and NVIDIA H100"


def test_brackets_are_begun_at_every_rate_of_a_whole_grid(made_up_run, home, published):
    """Two humps: the lower one stops the brackets that begin on its side of the valley."""
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


def test_means_are_in_per_cent_from_high_to_low_and_a_diverged_run_guesses(runs, made_up_run):
    config = Config(width=4)
    lost = made_up_run(config, best={"validation_accuracy": None}, stopped_by="divergence")
    means = common.means(Runs([*runs, lost]).table(), "width")
    assert means.to_dict() == pytest.approx({16: 61.5, 8: 51.0, 4: 10.0})
    assert list(means.index) == [16, 8, 4]


def test_seeds_of_one_setting_differ_by_three_points_at_most(runs):
    assert common.widest(runs.table(), "width") == pytest.approx(3.0)


def test_depths_name_the_best_mean_and_how_far_means_and_seeds_lie_apart(made_up_run):
    accuracies = {0: (0.5, 0.5), 1: (0.80, 0.81), 2: (0.83, 0.87)}
    runs = Runs(
        made_up_run(Config(depth=depth, width=8, seed=seed), accuracy=accuracy)
        for depth, pair in accuracies.items()
        for seed, accuracy in enumerate(pair)
    )
    found = facts.depth(runs)
    assert found["best_depth"] == "2"
    assert found["best_mean"] == pytest.approx(85.0)
    assert found["hidden_range"] == pytest.approx(4.5)
    assert found["seed_range"] == pytest.approx(4.0)
    assert found["smallest"] == 784 * 8 + 8 + 8 * 10 + 10  # one layer; softmax regression has more


def test_the_lead_of_cross_entropy_has_a_sign_and_a_minus(made_up_run):
    readings = [
        made_up_run(Config(loss=loss), accuracy=accuracy)
        for loss, accuracy in (("cross_entropy", 0.80), ("mse", 0.81), ("mae", 0.70))
    ]
    found = facts.loss(Runs(readings), Runs(readings))
    assert found["lead_over_mse"] == "−1.00"
    assert found["lead_over_mae"] == "+10.00"
    assert (found["highest"], found["lowest"]) == ("MSE", "MAE")
    # Ten zeros: the logarithm of ten classes, and one of ten outputs that is wrong by 1.
    assert found["zeros_cross_entropy"] == pytest.approx(np.log(10))
    assert found["zeros_mse"] == pytest.approx(0.1)
    assert found["sure_mse"] == pytest.approx(8.1)


def test_learning_rates_say_where_runs_hit_the_cap(made_up_run):
    runs = Runs(
        made_up_run(Config(learning_rate=rate), accuracy=accuracy, stopped_by=stopped)
        for rate, accuracy, stopped in (
            (2.05e-6, 0.8, "epochs"), (2.05e-5, 0.9, "patience"), (5e-2, 0.7, "divergence"),
        )
    )  # fmt: skip
    found = facts.learning_rate(runs, [])
    assert found["capped_where"] == "1 of 1 at 2.05e-6"
    assert (found["capped"], found["diverged"]) == (1, 1)
    assert (found["best_rate"], found["second_rate"]) == ("2.05e-5", "2.05e-6")
    assert found["where"] == "inside"
    assert facts.learning_rate(runs[:1], [])["where"] == "at the edge of"
    assert (found["slow"], found["fast"]) == ("(no run shown)", "(no run shown)")
    assert found["travel"] == pytest.approx(100 * 188 * 2.05e-6)


def test_batch_sizes_count_steps_and_how_long_patience_waits(made_up_run):
    runs = Runs(made_up_run(Config(batch_size=size, patience=3)) for size in (1, 1024))
    found = facts.batch_size(runs, runs[:1], [])
    assert (found["most_steps"], found["fewest_steps"]) == (48_000, 47)
    assert (found["longest_wait"], found["shortest_wait"]) == (144_000, 141)
    assert (found["timed"], found["timed_on"]) == (1, "none")
    assert np.isnan(found["spread"])


def test_the_spread_of_step_losses_is_that_of_the_last_epoch(made_up_run):
    run = made_up_run(Config(batch_size=24_000), epochs=2)
    stored = np.array([9.0, 9.0, 1.0, 3.0], np.float16)
    recorded = replace(run, step_losses=pack(stored))
    found = facts.batch_size(Runs([run]), [run], [recorded])
    assert found["all_steps"] == 4
    assert found["spread"] == pytest.approx(1.0)
    assert found["spread_of_mean"] == pytest.approx(0.5**0.5)


def test_a_bump_is_an_epoch_before_the_best_without_a_lower_loss(made_up_run):
    run = made_up_run(Config(), epochs=4)
    falling = replace(run, history=run.history | {"validation_loss": [4, 3, 2, 5]}, best_epoch=3)
    assert not bumped(falling)
    assert bumped(replace(falling, history=run.history | {"validation_loss": [3, 4, 2, 5]}))


def test_claims_are_listed_with_their_number():
    assert listed(["L1", "W4"]) == "2 (L1, W4)"
    assert listed([]) == "none"


def test_the_two_classes_that_are_mixed_up_most_are_found():
    counts = np.diag([10.0] * 10)
    counts[6, 2], counts[2, 6], counts[9, 7] = 3, 2, 5
    found = mixed_up(counts, ["Pullover", "Shirt"])
    assert found["pair"] in ("Pullover and Shirt", "Sneaker and Ankle boot")
    assert (found["mistakes"], found["pair_share"], found["upper"]) == (10, 50, 50)


def test_twins_with_different_labels_are_counted():
    pairs = pd.DataFrame(
        {"first": [5, 5, 8], "distance": [0.01, 0.02, 0.05], "test label": [1, 1, 0],
         "training label": [1, 1, 6]}
    )  # fmt: skip
    found = facts.twins([], pairs, pairs[:0], 0.05)
    assert (found["copies"], found["pairs"], found["test_twins"]) == ("none", 3, 2)
    assert (found["differ"], found["affected"]) == (1, 0.02)
    assert found["trousers"] == pytest.approx(200 / 3)
    table = facts.near_twins(pairs, 0.05)
    assert list(table["pairs"]) == [1, 2, 2, 2, 3]
    assert list(table["pairs with different labels"]) == [0, 0, 0, 0, 1]


def test_a_split_has_a_mean_and_a_variance_by_chance(fashion):
    counts = facts.validation_counts(fashion, range(3))
    found = facts.split(0, counts)
    assert list(counts.sum(axis=1)) == [12_000] * 3
    assert found["expected"] == pytest.approx(1200)
    assert found["split_sd"] == pytest.approx(29.4, abs=0.05)
    assert 2200 < found["shared"] < 2600  # a fifth of 12,000, by chance


def test_a_table_beside_the_report_needs_three_runs_for_an_interval():
    measured = {"test": pd.Series([0.88, 0.9]), "validation": pd.Series(dtype=float)}
    table = facts.beside_report(measured, {"test": [0.893], "validation": [0.9]})
    assert list(table["95 % of single runs"]) == ["–"]
    assert list(table["our mean"]) == ["89.00"]


def test_what_was_fixed_is_told_of_every_study():
    table = facts.fixed()
    assert table.loc["width", "seeds"] == "0 to 9"
    rates = table["learning rate, precision"]
    assert rates["width_retuned"] == "chosen by width_tuning, bfloat16"
    assert rates["loss_tuning"] == "all of 13, 1e-5 to 1e-2, float32"
    assert rates["precision_2x512"] == "2.05e-4, both"


def test_tuning_names_every_width_and_depth():
    assert list(facts.tuning().index[:2]) == ["width 128", "width 512"]
    assert len(facts.tuning()) == 10


def test_glue_takes_plain_values_only(monkeypatch):
    taken = {}
    put = lambda name, value, display: taken.update({name: value})  # noqa: E731
    monkeypatch.setattr("myst_nb.glue", put)
    facts.glue({"a": np.float64(1.5), "b": "text", "c": np.int64(2)})
    assert taken == {"a": 1.5, "b": "text", "c": 2}
    assert [type(value) for value in taken.values()] == [float, str, int]


# --- What pages name


def named(page: str) -> set[str]:
    """Return the names of the facts that a page's text uses."""
    if page == "intro":
        text = (BOOK / "intro.md").read_text()
    else:
        notebook = nbformat.read(BOOK / f"{page}.ipynb", as_version=nbformat.NO_CONVERT)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return {name.split(":")[0] for name in re.findall(r"\{glue:text\}`([^`]+)`", text)}


@pytest.mark.parametrize("page", [page for page in PAGES if named(page)])
def test_every_fact_that_a_page_names_exists(page, runs, made_up_run, fashion):
    if page == "best_model":
        known = facts.best_model([], pictures.Predictions.of([], fashion.test_labels))
    elif page == "data":
        seen = pd.DataFrame(columns=["first", "test label", "training label"])
        votes = torch.zeros((data.VALIDATION_SIZE, 2), dtype=torch.long)
        known = facts.pixels(fashion) | facts.overlap(fashion, 0, votes)
        known |= facts.split(0, facts.validation_counts(fashion, [0]))
        known |= facts.twins([], seen, seen, 0.05)
    elif page == "method":
        pair = [
            made_up_run(
                Config(learning_rate=rate, seed=seed), accuracy=0.5 + 1000 * rate * seed / 9
            )
            for rate in RATES
            for seed in (0, 1)
        ]
        known = facts.method(runs, Runs(pair).table())
    else:
        arguments = {
            "loss": lambda: (runs, runs), "learning_rate": lambda: (runs, []),
            "batch_size": lambda: (runs, [], []), "speed": lambda: (speed.read(),),
            "gpu": lambda: (speed.read(speed.ON_GPU),),
            "findings": lambda: (verdicts.judge(),),
        }  # fmt: skip
        names = {"intro": ["findings"], "claims": ["findings"], "speed": ["speed", "gpu"]}
        known = {}
        for name in names.get(page, [page]):
            known |= getattr(facts, name)(*arguments.get(name, lambda: (runs,))())
    assert named(page) <= known.keys()


def test_precision_is_judged_by_two_one_sided_tests_of_paired_seeds(made_up_run, home, published):
    compared = [study for name, study in STUDIES.items() if name.startswith("precision_")]
    for study in compared:
        for config in study.configs():
            shift = 0.001 * (config.precision == "bfloat16") * (-1) ** config.seed
            records.save(made_up_run(config, accuracy=0.88 + 0.001 * config.seed + shift))
    found = facts.precision().loc["2 × 512"]
    assert (found["seeds"], found["mean"]) == (10, pytest.approx(0))
    differences = np.array([0.1, -0.1] * 5)
    assert found["differences"] == pytest.approx(list(differences))
    assert found["high"] == pytest.approx(stats.t.ppf(0.95, 9) * stats.sem(differences))
    expected = stats.ttest_1samp(differences, -0.3, alternative="greater").pvalue
    assert found["p"] == pytest.approx(len(compared) * expected)  # Holm: all alike


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
