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


def written(run: Run) -> str:
    """Return a run as a record says it."""
    return canonical(run.to_dict())


def read(text: str) -> Run:
    return Run.from_dict(json.loads(text))


@pytest.fixture
def run(made_up_run):
    return made_up_run(Config(width=8, seed=3))


# --- Stored and read again


@settings(max_examples=60)
@given(runs)
def test_storing_and_reading_a_run_loses_nothing(run):
    again = read(written(run))
    assert again == run
    assert type(again.config) is Config
    assert written(again) == written(run)
    assert again.id == run.id


@settings(max_examples=20)
@given(runs)
def test_a_stored_run_is_one_line_of_strict_json(run):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = written(run)
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
    with pytest.raises(ValueError, match="not an array of at most 20,000 numbers"):
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
    text = written(run).replace('"schema":1', '"schema":2')
    with pytest.raises(
        ValueError, match=f"^run {run.id} has schema 2; this version reads {SCHEMA}.$"
    ):
        read(text)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [('"seed":3', '"seed":4'), ('"width":8', '"width":9'), ('"data":"6', '"data":"7')],
)
def test_a_run_whose_content_was_changed_is_refused(run, was, becomes):
    assert was in written(run)
    with pytest.raises(
        ValueError, match=f"^run {run.id} does not fit its content, which hashes to [0-9a-f]{{16}}"
    ):
        read(written(run).replace(was, becomes))


def test_a_run_under_anothers_name_is_refused(run):
    with pytest.raises(ValueError, match=f"its content, which hashes to {run.id}.$"):
        read(written(run).replace(run.id, "0" * 16))


@pytest.mark.parametrize("text", ["3", '"run"', "null", "[]", "{}", '{"schema":1}', '[{"id":1}]'])
def test_json_that_is_no_run_is_refused_as_such(text):
    with pytest.raises(ValueError, match=r"^it is not a record of a run$"):
        read(text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"width": -5}, "width is -5; it must be a whole number from 1 to 16,384."),
        ({"wdth": 5}, "there is no parameter 'wdth': did you mean 'width'?"),
    ],
)
def test_a_stored_config_is_checked_like_any_other(run, change, sentence):
    stored = json.loads(written(run))
    stored["config"] |= change
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        read(canonical(stored))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("best", "validation_accuracy"), 1.0000000000000002, "it must be a fraction."),
        (("best", "validation_accuracy"), -5e-324, "it must be a fraction."),
        (("history", "train_accuracy"), [1.0000000000000002, 0], "it must be a fraction."),
        (("last", "test_loss"), -5e-324, "last test_loss is -5e-324; it must be a number of at"),
        (("last", "test_loss"), "<b>", "last test_loss is '<b>'; it must be a number of "),
        (("best", "luck"), 1, "best must have exactly the entries train_loss, "),
        (("best",), [], "best must have exactly the entries train_loss, "),
        (("history",), {}, "its history must have exactly the lists train_loss, "),
        (("history", "seconds"), [1.0], "its history's lists differ in length"),
        (("history", "seconds"), [1.0, True], "history of seconds is True; it must be a number of"),
        (("best_epoch",), 3, "best_epoch is 3; it must be from 0 to 2"),
        (("best_epoch",), -1, "best_epoch is -1; it must be from 0 to 2"),
        (("best_epoch",), 1.0, "best_epoch is 1.0; it must be from 0 to 2"),
        (("stopped_by",), "me", "stopped_by is 'me'; allowed are patience, epochs, divergence"),
        (("environment", "device"), "x" * 195, "its environment holds more than numbers and lines"),
        (("environment", "device"), {}, "its environment holds more than numbers and lines of"),
        (("environment", "device"), True, "its environment holds more than numbers and lines of"),
        (("environment", "torch"), "\x1b[31m", "its environment holds more than numbers and lines"),
        (("predictions",), 3, "one of predictions, step_losses, weights is not text"),
        (("extra",), 3, "must have exactly the fields config, data, history, stopped_by, "),
        (("id",), "\x1b[31m", "it is not a record of a run"),
        (("config",), [], "it is not a record of a run"),
    ],
)  # fmt: skip
def test_what_no_training_leaves_behind_is_refused(run, path, value, sentence):
    stored = json.loads(written(run))
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read(canonical(stored))


@pytest.mark.parametrize("field", ["data", "history", "best", "environment"])
def test_a_run_that_lacks_what_every_run_has_is_refused(run, field):
    stored = run.to_dict()
    del stored[field]
    with pytest.raises(
        ValueError, match=f"^run {run.id} must have exactly the fields config, data, "
    ):
        Run.from_dict(stored)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((("best", "validation_accuracy"), end) for end in (0, 1, None)),
        *((("last", "test_loss"), end) for end in (0, 1.7976931348623157e308, None)),
        *((("history", "train_accuracy"), ends) for ends in ([0, 1], [None, 1.0])),
        *((("best_epoch",), end) for end in (0, 2)),
        (("environment", "device"), "x" * 194),  # a line of 200 with its name
        (("environment", "device"), None),
    ],
)
def test_the_ends_of_what_a_training_leaves_behind_are_taken(run, path, value):
    stored = json.loads(written(run))
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert json.loads(written(Run.from_dict(stored))) == stored


@pytest.mark.parametrize("ending", ["epochs", "patience"])
def test_a_schedule_that_was_broken_off_is_no_run(made_up_run, ending):
    config = Config(epochs=3, schedule="cosine")
    whole = made_up_run(config, epochs=3)
    assert Run.from_dict(whole.to_dict()) == whole
    diverged = replace(made_up_run(config, epochs=2), stopped_by="divergence")
    assert Run.from_dict(diverged.to_dict()) == diverged
    broken = replace(made_up_run(config, epochs=2), stopped_by=ending)
    with pytest.raises(ValueError, match=r"its schedule was broken off: it has 2 epochs of 3\.$"):
        Run.from_dict(broken.to_dict())


def test_a_history_has_as_many_epochs_as_its_config_allows_and_no_more(made_up_run):
    full = made_up_run(Config(epochs=2), epochs=2)
    assert Run.from_dict(full.to_dict()) == full
    longer = made_up_run(Config(epochs=2), epochs=3)
    with pytest.raises(ValueError, match=r"lists differ in length, or have more than 2 numbers\.$"):
        Run.from_dict(longer.to_dict())


@pytest.mark.parametrize(
    ("part", "ask", "most"),
    [
        ("predictions", Run.test_predictions, np.zeros(20_000, np.uint8)),
        ("step_losses", Run.losses_by_step, np.zeros(2 * 188, np.float16)),  # of 48,000 at 256
        ("weights", Run.best_weights, np.zeros(9, np.float32)),
    ],
)
def test_a_bulky_part_has_as_many_numbers_as_it_may_and_no_more(run, part, ask, most, monkeypatch):
    monkeypatch.setattr("fmnist_lab.runs.run.MOST_PARAMETERS", 9)
    ask(replace(run, **{part: pack(most)}))
    with pytest.raises(ValueError, match=f"not an array of at most {len(most):,} numbers$"):
        ask(replace(run, **{part: pack(np.resize(most, len(most) + 1))}))


def test_runs_agree_if_they_say_the_same_of_one_training(run):
    slower = replace(
        run, history=run.history | {"seconds": [9.0, 9.0]}, environment={"device": "x"}
    )
    assert run.agrees(slower)
    assert run.agrees(replace(run, step_losses="AAAA"))
    assert not run.agrees(replace(run, best_epoch=1))
    assert not run.agrees(replace(run, best=run.best | {"test_accuracy": 0.51}))


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (Run.test_predictions, "predictions"),
        (Run.losses_by_step, "step losses"),
        (Run.best_weights, "weights"),
    ],
)
def test_asking_for_a_part_that_was_not_kept_is_answered_in_a_sentence(run, ask, what):
    with pytest.raises(ValueError, match=f"^run {run.id} was stored without its {what}.$"):
        ask(run)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_never_written(run, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        written(replace(run, best={"test_loss": value}))


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
