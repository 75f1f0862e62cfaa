"""Figures that tutorials print, judged as what they are."""

import re
from pathlib import Path

import numpy as np
import pytest

from fmnist_lab.runs.recipes import RECIPES, Trial
from fmnist_lab.verdicts import figures
from fmnist_lab.verdicts.figures import Figure, judge_figures
from fmnist_lab.verdicts.statistics import further_run, prediction_interval

ROOT = Path(__file__).parents[2]
JUDGED = judge_figures()


def trial(*accuracies: float) -> Trial:
    return Trial("tensorflow", 0, {}, "", {"test_accuracy": [*accuracies]}, 1.0, {})


@pytest.fixture
def two(monkeypatch):
    """Two trials of three epochs."""
    found = [trial(0.80, 0.86, 0.84), trial(0.81, 0.83, 0.85)]
    monkeypatch.setattr(figures, "trials", lambda recipe: found)


@pytest.mark.parametrize(
    ("epoch", "runs"), [(1, [0.80, 0.81]), (3, [0.84, 0.85]), (0, [0.86, 0.85])]
)
def test_a_figure_is_held_against_the_same_epoch_or_against_the_best(two, epoch, runs):
    assert Figure("a page", "key2020", "85", "tensorflow", epoch=epoch).runs() == runs


def test_a_source_that_lists_its_runs_is_held_against_those(two):
    assert Figure("a page", "key2020", "85", own=[0.7, 0.8]).runs() == [0.7, 0.8]


@pytest.mark.parametrize("figure", JUDGED, ids=lambda figure: figure.source)
def test_every_figure_names_a_reference_and_a_recipe(figure):
    listed = re.findall(r"^@\w+\{(\w+),$", (ROOT / "book" / "references.bib").read_text(), re.M)
    assert figure.cite in listed
    assert figure.own or figure.cite in RECIPES[figure.recipe]["cite"]
    assert 0 < float(figure.printed) < 100


@pytest.mark.parametrize(
    "figure", [f for f in JUDGED if f.copies], ids=lambda figure: figure.source
)
def test_the_figure_of_copies_is_their_mean(figure):
    assert 100 * np.mean(figure.copies) == pytest.approx(float(figure.printed), abs=0.005)


def test_one_figure_more_makes_none_look_odder():
    """What is judged together is corrected together: another row can only raise a p-value."""
    corrected = {f.source: v.p for f, v in JUDGED.items() if v.n}
    for figure, verdict in JUDGED.items():
        if verdict.n:
            half = 0.005 / 10 ** len(figure.printed.partition(".")[2])
            of = max(1, len(figure.copies))
            alone = further_run(float(figure.printed) / 100, figure.runs(), half, of)
            assert corrected[figure.source] >= alone.p


def test_the_mean_of_many_runs_falls_as_narrowly_as_the_mean_is_known():
    values = np.random.default_rng(0).normal(0.88, 0.003, 30)
    one, many = prediction_interval(values), prediction_interval(values, mean_of=10**9)
    mean_of_10 = prediction_interval(values, mean_of=10)
    half = [(span.high - span.low) / 2 for span in (one, mean_of_10, many)]
    assert half == sorted(half, reverse=True)
    t = 2.0452296  # of 29 degrees of freedom, 97.5 %
    sd = values.std(ddof=1)
    assert half == pytest.approx([t * sd * (1 / m + 1 / 30) ** 0.5 for m in (1, 10, 10**9)])


def test_a_mean_of_copies_is_judged_by_the_narrower_interval():
    values = np.random.default_rng(0).normal(0.88, 0.003, 30)
    figure = float(values.mean() + 1.5 * values.std(ddof=1))
    assert further_run(figure, values).p > 0.05 > further_run(figure, values, mean_of=13).p


def test_figures_without_trials_wait(monkeypatch):
    monkeypatch.setattr(figures, "trials", lambda recipe: [])
    verdicts = {f.source: v.name for f, v in judge_figures().items() if not f.own}
    assert set(verdicts.values()) == {"not run yet"}
