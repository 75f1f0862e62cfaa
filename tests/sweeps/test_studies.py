"""fmnist_lab.sweeps.studies: which runs a question needs, and what a reader may ask instead."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.config import TECHNIQUES, Config, ConfigError, names
from fmnist_lab.runs import records
from fmnist_lab.runs.run import identify
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sources import DIGEST
from fmnist_lab.sweeps import studies
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.study import CONFIRMING_SEEDS, Study
from fmnist_lab.sweeps.tuning import MORE_TUNING_SEEDS, TUNING_RATES, TUNING_SEEDS, Tuning

WIDTH = STUDIES["width"]
each_study = pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
plain = [s for s in STUDIES.values() if s.tuned_by is None and s.settings() == s.product]
each_plain_study = pytest.mark.parametrize("study", plain, ids=lambda study: study.name)


def swept(study: Study) -> list[Any]:
    return [getattr(setting, study.swept) for setting in study.settings()]


def faults(study: Study, **given) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        study.vary(**given)
    return str(caught.value).splitlines()


# --- The report's questions


def test_the_width_study_is_the_reports():
    assert [
        (c.loss, c.depth, c.width, c.batch_size, c.learning_rate, c.epochs, c.patience)
        for c in WIDTH.settings()
    ] == [
        ("cross_entropy", 2, width, 512, 2.05e-5, 100, 5) for width in (128, 512, 1024, 2096, 4192)
    ]
    assert WIDTH.seeds == tuple(range(10))


@each_study
def test_a_study_is_found_by_its_name_and_says_what_it_asks(study):
    assert studies.study(study.name) is study
    assert study.question.endswith("?")
    assert study.report
    assert study.swept in study.grid
    names = list(STUDIES)
    for other in (study.tuned_by, getattr(study, "first_guess", None)):  # trained before
        assert other is None or names.index(other.name) < names.index(study.name)


@each_plain_study
def test_a_study_has_every_setting_at_every_seed_once(study):
    configs = study.configs()
    settings = 1
    for values in study.grid.values():
        settings *= len(values)
    assert len(study.settings()) == settings
    assert len(configs) == sum(len(study.at_seeds(setting)) for setting in study.settings())
    assert len({identify(config, DIGEST) for config in configs}) == len(configs)
    assert swept(study.vary()) == swept(study)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("widht", "there is no study 'widht': did you mean 'width'?"),
        ("xyz", f"there is no study 'xyz': choose from {', '.join(STUDIES)}."),
    ],
)
def test_an_unknown_study_is_answered_with_those_there_are(name, sentence):
    with pytest.raises(ConfigError) as caught:
        studies.study(name)
    assert str(caught.value) == sentence


def test_seeds_that_choose_a_learning_rate_confirm_nothing():
    assert not {*TUNING_SEEDS, *MORE_TUNING_SEEDS} & set(CONFIRMING_SEEDS)


def test_the_tuning_rates_are_a_quarter_of_a_decade_apart():
    assert TUNING_RATES[0] == 1e-5
    assert TUNING_RATES[-1] == 1e-2
    for low, high in itertools.pairwise(TUNING_RATES):
        assert high / low == pytest.approx(10**0.25, rel=0.01)


@pytest.mark.parametrize("name", ["depth", "width", "best_model", "loss", "batch_size"])
def test_every_setting_has_ten_seeds(name):
    for setting in STUDIES[name].settings():
        assert [config.seed for config in STUDIES[name].at_seeds(setting)] == list(range(10))


def test_a_reader_who_names_a_number_of_seeds_gets_it():
    study = WIDTH.vary(width=4192, seeds=7)
    assert [config.seed for config in study.configs()] == list(range(7))
    assert len(WIDTH.vary(width=4192).configs()) == 10


def test_the_studies_of_precision_differ_in_nothing_else():
    for name, batch_size in (("1x128", 256), ("2x512", 512), ("2x1024", 512)):
        one, other = STUDIES[f"precision_{name}"].settings()
        assert replace(one, precision="bfloat16") == other
        assert (f"{one.depth}x{one.width}", one.batch_size) == (name, batch_size)
        assert one.learning_rate == 2.05e-4


@pytest.mark.parametrize(
    ("name", "study"),
    [("softmax", "depth_retuned"), ("2x128", "width_retuned"), ("2x1024", "plain_1024_retuned")],
)
def test_precision_is_studied_at_rates_that_runs_in_bfloat16_got(name, study):
    one, other = STUDIES[f"precision_{name}_own"].settings()
    assert replace(one, precision="bfloat16") == other
    assert other in STUDIES[study].settings()


@pytest.mark.parametrize("name", studies.TECHNIQUES)
def test_a_technique_is_tried_on_2_by_1024_and_changes_nothing_else(name):
    tuning, tuned = STUDIES[f"{name}_1024_tuning"], STUDIES[f"{name}_1024_retuned"]
    assert tuned.tuned_by is tuning
    assert tuned.best_alone
    assert (len(tuning.seeds), len(tuned.seeds)) == (3, 10)
    plain = Config(depth=2, width=1024, batch_size=256, precision="bfloat16")
    techniques = {*TECHNIQUES, "epochs", "patience", "learning_rate", "seed"}
    for setting in tuning.product:
        changed = {n for n in names() if getattr(setting, n) != getattr(plain, n)}
        assert changed <= techniques


@pytest.mark.parametrize("name", studies.F1)
def test_what_f1_is_about_is_tuned_and_confirmed_on_the_reports_best_network(name):
    tuning, tuned = STUDIES[f"{name}_4192_tuning"], STUDIES[f"{name}_4192_retuned"]
    assert isinstance(tuning, Tuning)
    plain = STUDIES["width_retuned"].base
    assert (tuning.base.width, tuning.base.batch_size) == (plain.width, plain.batch_size)
    assert tuning.base.precision == plain.precision == "bfloat16"
    assert tuning.grid == STUDIES[f"{name}_1024_tuning"].grid
    assert tuning.first_guess is STUDIES[f"{name}_1024_tuning"]
    assert tuned.best_alone


def test_of_a_studys_strengths_the_one_that_tuning_seeds_choose_is_confirmed(made_up_run):
    """Dropout of 0.2 is best, whatever the rate, and 1e-3 the best rate of all."""
    bracketing = STUDIES["dropout_4192_tuning"]
    assert isinstance(bracketing, Tuning)
    tuning = replace(bracketing, bracketed=False)
    tuned = replace(STUDIES["dropout_4192_retuned"], tuned_by=tuning)

    def accuracy(config):
        return 0.9 - abs(config.dropout - 0.2) / 10 - abs(math.log10(config.learning_rate / 1e-3))

    runs = [made_up_run(config, accuracy=max(0, accuracy(config))) for config in tuning.configs()]
    assert tuning.best(runs) == 0.2
    confirmed = tuned.configs(runs)
    assert {(c.dropout, c.learning_rate) for c in confirmed} == {(0.2, 1e-3)}
    assert [config.seed for config in confirmed] == list(range(10))
    lacking = [run for run in runs if run.config.dropout != 0.5]
    assert tuning.best(lacking) is None
    assert tuned.configs(lacking) == []


# --- What a reader may ask instead


@pytest.mark.parametrize(
    ("given", "widths"),
    [
        ({"width": 100}, [100]),
        ({"width": [64, 100]}, [64, 100]),
        ({"width": (100, 64)}, [100, 64]),
        ({"width": [64, 64.0]}, [64]),
        ({"width": 1e3}, [1000]),
        ({}, [128, 512, 1024, 2096, 4192]),
    ],
)
def test_the_swept_hyperparameter_takes_one_value_or_several(given, widths):
    assert swept(WIDTH.vary(**given)) == widths


def test_any_other_hyperparameter_takes_one_value_for_all_settings():
    study = WIDTH.vary(width=[64, 100], seeds=2, epochs=3, loss="mse", batch_size=[32])
    assert study.configs() == [
        replace(WIDTH.base, width=width, seed=seed, epochs=3, loss="mse", batch_size=32)
        for width in (64, 100)
        for seed in (0, 1)
    ]
    assert WIDTH.base.epochs == 100
    assert WIDTH.grid == {"width": (128, 512, 1024, 2096, 4192)}


@pytest.mark.parametrize("seeds", [1, 3, 12, 1000, 2.0])
def test_seeds_are_counted_from_the_studys_first_and_beyond_its_last(seeds):
    assert WIDTH.vary(seeds=seeds).seeds == tuple(range(int(seeds)))
    tuning = STUDIES["width_tuning"].vary(seeds=seeds)
    assert tuning.seeds == tuple(range(100, 100 + int(seeds)))


def test_without_layers_all_widths_are_one_setting():
    study = WIDTH.vary(depth=0, seeds=2)
    assert study.configs() == [replace(WIDTH.base, depth=0, seed=seed) for seed in (0, 1)]


RULE = "it must be a whole number from 1 to 1,000, or a list of seeds."
HINGE = (
    "loss is 'hinge'; allowed are cross_entropy, mse, mae, mse_probabilities, mae_probabilities."
)
KNOWN = (
    *("loss", "depth", "width", "batch_size"),
    *("learning_rate", "epochs", "patience", "train_size", "precision", *TECHNIQUES),
)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"width": -5}, "width is -5; it must be a whole number from 1 to 16,384."),
        ({"width": "abc"}, "width is 'abc'; it must be a whole number from 1 to 16,384."),
        ({"width": "[8,16]"}, "width is '[8,16]'; it must be a whole number from 1 to 16,384."),
        ({"wdth": 1024}, "there is no parameter 'wdth': did you mean 'width'?"),
        ({"loss": "hinge"}, HINGE),
        (
            {"learning_rate": "1e-3x"},
            "learning_rate is '1e-3x'; it must be a number from 1e-09 to 1.0.",
        ),
        ({"width": []}, "width is []; give one value, a list of at least one."),
        ({"depth": [1, 2]}, "depth is [1, 2]; give one value, no list."),
        ({"depth": []}, "depth is []; give one value, no list."),
        *(({"seeds": n}, f"seeds is {n!r}; {RULE}") for n in (0, -1, 1001, 2.5, True, "3", None)),
        *(({"seeds": n}, f"seeds is {n!r}; {RULE}") for n in ([], [-1], [0, 2.5], [True], ["3"])),
        ({"seed": 3}, f"there is no parameter 'seed': choose from {', '.join(KNOWN)}."),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(given, sentence):
    assert faults(WIDTH, **given) == [sentence]


def test_all_faults_are_named_at_once():
    given = {"seeds": 0, "width": [64, -5, "abc"], "wdth": 8, "depth": [1, 2], "loss": "hinge"}
    assert faults(WIDTH, **given) == [
        f"seeds is 0; {RULE}",
        "width is -5; it must be a whole number from 1 to 16,384.",
        "width is 'abc'; it must be a whole number from 1 to 16,384.",
        "there is no parameter 'wdth': did you mean 'width'?",
        "depth is [1, 2]; give one value, no list.",
        HINGE,
    ]


@given(
    st.lists(st.integers(1, 16_384), min_size=1, max_size=4),
    st.integers(1, 20),
    st.integers(0, 16),
    st.floats(1e-9, 1.0),
)
def test_whatever_is_allowed_gives_each_setting_once_a_seed(widths, seeds, depth, rate):
    study = WIDTH.vary(width=widths, seeds=seeds, depth=depth, learning_rate=rate)
    expected = dict.fromkeys(
        replace(WIDTH.base, width=width, depth=depth, learning_rate=rate, seed=seed)
        for width in widths
        for seed in range(seeds)
    )
    assert study.configs() == list(expected)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_seeds_may_be_named(seeds):
    assert WIDTH.vary(seeds=seeds).seeds == tuple(dict.fromkeys(seeds))


def test_a_tuned_study_takes_other_seeds_and_no_other_setting():
    tuned = STUDIES["width_retuned"]
    assert tuned.vary(seeds=3).seeds == (0, 1, 2)
    chosen = "width_retuned trains each setting at the learning rate that width_tuning chose for it"
    for changes in ({"width": 128}, {"learning_rate": 1e-3}, {"epochs": 2}):
        assert faults(tuned, **changes) == [f"{chosen}; only its seeds can be changed."]


def test_a_swept_hyperparameter_takes_a_thousand_values_and_no_more():
    widths = list(range(1, 1001))
    assert len(WIDTH.vary(width=widths).values) == 1000
    many = "width has 1,001 values; give at most 1000."
    assert faults(WIDTH, width=[*widths, 1001]) == [many]


# --- What is on record


@pytest.mark.usefixtures("home", "published")
class TestRecorded:
    study = WIDTH.vary(width=[8, 16], epochs=2, seeds=10)

    def save(self, made_up_run, width, seeds, **fields):
        for seed in seeds:
            config = replace(self.study.base, width=width, seed=seed)
            records.save(made_up_run(config, **fields))

    @pytest.mark.parametrize("fresh", [0, 3])
    def test_a_setting_has_the_seeds_on_record_or_fresh_ones(self, made_up_run, fresh):
        self.save(made_up_run, 8, (0, 4, 5, 9, 10))
        assert [(c.width, c.seed) for c in self.study.at_hand(fresh)] == [
            *((8, seed) for seed in (0, 4, 5, 9)),
            *((16, seed) for seed in range(fresh)),
        ]

    def test_runs_that_lack_a_part_the_study_shows_do_not_count(self, made_up_run):
        self.save(made_up_run, 8, range(5))
        self.save(made_up_run, 8, (1, 3), predictions="AAAA")
        study = replace(self.study, keep=frozenset({"predictions"}))
        assert [c.seed for c in study.at_hand() if c.width == 8] == [1, 3]
        assert [run.config.seed for run in study.recorded()] == [1, 3]

    def test_the_runs_of_a_study_are_trained_and_read_as_a_table(self, trained):
        study = self.study.vary(width=8, depth=1, seeds=1, epochs=1, train_size=200)
        runs = study.runs(progress=False)
        assert [run.config for run in runs] == trained == study.configs()
        assert study.recorded() == runs
        assert runs.table()["width"].tolist() == [8]
        assert isinstance(runs[:1] + runs, Runs)
        assert repr(runs) == "<1 run: see table()>"
