"""What the page on speed says is what the results file says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.config import ConfigError
from fmnist_lab.facts import benchmark
from fmnist_lab.pictures.speed import number
from tests.pictures.measured import OURS, PRODUCTS, SLOW, one, results


def row(frame, trainer):
    return frame.set_index("trainer").loc[trainer]


# --- The table


def test_a_time_is_the_median_of_its_repeats_between_fastest_and_slowest():
    ours = row(benchmark.medians(results(ours=OURS)), "ours")
    assert (ours["fastest"], ours["seconds"], ours["slowest"]) == (1.0, 2.0, 9.0)


def test_a_ratio_is_of_medians_and_ours_is_1():
    frame = benchmark.medians(results(ours=OURS, slow=SLOW, products=PRODUCTS))
    assert dict(zip(frame["trainer"], frame["ratio"], strict=True)) == {
        "ours": 1.0,
        "slow": 4.0,
        "products": 0.5,
    }
    assert benchmark.ratio(frame, "small", "slow") == 4.0
    assert benchmark.ratio(frame, "small", "ours", to="products") == 2.0


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5), st.floats(1e-2, 1e2))
def test_a_machine_that_is_slower_by_a_factor_leaves_every_ratio(seconds, factor):
    def ratios(scale):
        parts = {"ours": [2.0 * scale], "other": [t * scale for t in seconds]}
        made = {name: one(name, times) for name, times in parts.items()}
        return list(benchmark.medians(results(**made))["ratio"])

    assert ratios(factor) == pytest.approx(ratios(1.0))


@pytest.mark.parametrize(("column", "value"), [("share", 0.25), ("peak_mb", 3.0), ("floor", False)])
def test_the_table_says_what_else_was_measured(column, value):
    assert row(benchmark.medians(results(ours=OURS, slow=SLOW)), "slow")[column] == value


def test_without_ours_there_are_times_and_no_ratios():
    frame = benchmark.medians(results(slow=SLOW))
    assert row(frame, "slow")["seconds"] == 8.0
    assert math.isnan(row(frame, "slow")["ratio"])


@pytest.mark.parametrize(("workload", "trainer"), [("small", "absent"), ("absent", "slow")])
def test_the_ratio_of_what_was_not_measured_is_not_a_number(workload, trainer):
    frame = benchmark.medians(results(ours=OURS, slow=SLOW))
    assert math.isnan(benchmark.ratio(frame, workload, trainer))


@pytest.mark.parametrize("text", ['{"schema": 0}', "[]", "damaged {"])
def test_a_file_that_holds_no_such_results_is_refused_in_a_sentence(text, tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        benchmark.read(str(path))
    assert str(caught.value) == f"{path} has no results of schema 1: run `python -m benchmarks`."


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^\S+none.json cannot be read: No such file"):
        benchmark.read(tmp_path / "none.json")


# --- The summary


def test_the_summary_goes_from_fast_to_slow_with_the_floors_last():
    shown = benchmark.times(benchmark.medians(results(slow=SLOW, products=PRODUCTS, ours=OURS)))
    assert list(shown.index) == ["fmnist-lab", "slow", "matrix products alone"]
    assert list(shown.columns) == ["1 × 8, batch 4"]


def test_a_cell_has_seconds_and_ratio_and_a_star_where_a_share_was_scaled():
    shown = benchmark.times(benchmark.medians(results(ours=OURS, slow=SLOW)))
    assert list(shown["1 × 8, batch 4"]) == ["2.0 (1.0×)", "8.0* (4.0×)"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.012345, "0.012"),
        (0.996, "1.0"),
        (4.56, "4.6"),
        (9.96, "10"),
        (1234.5, "1,234"),
        (math.nan, "–"),
    ],
)
def test_numbers_have_two_digits_or_are_whole(value, shown):
    assert number(value) == shown


def test_every_trainer_is_described_once():
    measured = results(ours=OURS, slow=SLOW, products=PRODUCTS)
    measured["workloads"]["again"] = measured["workloads"]["small"]
    assert list(benchmark.peers(benchmark.medians(measured))["how it trains"]) == [
        "what fmnist-lab is",
        "what slow is",
        "what matrix products alone is",
    ]


def test_a_gain_says_how_many_times_as_fast_a_step_makes_the_loop():
    loops = {"tutorial": one("a", [8.0]), "tensors": one("b", [4.0])}
    measured = results(**loops, ours=OURS, products=PRODUCTS)
    gained = benchmark.gains(benchmark.medians(measured))["1 × 8, batch 4"]
    assert list(gained) == ["2.0", "–", "–", "2.0"]


# --- The file that ships with the package


@pytest.fixture(scope="module")
def shipped():
    return benchmark.read()


def test_the_shipped_results_name_machine_and_versions(shipped):
    assert shipped["machine"]["cores"] >= 1
    assert {"processor", "memory_gib", "system"} <= set(shipped["machine"])
    assert {"python", "torch", "fmnist-lab"} <= set(shipped["versions"])


def test_the_shipped_results_have_ours_and_both_floors_for_every_workload(shipped):
    for measured in shipped["workloads"].values():
        assert {"ours", "products", "adam"} <= set(measured["trainers"])


def test_the_shipped_results_have_what_else_the_page_tells(shipped):
    assert {"import_seconds", "read_published_seconds", "stack_bytes_a_parameter", "sweep"} <= set(
        shipped["costs"]
    )


def test_every_shipped_time_is_there_as_often_as_it_was_repeated(shipped):
    for measured in shipped["workloads"].values():
        for trainer in measured["trainers"].values():
            assert len(trainer["seconds"]) == shipped["repeats"]
            assert min(trainer["seconds"]) > 0
