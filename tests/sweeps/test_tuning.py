"""fmnist_lab.sweeps.tuning: each setting gets its best rate, which a bracket finds with less."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.config import Config
from fmnist_lab.facts import tuning
from fmnist_lab.runs import records
from fmnist_lab.runs.run import identify
from fmnist_lab.sources import DIGEST
from fmnist_lab.sweeps import study as study_module
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.study import Study
from fmnist_lab.sweeps.tuning import (
    TUNING_RATES,
    Bracket,
    Tuning,
    bracket,
)
from fmnist_lab.verdicts import evidence
from tests.conftest import make_up_run

TUNINGS = [study for study in STUDIES.values() if isinstance(study, Tuning)]

# Accuracies with one hump: strictly rising to the best, strictly falling after it.
humps = st.integers(0, len(TUNING_RATES) - 1).flatmap(
    lambda best: st.lists(
        st.floats(0.01, 0.05), min_size=len(TUNING_RATES), max_size=len(TUNING_RATES)
    ).map(lambda steps: [-sum(steps[min(n, best) : max(n, best)]) for n in range(len(steps))])
)


def search(accuracy: dict[float, float], guess: float | None) -> tuple[Bracket, list[float]]:
    """Run what a bracket asks for until it chooses; return it and the rates in their order."""
    known: dict[float, float] = {}
    while (found := bracket(known, TUNING_RATES, guess)).chosen is None:
        lacking = [rate for rate in found.rates if rate not in known]
        assert lacking, "it waits for what is there"
        known |= {rate: accuracy[rate] for rate in lacking}
    return found, list(known)


@given(humps, st.floats(1e-7, 1.0))
def test_a_bracket_finds_the_best_of_the_grid_wherever_it_starts(values, guess):
    accuracy = dict(zip(TUNING_RATES, values, strict=True))
    found, run = search(accuracy, guess)
    assert found.chosen == max(accuracy, key=accuracy.__getitem__)
    assert len(run) == len(set(run))
    assert sorted(run) == list(found.rates)
    whole, run = search(accuracy, None)
    assert whole == Bracket(TUNING_RATES, found.chosen)
    assert run == list(TUNING_RATES)


@given(humps, st.sampled_from(TUNING_RATES))
def test_beside_the_best_stands_a_worse_rate_or_the_grid_ends(values, guess):
    accuracy = dict(zip(TUNING_RATES, values, strict=True))
    found, _ = search(accuracy, guess)
    for end, here in ((0, found.rates[0]), (-1, found.rates[-1])):
        assert found.chosen != here or here == TUNING_RATES[end]


@given(humps, st.sampled_from(TUNING_RATES), st.sets(st.sampled_from(TUNING_RATES)))
def test_rates_on_record_outside_the_bracket_change_nothing(values, guess, others):
    accuracy = dict(zip(TUNING_RATES, values, strict=True))
    found, run = search(accuracy, guess)
    known = {rate: accuracy[rate] for rate in {*run, *others}}
    assert bracket(known, TUNING_RATES, guess) == found


@pytest.mark.parametrize(
    ("accuracies", "rates", "chosen"),
    [
        ({}, (2, 3, 4), None),
        ({2: 0.5, 3: 0.6}, (2, 3, 4), None),
        ({2: 0.5, 3: 0.6, 4: 0.5}, (2, 3, 4), 3),
        ({2: 0.7, 3: 0.6, 4: 0.5}, (1, 2, 3, 4), None),
        ({1: 0.8, 2: 0.7, 3: 0.6, 4: 0.5}, (1, 2, 3, 4), 1),  # the grid ends
        ({2: 0.5, 3: 0.6, 4: 0.6}, (2, 3, 4, 5), None),  # an equal one is not worse
        ({2: 0.5, 3: 0.6, 4: 0.6, 5: 0.1}, (2, 3, 4, 5), 3),  # the lowest of equals
        ({2: 0.5, 3: 0.6, 4: 0.7, 5: 0.8}, (2, 3, 4, 5), 5),
    ],
)
def test_a_bracket_grows_by_one_rate_at_a_time(accuracies, rates, chosen):
    assert bracket(accuracies, (1, 2, 3, 4, 5), 3) == Bracket(rates, chosen)


def test_why_rates_were_left_out_is_said():
    assert Bracket((1, 2)).reason((1, 2, 3)) == "not chosen yet"
    assert Bracket((1, 2, 3), 2).reason((1, 2, 3)) == "every rate was run"
    assert "either side" in Bracket((1, 2, 3), 2).reason((1, 2, 3, 4))
    assert "an end of the grid" in Bracket((1, 2), 1).reason((1, 2, 3))


@pytest.mark.endurance("What selects does not see the test images")
@pytest.mark.parametrize("tuning", TUNINGS, ids=lambda tuning: tuning.name)
def test_a_rate_is_chosen_without_the_test_images(tuning, trial):
    """Whatever the runs on record say about the test images, the choice is the same."""
    runs = list(records.find(tuning.configs()))
    chosen = tuning.chosen_rates(runs)
    tries = trial.times(1, 100)
    for attempt in range(tries):
        chance = random.Random(attempt)
        other = [
            replace(run, best=at_random(run.best, chance), last=at_random(run.last, chance))
            for run in runs
        ]
        assert tuning.chosen_rates(other) == chosen
        assert tuning.settings(other) == tuning.settings(runs)
    trial.found(f"{tuning.name}: {len(runs)} runs, {tries} times other test metrics: same choices")


@given(st.randoms(use_true_random=False))
def test_settings_of_equal_accuracies_have_equal_means_whatever_the_order(chance):
    """Else the best of equals would hang on the order in which files are read."""
    tuning = STUDIES["adamw_1024_tuning"]
    assert isinstance(tuning, Tuning)
    accuracies = {seed: chance.random() for seed in tuning.seeds}
    runs = [
        make_up_run(replace(setting, seed=seed), accuracy=accuracy)
        for setting in tuning.product
        for seed, accuracy in accuracies.items()
    ]
    chance.shuffle(runs)
    assert tuning.means(runs)["mean"].nunique() == 1


def at_random(metrics, chance):
    return {
        name: chance.random() if name.startswith("test") else value
        for name, value in metrics.items()
    }


@pytest.mark.usefixtures("home", "published")
class TestTuning:
    """A tuned study takes each setting's best learning rate from its tuning study's runs."""

    rates = (1e-4, 1e-3)

    @pytest.fixture(autouse=True)
    def small_studies(self):
        base = Config(width=8, epochs=2)
        grid = {"width": (8, 16), "learning_rate": self.rates}
        tuning = Tuning("tuning", "?", "", base, grid, seeds=(100, 101))
        self.tuning = tuning
        self.tuned = Study("tuned", "?", "", base, {"width": (8, 16)}, (0, 1), tuned_by=tuning)

    def record(self, made_up_run, width, accuracies, test=0.5):
        """Save runs of one width: a validation accuracy for each rate and tuning seed."""
        for rate, by_seed in zip(self.rates, accuracies, strict=True):
            for seed, accuracy in zip(self.tuning.seeds, by_seed, strict=True):
                config = replace(self.tuning.base, width=width, learning_rate=rate, seed=seed)
                run = made_up_run(config)
                best = run.best | {
                    "validation_accuracy": accuracy,
                    "test_accuracy": 0.5 + test * rate,
                }
                records.save(replace(run, best=best))

    def test_without_runs_there_is_nothing_to_compare(self):
        assert self.tuning.chosen_rates() == {}
        assert self.tuned.configs() == []
        assert self.tuning.means().empty

    def test_each_setting_gets_the_rate_of_highest_mean_validation_accuracy(self, made_up_run):
        self.record(made_up_run, 8, [(0.9, 0.5), (0.8, 0.8)])
        self.record(made_up_run, 16, [(0.7, 0.7), (0.6, 0.6)])
        assert self.tuning.chosen_rates() == {8: 1e-3, 16: 1e-4}
        assert [(c.width, c.learning_rate, c.seed) for c in self.tuned.configs()] == [
            *((8, 1e-3, seed) for seed in (0, 1)),
            *((16, 1e-4, seed) for seed in (0, 1)),
        ]

    def test_a_setting_counts_once_every_rate_has_all_its_seeds(self, made_up_run):
        self.record(made_up_run, 8, [(0.9, 0.5), (0.8, 0.8)])
        self.record(made_up_run, 16, [(0.7, 0.7), (0.6, 0.6)])
        last = replace(self.tuning.base, width=16, learning_rate=1e-3, seed=101)
        records.own_path(identify(last, DIGEST)).unlink()
        assert self.tuning.chosen_rates() == {8: 1e-3}
        assert {c.width for c in self.tuned.configs()} == {8}

    @pytest.mark.parametrize("diverging", [(None, None), (0.9, None)])
    def test_a_rate_at_which_runs_diverge_is_judged_and_not_chosen(self, made_up_run, diverging):
        self.record(made_up_run, 8, [(0.6, 0.5), diverging])
        self.record(made_up_run, 16, [diverging, (0.6, 0.5)])
        assert self.tuning.chosen_rates() == {8: 1e-4, 16: 1e-3}

    def test_seeds_beyond_those_that_choose_are_run_and_have_no_say(self, made_up_run):
        self.record(made_up_run, 8, [(0.6, 0.6), (0.7, 0.7)])
        study = replace(self.tuning, beyond=(102, 103))
        further = [config for config in study.configs() if config.seed in study.beyond]
        assert len(further) == 2 * len(study.settings()) == 8
        for config in further:
            accuracy = 0.9 if config.learning_rate == self.rates[0] else 0.1
            records.save(made_up_run(config, accuracy=accuracy))
        assert study.chosen_rates() == {8: 1e-3}
        assert study.vary(seeds=4).chosen_rates() == {8: 1e-4}  # asked for four, all four choose

    def test_the_lowest_of_equally_good_rates_is_chosen(self, made_up_run):
        self.record(made_up_run, 8, [(0.6, 0.5), (0.5, 0.6)])
        assert self.tuning.chosen_rates() == {8: 1e-4}

    def test_the_test_images_have_no_say_in_the_choice(self, made_up_run):
        for sign in (1, -1):
            self.record(made_up_run, 8, [(0.6, 0.6), (0.7, 0.7)], test=sign)
            assert self.tuning.chosen_rates() == {8: 1e-3}

    def test_a_verdicts_evidence_rests_on_the_same_choice(self, made_up_run):
        self.record(made_up_run, 8, [(0.6, 0.5), (0.9, None)])
        self.record(made_up_run, 16, [(0.6, 0.5), (0.5, 0.6)])
        runs = records.find(self.tuning.configs())
        found = evidence.Evidence(runs).brackets(self.tuning)
        assert {v: b.chosen for v, b in found.items()} == self.tuning.chosen_rates()


@pytest.mark.usefixtures("home", "published")
class TestBrackets:
    """A bracketed study runs a rate when the runs so far ask for it."""

    rates = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)

    @pytest.fixture(autouse=True)
    def small_studies(self, monkeypatch, made_up_run):
        grid = {"width": (128, 256), "learning_rate": self.rates}
        base = Config(depth=2, epochs=2)
        self.study = Tuning("tuning", "?", "", base, grid, seeds=(100, 101), bracketed=True)

        def train(configs, **options):
            for config in configs:  # best at 3e-4 for width 128, one step lower for 256
                best = {128: 3e-4, 256: 1e-4}[config.width]
                accuracy = 0.9 - abs(math.log(config.learning_rate / best)) / 10
                records.save(made_up_run(config, accuracy=accuracy))
            return records.find(configs)

        monkeypatch.setattr(study_module, "sweep", train)

    def test_the_next_setting_waits_for_the_rate_that_its_bracket_starts_from(self):
        assert {c.width for c in self.study.configs()} == {128}
        assert len(self.study.configs()) == 5 * 2

    def test_a_study_runs_until_its_brackets_are_closed(self):
        runs = self.study.runs()
        wide = {run.config.learning_rate for run in runs if run.config.width == 256}
        assert wide == {1e-4, 3e-4, 1e-3}
        assert self.study.chosen_rates() == {128: 3e-4, 256: 1e-4}
        assert runs == self.study.recorded()

    @pytest.mark.parametrize(
        ("width", "start"), [(256, (1e-5, 1e-4, 3e-4)), (300, (1e-4, 3e-4, 1e-3))]
    )
    def test_another_study_starts_at_the_rate_for_its_own_value_or_else_for_the_first(
        self, width, start
    ):
        self.study.runs()
        grid = {"width": (width,), "learning_rate": (1e-5, 1e-4, 3e-4, 1e-3)}
        base = replace(self.study.base, batch_size=64)
        later = replace(self.study, base=base, grid=grid, first_guess=self.study)
        assert later.brackets() == {width: Bracket(start)}

    def test_the_table_says_which_rates_were_run_and_why_no_others(self):
        self.study.runs()
        table = tuning(self.study)
        assert list(table.loc["width 256"]) == [
            "3 of 5, 1e-4 to 1e-3", "1e-4", "accuracy falls from there, an end of the grid",
        ]  # fmt: skip
        assert table.loc["width 128", "why no other"] == "every rate was run"

    def test_who_names_rates_gets_all_of_them(self):
        assert len(self.study.vary(learning_rate=[1e-4, 1e-2]).configs()) == 2 * 2 * 2
