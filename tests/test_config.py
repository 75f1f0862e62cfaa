"""fmnist_lab.config: what a hyperparameter may be, and what names a run."""

from dataclasses import asdict, dataclass, fields, make_dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab import config
from fmnist_lab.config import (
    BOUNDS,
    IDLE,
    LOSS_NAMES,
    NAMED,
    OPTIMIZERS,
    PRECISIONS,
    STREAM_SEEDS,
    Bounds,
    Config,
    ConfigError,
    names,
)
from fmnist_lab.data import STREAMS
from fmnist_lab.runs.run import identify
from fmnist_lab.sources import DIGEST

RULES = {
    "depth": "it must be a whole number from 0 to 16.",
    "width": "it must be a whole number from 1 to 16,384.",
    "batch_size": "it must be a whole number from 1 to 48,000.",
    "learning_rate": "it must be a number from 1e-09 to 1.0.",
    "epochs": "it must be a whole number from 1 to 10,000.",
    "patience": "it must be a whole number from 1 to 10,000.",
    "seed": "it must be a whole number from 0 to 4,294,967,295.",
    "train_size": "it must be a whole number from 1 to 48,000.",
    "weights_seed": "it must be a whole number from 0 to 4,294,967,295.",
    "order_seed": "it must be a whole number from 0 to 4,294,967,295.",
    "momentum": "it must be a number from 0 to 0.999.",
    "weight_decay": "it must be a number from 0 to 1.0.",
    "dropout": "it must be a number from 0 to 0.95.",
    "input_dropout": "it must be a number from 0 to 0.95.",
    "label_smoothing": "it must be a number from 0 to 0.9.",
    "average": "it must be a number from 0 to 0.99999.",
}
LOSSES = "cross_entropy, mse, mae, mse_probabilities, mae_probabilities"
WHOLE = [name for name, bounds in BOUNDS.items() if bounds.kind is int]

configs = st.builds(
    Config,
    loss=st.sampled_from(LOSS_NAMES),
    precision=st.sampled_from(PRECISIONS),
    optimizer=st.sampled_from(OPTIMIZERS),
    batch_norm=st.sampled_from(NAMED["batch_norm"]),
    schedule=st.sampled_from(NAMED["schedule"]),
    augment=st.sampled_from(NAMED["augment"]),
    **{
        name: st.integers(int(b.low), int(b.high)) if b.kind is int else st.floats(b.low, b.high)
        for name, b in BOUNDS.items()
    },
)


def fault(**values) -> str:
    with pytest.raises(ConfigError) as caught:
        Config(**values)
    return str(caught.value)


# --- What is refused


def test_every_numeric_field_has_bounds_and_its_default_lies_within():
    assert list(BOUNDS) == [field.name for field in fields(Config) if field.name not in NAMED]
    assert list(RULES) == list(BOUNDS)
    assert Config() == Config.from_dict({})


# Settings with which a hyperparameter plays a part that it does not play with the defaults.
BESIDE: dict[str, dict[str, Any]] = {"momentum": {"optimizer": "sgd"}}


@pytest.mark.parametrize("name", BOUNDS)
def test_both_ends_of_a_range_are_allowed(name):
    bounds = BOUNDS[name]
    for end in (bounds.low, bounds.high):
        assert getattr(Config.from_dict(BESIDE.get(name, {}) | {name: end}), name) == end


@pytest.mark.parametrize("name", IDLE)
def test_what_plays_no_part_changes_no_run(name):
    other, beside, idle = IDLE[name]
    for value in beside:
        ends = NAMED[name] if name in NAMED else (BOUNDS[name].low, BOUNDS[name].high)
        for end in ends:
            resting = Config.from_dict({other: value, name: end})
            assert getattr(resting, name) == idle
            assert resting == Config.from_dict({other: value})


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize(
    "value",
    [
        *(-1, -5.0, float("nan"), float("inf"), float("-inf"), 10**90),
        *("128", "abc", "1e-3x", "", True, False, np.True_, 1j, [128], {}),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_what_is_no_number_or_out_of_range_is_refused_in_one_sentence(name, value):
    assert fault(**{name: value}) == f"{name} is {value!r}; {RULES[name]}"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 10**6, f"'{'x' * 99}…"),
        ("x" * 98, f"'{'x' * 98}'"),  # 100 characters with the quotes
        ("x" * 99, f"'{'x' * 99}…"),
        (10**5000, "something of type int"),  # Python writes no more than 4,300 digits
        (Broken(), "something of type Broken"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
        (np.array(["mse", "mae"]), "array(['mse', 'mae'], dtype='<U3')"),
        (pd.NA, "<NA>"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("name", ["width", "loss"])
def test_whatever_is_given_is_shown_in_one_short_line(name, value, shown):
    assert fault(**{name: value}).startswith(f"{name} is {shown}; ")


@pytest.mark.parametrize("name", BOUNDS)
def test_the_first_value_beyond_each_end_is_refused(name):
    bounds = BOUNDS[name]
    if bounds.kind is int:
        below, above = int(bounds.low) - 1, int(bounds.high) + 1
    else:
        below, above = np.nextafter([bounds.low, bounds.high], [-1, 2]).tolist()
    for value in (below, above):
        assert fault(**{name: value}) == f"{name} is {value!r}; {RULES[name]}"


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [1.5, Fraction(3, 2)])
def test_a_fraction_is_refused_where_a_whole_number_is_wanted(name, value):
    assert fault(**{name: value}) == f"{name} is {value!r}; {RULES[name]}"


@pytest.mark.parametrize("value", ["hinge", "Cross_Entropy", "", None, 0, ["mse"]])
def test_an_unknown_loss_is_refused_with_those_allowed(value):
    assert fault(loss=value) == f"loss is {value!r}; allowed are {LOSSES}."


def test_several_faults_are_named_at_once_one_a_line():
    with pytest.raises(ConfigError) as caught:
        Config.from_dict({"width": -5, "wdth": 1024, "loss": "hinge", "depth": 2, "epochs": 0})
    assert str(caught.value).splitlines() == [
        f"width is -5; {RULES['width']}",
        "there is no parameter 'wdth': did you mean 'width'?",
        f"loss is 'hinge'; allowed are {LOSSES}.",
        f"epochs is 0; {RULES['epochs']}",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wdth", "did you mean 'width'?"),
        ("learningrate", "did you mean 'learning_rate'?"),
        ("batchsize", "did you mean 'batch_size'?"),
        ("Width", "did you mean 'width'?"),
        ("regularizer", f"choose from {', '.join(names())}."),
    ],
)
def test_an_unknown_name_is_answered_with_the_one_that_may_be_meant(name, hint):
    with pytest.raises(ConfigError) as caught:
        Config.from_dict({name: 1})
    assert str(caught.value) == f"there is no parameter {name!r}: {hint}"


@pytest.mark.parametrize("name", [name for name in RULES if name not in STREAM_SEEDS])
def test_what_is_not_given_at_all_is_refused_too(name):
    assert fault(**{name: None}) == f"{name} is None; {RULES[name]}"


# --- What is made of it


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [2.0, np.float32(2), np.int64(2), np.uint8(2), Fraction(2)])
def test_a_whole_number_of_any_type_becomes_an_int(name, value):
    kept = getattr(Config(**{name: value}), name)
    assert (kept, type(kept)) == (2, int)


@pytest.mark.parametrize("value", [1, np.float32(0.5), Fraction(1, 2)])
def test_a_learning_rate_of_any_type_becomes_a_float(value):
    kept = Config(learning_rate=value).learning_rate
    assert (kept, type(kept)) == (float(value), float)


@pytest.mark.parametrize("depth", [0, 0.0])
@pytest.mark.parametrize("width", [0, 1, 128, 4192])
def test_softmax_regression_has_no_width(depth, width):
    regression = Config(depth=depth, width=width)
    assert regression.width == 0
    assert regression == Config(depth=0)
    assert regression.identity() == {"depth": 0, "width": 0}


def test_an_impossible_width_is_refused_even_where_it_plays_no_part():
    rule = "it must be a whole number from 0 to 16,384."
    assert fault(depth=0, width=-5) == f"width is -5; {rule}"
    assert fault(depth=0, width="abc") == f"width is 'abc'; {rule}"
    assert fault(depth=0, width=False) == f"width is False; {rule}"
    assert fault(depth=0, width=-1) == f"width is -1; {rule}"
    assert fault(depth=0, width=16_385) == f"width is 16385; {rule}"
    assert Config(depth=0, width=16_384) == Config(depth=0)


def test_softmax_regression_given_layers_again_wants_a_width():
    message = f"width is 0; {RULES['width']}"
    with pytest.raises(ConfigError, match=message):
        replace(Config(depth=0), depth=1)
    assert replace(Config(depth=0), depth=1, width=16) == Config(width=16)


@pytest.mark.parametrize(("size", "steps"), [(4, 3), (5, 2), (10, 1), (11, 1)])
def test_the_last_batch_of_an_epoch_may_be_smaller(size, steps):
    assert Config(train_size=10, batch_size=size).steps_an_epoch == steps


@given(configs, st.randoms())
def test_a_config_survives_as_a_mapping_in_any_order(config, random):
    items = list(asdict(config).items())
    random.shuffle(items)
    assert Config.from_dict(dict(items)) == config


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        Config().width = 2  # type: ignore[misc]


# --- What names a run


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("5", 5), ("-5", -5), ("1e3", 1000.0), ("2.05e-5", 2.05e-5), ("mse", "mse"), ("", "")),
        *((5, 5), (1.0, 1.0), (True, True), (None, None)),
        (["64", "1e-3", "x", 8], [64, 1e-3, "x", 8]),
        *(("(512, 1024)", [512, 1024]), ("(512,)", [512]), ("[64, 1e-3 ]", [64, 1e-3])),
        *(("[]", []), ("()", []), ("(", "("), ("[1)", "[1)"), ("('mse',)", "('mse',)")),
        *(("[1, [2]]", "[1, [2]]"), ("1, 2", "1, 2"), ("[" * 5000 + "]" * 5000,) * 2),
    ],
)
def test_a_text_that_says_a_number_or_a_list_of_them_is_read_as_one(text, value):
    assert repr(config.number(text)) == repr(value)


# A default that changes, a field that is renamed or a number written in another way would orphan
# every published run: these are the names they were stored under.
GOLDEN = {
    "67332afba78965bc": Config(),
    "3d841dba3562ee00": Config(seed=9),
    "b10635f523afd687": Config(loss="mse"),
    "0b234c2376239c3c": Config(loss="mae_probabilities", seed=2),
    "afcb4f3565847142": Config(batch_size=16),
    "1d0bc9b42f46a449": Config(learning_rate=2.05e-6),
    "6df7b7099d480a73": Config(depth=0, batch_size=512, learning_rate=2.05e-5),
    "c267d6d91406ee88": Config(depth=2, width=4192, batch_size=512, learning_rate=2.05e-5),
    "925d647deee2e854": Config(epochs=3, patience=2, train_size=500),
}


@pytest.mark.parametrize(("identity", "config"), GOLDEN.items())
def test_identities_are_what_they_have_always_been(identity, config):
    assert identify(config, DIGEST) == identity


def test_the_defaults_are_what_they_have_always_been():
    assert asdict(Config()) == {
        "loss": "cross_entropy",
        "depth": 1,
        "width": 128,
        "batch_size": 256,
        "learning_rate": 2.05e-4,
        "epochs": 100,
        "patience": 5,
        "seed": 0,
        "train_size": 48_000,
        "precision": "float32",
        "weights_seed": None,
        "order_seed": None,
        "optimizer": "adam",
        "momentum": 0.9,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "input_dropout": 0.0,
        "batch_norm": "off",
        "label_smoothing": 0.0,
        "average": 0.0,
        "schedule": "constant",
        "augment": "none",
    }


@given(configs, configs)
def test_configs_share_an_identity_exactly_if_they_are_equal(one, other):
    assert (identify(one, DIGEST) == identify(other, DIGEST)) == (one == other)


@given(configs)
def test_the_identity_says_all_about_a_config(config):
    assert Config(**config.identity()) == config


def test_other_data_give_another_identity():
    assert identify(Config(), DIGEST) != identify(Config(), DIGEST[::-1])


@given(configs)
def test_the_identity_does_not_depend_on_the_order_of_the_fields(config):
    reverse = [(f.name, f.type, f.default) for f in reversed(fields(Config))]
    methods = {"identity": Config.identity}
    reordered = make_dataclass("Reordered", reverse, frozen=True, namespace=methods)
    twin = reordered(**asdict(config))
    assert [f.name for f in fields(twin)] != [f.name for f in fields(config)]
    assert identify(twin, DIGEST) == identify(config, DIGEST)


def test_a_field_added_with_a_default_leaves_every_identity(monkeypatch):
    monkeypatch.setitem(BOUNDS, "later", Bounds(float, 0.0, 1.0))

    @dataclass(frozen=True)
    class Later(Config):
        later: float = 0.0

    monkeypatch.setattr(config, "names", lambda: tuple(f.name for f in fields(Later)))
    for earlier in (Config(), Config(depth=0), Config(loss="mae", width=64, seed=3)):
        later = Later(**asdict(earlier))
        assert identify(later, DIGEST) == identify(earlier, DIGEST)
        used = replace(later, later=0.5)
        assert identify(used, DIGEST) != identify(earlier, DIGEST)


# --- The streams of a seed


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ({}, (3, 3, 3, 3, 3)),
        ({"weights_seed": 7}, (3, 7, 3, 3, 3)),
        ({"order_seed": 0}, (3, 3, 0, 3, 3)),
        ({"weights_seed": 7, "order_seed": 8}, (3, 7, 8, 3, 3)),
    ],
)
def test_a_stream_has_the_runs_seed_unless_it_has_one_of_its_own(given, seeds):
    config = Config(seed=3, **given)
    assert tuple(config.stream_seed(stream) for stream in STREAMS) == seeds
    assert config.identity() == {"seed": 3, **given}
