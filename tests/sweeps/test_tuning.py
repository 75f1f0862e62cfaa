"""fmnist_lab.sweeps.tuning: a bracket finds what the whole grid finds, and runs less."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.runs import records
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.tuning import TUNING_RATES, Bracket, Tuning, bracket

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
    tries = trial.times(3, 100)
    for attempt in range(tries):
        chance = random.Random(attempt)
        other = [
            replace(run, best=at_random(run.best, chance), last=at_random(run.last, chance))
            for run in runs
        ]
        assert tuning.chosen_rates(other) == chosen
        assert tuning.settings(other) == tuning.settings(runs)
    trial.found(f"{tuning.name}: {len(runs)} runs, {tries} times other test metrics: same choices")


def at_random(metrics, chance):
    return {
        name: chance.random() if name.startswith("test") else value
        for name, value in metrics.items()
    }
