"""fmnist_lab.runs.run: a Run is stored and read again without loss."""

import json
import re
import tracemalloc
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fmnist_lab.config import BOUNDS, LOSS_NAMES, Config
from fmnist_lab.runs.run import HISTORY, SCHEMA, Run, canonical, pack, unpack

losses = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)
fractions = st.none() | st.floats(0, 1)
configs = st.builds(
    Config,
    loss=st.sampled_from(LOSS_NAMES),
    depth=st.integers(0, 16),
    learning_rate=st.floats(1e-9, 1.0),
    seed=st.integers(0, int(BOUNDS["seed"].high)),
)
metrics = st.fixed_dictionaries({"test_loss": losses, "test_accuracy": fractions})


def history(epochs):
    of = {name: fractions if name.endswith("accuracy") else losses for name in HISTORY}
    lists = {name: st.lists(kind, min_size=epochs, max_size=epochs) for name, kind in of.items()}
    return st.fixed_dictionaries(lists)


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=9)
runs = st.builds(
    Run,
    config=configs,
    data=st.from_regex("[0-9a-f]{16}", fullmatch=True),
    history=st.integers(0, 4).flatmap(history),
    stopped_by=st.sampled_from(["patience", "epochs", "divergence"]),
    best_epoch=st.just(0),
    best=metrics,
    last=metrics,
    environment=st.dictionaries(WORDS, st.none() | st.integers(-9, 9) | WORDS, max_size=9),
    predictions=st.none() | st.binary().map(lambda raw: pack(np.frombuffer(raw, np.uint8))),
    step_losses=st.none()
    | npst.arrays(np.float16, st.integers(0, 50)).map(pack),  # infinite and NaN ones too
)


@pytest.fixture
def run(made_up_run):
    return made_up_run(Config(width=8, seed=3))


# --- Stored and read again


@settings(max_examples=60)
@given(runs)
def test_storing_and_reading_a_run_loses_nothing(run):
    again = Run.from_json(run.to_json())
    assert again == run
    assert type(again.config) is Config
    assert again.to_json() == run.to_json()
    assert again.id == run.id


@settings(max_examples=20)
@given(runs)
def test_a_stored_run_is_one_line_of_strict_json(run):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = run.to_json()
    assert len(text.splitlines()) == 1
    assert text.isascii()
    stored = json.loads(text, parse_constant=refuse)
    config = {"config": run.config.identity()}
    assert stored == asdict(run) | config | {"schema": SCHEMA, "id": run.id}


@given(st.sampled_from(["uint8", "float16"]).flatmap(lambda d: npst.arrays(d, st.integers(0, 300))))
def test_packing_and_unpacking_keeps_every_bit(values):
    again = unpack(pack(values), values.dtype.type, values.size)
    assert again.dtype == values.dtype
    assert again.tobytes() == values.tobytes()


@pytest.mark.parametrize(
    "text", ["%", "AAAA", pack(np.zeros(9, np.uint8))[:-4], pack(np.zeros(10, np.uint8))]
)
def test_a_packed_part_that_is_damaged_or_too_long_is_refused(text):
    with pytest.raises(ValueError, match=r"^a packed part is "):
        unpack(text, np.uint8, 9)


def test_a_compressed_bomb_is_not_unpacked(run):
    bomb = pack(np.zeros(2**27, np.uint8))  # 128 MB in 130 kB
    tracemalloc.start()
    with pytest.raises(ValueError, match="no array of at most 20,000 numbers"):
        replace(run, predictions=bomb).test_predictions()
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_step_losses_are_read_as_they_were_kept(run):
    kept = np.array([2.3, 0.5, np.inf], np.float16)
    np.testing.assert_array_equal(replace(run, step_losses=pack(kept)).losses_by_step(), kept)


def test_predictions_are_classes_and_the_probability_of_each(run):
    stored = pack(np.array([9, 0, 3, 255, 0, 102], np.uint8))
    classes, probability = replace(run, predictions=stored).test_predictions()
    np.testing.assert_array_equal(classes, [9, 0, 3])
    np.testing.assert_allclose(probability, [1.0, 0.0, 0.4])


# --- What is refused


def test_a_run_of_another_schema_is_refused(run):
    text = run.to_json().replace('"schema":1', '"schema":2')
    with pytest.raises(
        ValueError, match=f"^run {run.id} has schema 2; this version reads {SCHEMA}.$"
    ):
        Run.from_json(text)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [('"seed":3', '"seed":4'), ('"width":8', '"width":9'), ('"data":"6', '"data":"7')],
)
def test_a_run_whose_content_was_changed_is_refused(run, was, becomes):
    assert was in run.to_json()
    with pytest.raises(
        ValueError, match=f"^run {run.id} says it is another: its content hashes to [0-9a-f]{{16}}"
    ):
        Run.from_json(run.to_json().replace(was, becomes))


def test_a_run_under_anothers_name_is_refused(run):
    with pytest.raises(ValueError, match=f"its content hashes to {run.id}.$"):
        Run.from_json(run.to_json().replace(run.id, "0" * 16))


@pytest.mark.parametrize("text", ["3", '"run"', "null", "[]", "{}", '{"schema":1}', '[{"id":1}]'])
def test_json_that_is_no_run_is_refused_as_such(text):
    with pytest.raises(ValueError, match=r"^it is no record of a run$"):
        Run.from_json(text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"width": -5}, "width is -5; it must be a whole number from 1 to 16,384."),
        ({"wdth": 5}, "there is no parameter 'wdth': did you mean 'width'?"),
    ],
)
def test_a_stored_config_is_checked_like_any_other(run, change, sentence):
    stored = json.loads(run.to_json())
    stored["config"] |= change
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Run.from_json(canonical(stored))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("best", "validation_accuracy"), 7.5, "best validation_accuracy is 7.5; it must be a "),
        (("last", "test_loss"), -1, "last test_loss is -1; it must be a number of at least 0"),
        (("last", "test_loss"), "<b>", "last test_loss is '<b>'; it must be a number of "),
        (("best", "luck"), 1, "best has other entries than train_loss, "),
        (("best",), [], "best has other entries than train_loss, "),
        (("history",), {}, "its history has other lists than train_loss, "),
        (("history", "seconds"), [1.0], "its history has not as many numbers of each"),
        (("history", "seconds"), [1.0, True], "history of seconds is True; it must be a number of"),
        (("best_epoch",), 3, "best_epoch is 3; it must be from 0 to 2"),
        (("stopped_by",), "me", "stopped_by is 'me'; allowed are patience, epochs, divergence"),
        (("environment", "device"), "x" * 300, "its environment holds more than numbers and lines"),
        (("environment", "device"), {}, "its environment holds more than numbers and lines of"),
        (("environment", "device"), True, "its environment holds more than numbers and lines of"),
        (("environment", "torch"), "\x1b[31m", "its environment holds more than numbers and lines"),
        (("predictions",), 3, "one of predictions, step_losses, weights is no text"),
        (("extra",), 3, "has fields that no run has: ['extra']"),
        (("id",), "\x1b[31m", "it is no record of a run"),
        (("config",), [], "it is no record of a run"),
    ],
)  # fmt: skip
def test_what_no_training_leaves_behind_is_refused(run, path, value, sentence):
    stored = json.loads(run.to_json())
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Run.from_json(canonical(stored))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[" * 100_000, "nested too deeply"), ('{"a":NaN}', "NaN is no number of JSON")],
)
def test_json_that_is_no_strict_json_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        Run.from_json(text)


def test_runs_agree_if_they_say_the_same_of_one_training(run):
    slower = replace(
        run, history=run.history | {"seconds": [9.0, 9.0]}, environment={"device": "x"}
    )
    assert run.agrees(slower)
    assert run.agrees(replace(run, step_losses="AAAA"))
    assert not run.agrees(replace(run, best_epoch=1))
    assert not run.agrees(replace(run, best=run.best | {"test_accuracy": 0.51}))


@pytest.mark.parametrize(
    ("read", "what"),
    [(Run.test_predictions, "test predictions"), (Run.losses_by_step, "step losses")],
)
def test_asking_for_a_part_that_was_not_kept_is_answered_in_a_sentence(run, read, what):
    with pytest.raises(ValueError, match=f"^run {run.id} was stored without its {what}.$"):
        read(run)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_never_written(run, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(run, best={"test_loss": value}).to_json()


# --- What it says of itself


def test_epochs_and_seconds_are_those_of_the_history(run):
    history = {name: [0.5, 0.25, None] for name in HISTORY}
    timed = replace(run, history=history)
    assert (timed.epochs, timed.seconds) == (3, 0.75)


def test_a_run_keeps_and_holds_the_parts_asked_for(run):
    full = replace(run, predictions=pack(np.zeros(4, np.uint8)), step_losses=pack(np.zeros(2)))
    nothing, predictions = frozenset[str](), frozenset({"predictions"})
    both = predictions | {"step_losses"}
    assert full.keeping(both) == full
    assert full.keeping(nothing) == run
    assert full.keeping(predictions) == replace(full, step_losses=None)
    assert [full.holds(parts) for parts in (nothing, predictions, both)] == [True, True, True]
    some = full.keeping(predictions)
    assert [some.holds(parts) for parts in (nothing, predictions, both)] == [True, True, False]


def test_a_run_without_a_best_epoch_could_have_no_predictions_and_is_not_missed_for_them(run):
    diverged = replace(run, stopped_by="divergence", best_epoch=0)
    assert diverged.holds(frozenset({"predictions"}))
    assert not diverged.holds(frozenset({"predictions", "step_losses"}))


def test_equal_values_have_one_text():
    assert canonical({"b": [1, None], "a": 0.5}) == '{"a":0.5,"b":[1,null]}'


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("AMD EPYC, 1 thread(s)", "AMD EPYC, 1 thread"),
        ("AMD EPYC, 2 thread(s)", "AMD EPYC, 2 threads"),
        ("Xeon, 11 thread(s)", "Xeon, 11 threads"),
        ("NVIDIA H200", "NVIDIA H200"),
        (None, None),
    ],
)
def test_the_device_is_shown_in_plain_words(made_up_run, recorded, shown):
    assert made_up_run(Config(), environment={"device": recorded}).device == shown
