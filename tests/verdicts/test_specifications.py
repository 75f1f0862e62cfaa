"""fmnist_lab.verdicts.specifications, and the command that judges under each specification."""

import itertools
import json

import pytest
from matplotlib import pyplot as plt

from benchmarks import specifications as measured
from fmnist_lab import pictures, verdicts
from fmnist_lab.runs.records import read_published
from fmnist_lab.verdicts.claims import Box, fragile
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.rules import Name
from fmnist_lab.verdicts.specifications import DEPARTURES, TABLE, Curve, curves

CURVES = curves()
KNOWN = {each for several in DEPARTURES.values() for each in several}


@pytest.fixture(scope="module")
def runs():
    return [*read_published().values()]


def made(*departures):
    return frozenset(departures)


# --- The table that is published


def test_the_books_own_specification_gives_the_verdicts_shown(found):
    shown = {
        (name, how): answer.name
        for name, item in found.items()
        for how, answer in item.answers.items()
        if how in measured.HOW and answer.name != "not run yet"
    }
    assert {key: curve.names[made()] for key, curve in CURVES.items()} == shown


def test_every_combination_of_the_choices_that_bear_on_a_verdict_is_there_once(runs):
    for (name, how), curve in CURVES.items():
        if CLAIMS[name].chapter not in ("loss", "claims", "best_model"):  # the others take longer
            continue
        crossed = {each for each in curve.names if "runner-up rate" not in each}
        assert crossed == {*measured.specifications(measured.differing(CLAIMS[name], how, runs))}
        assert (made("runner-up rate") in curve.names) == (
            how == "as claimed" and CLAIMS[name].retuned
        )
        assert frozenset().union(*curve.names) <= KNOWN


def test_the_table_is_what_its_command_measures(runs):
    claims = [claim for claim in CLAIMS.values() if claim.chapter == "loss"]
    some = [
        (how, departures)
        for how in measured.HOW
        for departures in CURVES["L1", how].names
        if len(departures) == 1
    ]
    for how, departures in some:
        judged = measured.judge(claims, how, departures, runs)
        assert judged == {c.id: CURVES[c.id, how].names[departures] for c in claims}


def test_the_file_reads_as_what_it_says():
    stored = json.loads(TABLE.read_text())
    assert list(stored) == [
        f"{name} {how}"
        for name, how in itertools.product(CLAIMS, measured.HOW)
        if (name, how) in CURVES
    ]
    assert stored["C4 as run"]["other reading"] == "not supported"


# --- What a specification changes


def test_a_run_read_at_its_last_epoch_has_chosen_its_rate_at_the_best(runs):
    books, last = (measured.Departing(runs, "as claimed", m) for m in (made(), made("last epoch")))
    arms = CLAIMS["L1"].parts[0].arms
    assert [last.chosen(arm) for arm in arms] == [books.chosen(arm) for arm in arms]
    for arm in arms:
        for seed, run in last.of(arm).items():
            assert run.best == run.last == books.of(arm)[seed].last


def test_the_runner_up_is_the_second_best_rate_of_the_tuning_seeds(runs):
    evidence = measured.Departing(runs, "as claimed", made("runner-up rate"))
    arm = CLAIMS["L1"].parts[0].arms[0]
    means = verdicts_means(runs)
    best, second = sorted(means, key=means.get, reverse=True)[:2]
    assert measured.Departing(runs, "as claimed", made()).chosen(arm) == best
    taken = evidence.of(arm)
    assert {run.config.learning_rate for run in taken.values()} == {second}
    assert list(taken) == [100, 101, 102]


def verdicts_means(runs):
    """Return the mean validation accuracy of cross-entropy at each rate tried, over its seeds."""
    reached: dict[float, list[float]] = {}
    for run in runs:
        config = run.config
        small = (config.depth, config.width, config.batch_size) == (1, 128, 256)
        if config.seed in (100, 101, 102) and config.loss == "cross_entropy" and small:
            reached.setdefault(config.learning_rate, []).append(run.best["validation_accuracy"])
    return {rate: sum(values) / 3 for rate, values in reached.items() if len(values) == 3}


@pytest.mark.parametrize(("departure", "factor"), [("margin 0.2", 1.5), ("margin 0.5", 0.6)])
def test_another_margin_is_another_unit_and_moves_no_printed_figure(runs, departure, factor):
    arms, (printed, *_) = CLAIMS["L1"].parts[0].arms, CLAIMS["M1"].parts
    books, other = (measured.Departing(runs, "as run", m) for m in (made(), made(departure)))
    measure = CLAIMS["L1"].parts[0].measure
    assert other.values(measure, arms).to_numpy() == pytest.approx(
        factor * books.values(measure, arms).to_numpy()
    )
    assert other.values(printed.measure, printed.arms).equals(
        books.values(printed.measure, printed.arms)
    )


# --- A curve


def test_the_share_counts_words_and_not_sizes():
    curve = Curve(
        {
            made(): "supported",
            made("margin 0.5"): "supported but size open",
            made("last epoch"): "inconclusive",
            made("last epoch", "margin 0.5"): "supported",
        }
    )
    assert curve.share == 0.75
    assert curve.fragile
    assert curve.hinge == "last epoch"
    assert curve.told.startswith("3 of 4 specifications agree")


def test_four_in_five_are_not_fragile():
    names: dict[frozenset[str], Name] = {made(f"{n}"): "inconclusive" for n in range(4)}
    names[made()] = "inconclusive"
    assert not Curve(names).fragile
    assert not Curve(names | {made("0"): "supported"}).fragile
    assert Curve(names | {made("0"): "supported", made("1"): "not supported"}).fragile


# --- Where it is shown


def test_a_fragile_verdict_says_so_and_what_it_hangs_on(found):
    box = repr(Box(found["C4"]))
    assert box.startswith("\u2714\ufe0e supported, fragile \u2013 claim C4")
    assert "Fragile as run: 12 of 24 specifications agree" in box
    assert "other reading" in box
    assert "ragile" not in repr(Box(found["B1"]))


def test_a_verdict_on_other_runs_is_not_called_fragile(made_up_run, found):
    assert fragile(found["D1"], "as run")
    other = verdicts.judge("depth", [])["D1"]
    assert fragile(other, "as run") is None


def test_the_picture_has_a_row_a_verdict_and_says_what_fragile_ones_hang_on():
    ax = pictures.specifications()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [" ".join(key) for key in CURVES]
    hinges = [curve.hinge for curve in CURVES.values() if curve.fragile]
    assert [text.get_text() for text in ax.texts] == hinges
    assert hinges
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert max(ends) == pytest.approx(1)
    plt.close("all")
