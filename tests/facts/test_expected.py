"""Is my number normal? Where an accuracy falls among single runs of a setting."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab import pictures
from fmnist_lab.__main__ import main
from fmnist_lab.config import ConfigError
from fmnist_lab.facts.expected import IMAGES, Expected, everything, expected
from fmnist_lab.sweeps.studies import study
from fmnist_lab.verdicts.statistics import prediction_interval

REASONS = {"above": ["It is training.", "Other images."], "below": ["The rate."]}
RUNS = [0.87, 0.88, 0.885, 0.89]
ONE = Expected("a", "A setting", "test", RUNS, 0.86, 0.90, REASONS)


INSIDE = "yours is inside, an ordinary run."
ABOVE = "yours is above. (1) It is training. (2) Other images."


@pytest.mark.parametrize(
    ("accuracy", "shown", "lower", "verdict"),
    [
        (88, "88.00", 1, INSIDE),  # as high as a run is not higher
        (0.882, "88.20", 2, INSIDE),
        (90, "90.00", 4, INSIDE),  # the ends belong to it
        (91.5, "91.50", 4, ABOVE),
        (1, "100.00", 4, ABOVE),
        (10, "10.00", 0, "yours is below. (1) The rate."),
    ],
)
def test_a_number_is_placed_among_the_runs_and_explained_where_it_is_outside(
    accuracy, shown, lower, verdict
):
    span = "95 % of single runs fall from 86.00 to 90.00 %"
    assert ONE.place(accuracy) == f"{shown} % is higher than {lower} of 4 runs. {span}: {verdict}"


@pytest.mark.parametrize(
    "bad", [-1, 100.5, 1e9, float("nan"), float("inf"), "88 %", None, True, []]
)
def test_what_is_no_accuracy_is_refused_in_one_sentence(bad):
    with pytest.raises(ConfigError, match=re.escape("it must be a number from 0 to 100.")) as fault:
        ONE.place(bad)
    assert str(fault.value).startswith("accuracy is ")
    assert "\n" not in str(fault.value)


@given(st.floats(1.001, 100))
def test_a_fraction_is_the_same_as_its_per_cent(accuracy):
    assert ONE.place(accuracy / 100) == ONE.place(accuracy)


@pytest.mark.parametrize(
    ("name", "images"), [("tensorflw", "test"), ("tensorflow", "validation"), ("width", "test")]
)
def test_a_setting_without_runs_is_refused_in_one_sentence(name, images):
    with pytest.raises(ConfigError) as fault:
        expected(name, images)
    assert str(fault.value) == (
        f"there are no runs of '{name}' on '{images}' images: `python -m fmnist_lab expect` lists "
        "what there is."
    )


def test_a_published_setting_is_placed_by_its_own_runs():
    name = "cross_entropy,1,128,256,2.05e-4,float32"
    recorded = study("loss").vary(loss="cross_entropy").recorded()
    runs = [run.best["test_accuracy"] or 0.0 for run in recorded]
    found = expected(name)
    assert found.runs == sorted(runs)
    span = prediction_interval(runs)
    assert (found.low, found.high) == pytest.approx((span.low, span.high))
    assert found.title.endswith(pictures.label("float32"))


def test_every_setting_has_runs_an_interval_and_three_reasons_either_way():
    for one in everything():
        assert one.images in IMAGES
        assert len(one.runs) >= 10
        assert one.low < one.high
        assert one.runs == sorted(one.runs)
        assert [len(reasons) for reasons in one.reasons.values()] == [3, 3]
        assert "{" not in "".join(text for texts in one.reasons.values() for text in texts)


# The command line, which shows the same.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tensorflow", "88.32"], expected("tensorflow").place(88.32)),
        (["tensorflow", "0.91", "--images", "train"], expected("tensorflow", "train").place(0.91)),
        (["tensorflow"], f"tensorflow (test): {expected('tensorflow').range}"),
    ],
)
def test_the_command_says_where_a_number_falls(words, said, capsys):
    assert main(["expect", *words]) == 0
    assert capsys.readouterr().out == f"{said}\n"


def test_the_command_lists_every_setting(capsys):
    assert main(["expect"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(everything())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tensorflow", "many"], "accuracy is 'many'; it must be a number from 0 to 100."),
        (["tensorflow", "880"], "accuracy is 880; it must be a number from 0 to 100."),
        (["tensorflw", "88"], "there are no runs of 'tensorflw' on 'test' images: "),
        (["tensorflow", "88", "--images", "validation"], "there are no runs of 'tensorflow' on '"),
    ],
)
def test_the_command_answers_what_it_cannot_use_in_one_sentence(words, said, capsys):
    assert main(["expect", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(said)
