"""fmnist_lab.chapter: a notebook's parameters are read, checked and answered with runs."""

import io
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab import chapter
from fmnist_lab.__main__ import main
from fmnist_lab.chapter import Chapter, ParameterError
from fmnist_lab.config import ConfigError, names
from fmnist_lab.runs import records
from fmnist_lab.sweeps.cluster import ClusterError
from fmnist_lab.sweeps.studies import STUDIES
from tests.width_chapter import (
    BOUNDED,
    RULES,
    WIDTH,
    parameters,
    publish_settings,
)

HINGE = (
    "loss is 'hinge'; allowed are cross_entropy, mse, mae, mse_probabilities, mae_probabilities."
)


def faults(**given) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        Chapter("width", parameters(**given))
    return str(caught.value).splitlines()


pytestmark = pytest.mark.usefixtures("home", "published", "no_gpu")


# --- What cannot be used


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"width": -5}, f"width is -5; {RULES['width']}"),
        ({"width": "abc"}, f"width is 'abc'; {RULES['width']}"),
        ({"width": [64, 0]}, f"width is 0; {RULES['width']}"),
        ({"width": []}, "width is []; give one value, a list of at least one."),
        ({"loss": "hinge"}, HINGE),
        ({"seeds": 0}, f"seeds is 0; {RULES['seeds']}"),
        ({"seeds": "all"}, f"seeds is 'all'; {RULES['seeds']}"),
        ({"seeds": 2.5}, f"seeds is 2.5; {RULES['seeds']}"),
        (
            {"learning_rate": "1e-3x"},
            "learning_rate is '1e-3x'; it must be a number from 1e-09 to 1.0.",
        ),
        ({"depth": [1, 2]}, "depth is [1, 2]; give one value, no list."),
        ({"device": "gpu"}, f"device is 'gpu'; {RULES['device']}"),
        ({"device": "cuda"}, f"device is 'cuda'; {RULES['device']}"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_in_one_sentence(given, sentence):
    assert faults(**given) == [sentence]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=8),
    st.floats(),
    st.integers(),
    st.binary(max_size=3),
    st.lists(st.floats(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from(
        ["1e-3x", "0x10", "\N{DIGIT FIVE}\N{COMBINING ENCLOSING KEYCAP}", "١٢", "-", "="]
    ),
    st.sampled_from([10**5000, -(10**5000), 1e308, 5e-324, 1j, object(), int, {1}, ...]),
    st.sampled_from([np.array([64, 128]), np.array(["mse"]), np.float64("nan"), pd.NA, pd.NaT]),
    st.sampled_from(["x" * 10**5, ["x"] * 10**4, "\x1b[31m", "9" * 5000]),
)


UNTUNED = sorted(name for name, study in STUDIES.items() if study.tuned_by is None)


@pytest.mark.endurance("A bad parameter is answered in a sentence that names it")
def test_whatever_a_parameter_is_it_is_taken_or_named_in_a_sentence(trial, monkeypatch):
    monkeypatch.setattr("fmnist_lab.chapter.sweep", None)  # nothing is trained
    tried = Counter[str]()

    @settings(max_examples=trial.times(100, 20_000), database=None)
    @given(st.sampled_from(sorted(STUDIES)), st.sampled_from(chapter.PARAMETERS), JUNK)
    def tries(name, parameter, value):
        try:
            Chapter(name, {parameter: value})
        except ConfigError as fault:
            for sentence in str(fault).splitlines():  # one per value of a list
                tuned = f"{name} trains each setting at the learning rate that "  # not varied
                assert sentence.startswith((f"{parameter} is ", f"{parameter} has ", tuned))
                assert sentence.isprintable()
                assert sentence.endswith(".")
                assert len(sentence) < 1_000
            tried["refused"] += 1
        else:
            tried["taken"] += 1

    tries()
    trial.found(f"chapters: {tried['refused']:,} refused in a sentence, {tried['taken']:,} taken")


@pytest.mark.endurance("A bad parameter is answered in a sentence that names it")
def test_whatever_the_command_line_is_given_it_is_taken_or_named_in_a_sentence(trial):
    tried = Counter[int]()

    @settings(max_examples=trial.times(100, 5_000), database=None)
    @given(st.sampled_from(UNTUNED), st.sampled_from(names()), st.text(max_size=8))
    def tries(name, parameter, value):
        if parameter == "seed":
            parameter = "seeds"
        flag = f"--{parameter.replace('_', '-')}={value}"
        said = io.StringIO()
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            code = main(["run", name, flag, "--list"])
        assert code in (0, 2)
        if code:
            (sentence,) = said.getvalue().splitlines()
            waits = f"{name} needs the runs of "  # to tune it: the value is taken
            assert sentence.startswith((f"{parameter} is ", waits))
            assert len(sentence) < 1_000
        tried[code] += 1

    tries()
    trial.found(f"command line: {tried[2]:,} refused in a sentence, {tried[0]:,} taken")


@pytest.mark.endurance("A bad parameter is answered in a sentence that names it")
def test_whatever_a_notebooks_own_number_is_it_is_taken_or_named_in_a_sentence(trial):
    tried = Counter[str]()

    @settings(max_examples=trial.times(50, 20_000), database=None)
    @given(st.sampled_from(sorted(BOUNDED)), JUNK)
    def tries(name, value):
        try:
            chapter.numbers({"images": 1, "rate": 1} | {name: value}, **BOUNDED)
            tried["taken"] += 1
        except ParameterError as fault:
            said = str(fault)
            assert said.startswith(f"{name} is ")
            assert said.endswith(f"; it must be {BOUNDED[name]}.")
            assert len(said) < 1_000
            tried["refused"] += 1

    tries()
    trial.found(f"numbers: {tried['refused']:,} refused in a sentence, {tried['taken']:,} taken")


def test_all_faults_are_named_at_once():
    assert faults(device="tpu", seeds=0, width=[-5, "abc"], epochs=0) == [
        f"device is 'tpu'; {RULES['device']}",
        f"seeds is 0; {RULES['seeds']}",
        f"width is -5; {RULES['width']}",
        f"width is 'abc'; {RULES['width']}",
        "epochs is 0; it must be a whole number from 1 to 10,000.",
    ]


@pytest.mark.parametrize("kind", [ParameterError, ClusterError])
def test_a_fault_is_shown_as_its_message_alone(kind):
    error = kind("one.\ntwo.")
    assert error._render_traceback_() == ["one.", "two."]
    assert isinstance(error, ConfigError)


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ConfigError, match="there is no study 'widht': did you mean 'width'"):
        Chapter("widht", {})


# --- Which runs


def test_with_its_defaults_a_chapter_shows_what_is_published_and_never_trains(
    published, made_up_run, trained
):
    assert Chapter("width", parameters()).runs() == []
    there = [{"width": 128, "seed": 0}, {"width": 128, "seed": 7}, {"width": 512, "seed": 1}]
    publish_settings(published, made_up_run, *there)
    shown = Chapter("width", parameters())
    assert [(run.config.width, run.config.seed) for run in shown.runs()] == [
        *((128, 0), (128, 7), (512, 1))
    ]
    assert shown.backdrop() == []
    assert trained == []


def test_the_parameters_cell_asks_for_what_the_study_is():
    assert Chapter("width", parameters()).study == WIDTH


def test_one_value_is_shown_before_the_rest_of_the_published_sweep(published, made_up_run, trained):
    publish_settings(published, made_up_run, *({"width": width} for width in (128, 512, 1024)))
    one = Chapter("width", parameters(width=512))
    assert [run.config.width for run in one.runs()] == [512]
    assert [run.config.width for run in one.backdrop()] == [128, 1024]
    assert trained == []


def test_there_is_no_backdrop_to_other_settings(published, made_up_run):
    publish_settings(published, made_up_run, {"width": 128}, {"width": 512})
    assert Chapter("width", parameters(width=512, epochs=3, seeds=1)).backdrop() == []


@pytest.mark.parametrize(
    ("given", "widths", "seeds"),
    [
        ({"width": 100}, [100], range(3)),
        ({"width": [64, 100]}, [64, 100], range(3)),
        ({"width": 100, "seeds": 2, "epochs": 3}, [100], range(2)),
        ({"width": 100, "seeds": 2.0}, [100], range(2)),
        ({"width": 1e2, "seeds": 12}, [100], range(12)),
    ],
)
def test_what_was_never_run_is_asked_for_with_three_seeds_or_as_many_as_wanted(
    given, widths, seeds
):
    asked = Chapter("width", parameters(**given)).configs
    assert [(c.width, c.seed) for c in asked] == [(w, s) for w in widths for s in seeds]
    assert {c.epochs for c in asked} == {given.get("epochs", 100)}
    assert {c.depth for c in asked} == {2}


def test_published_seeds_beside_new_ones_are_only_asked_for_where_they_lack(
    published, made_up_run, trained
):
    publish_settings(published, made_up_run, *({"width": 8, "seed": seed} for seed in (0, 1)))
    asked = Chapter("width", parameters(width=8, seeds=3))
    assert records.missing(asked.configs) == [replace(WIDTH.base, width=8, seed=2)]
    assert [run.config.seed for run in Chapter("width", parameters(width=8)).runs()] == [0, 1]
    assert trained == []


def test_a_chapter_trains_what_is_missing_once(trained, capsys):
    small = parameters(width=8, depth=1, train_size=200, epochs=1, seeds=1, device="cpu")
    runs = Chapter("width", small).runs()
    assert [run.config for run in runs] == trained
    assert capsys.readouterr().err.startswith("Training 1 run(s) on cpu: under 10 s.")
    assert Chapter("width", small).runs() == runs
    assert len(trained) == 1
    assert capsys.readouterr().err == ""
