"""fmnist_lab.sweeps.progress: the bar moves with every epoch, and estimates grow with the work."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmnist_lab.config import PRECISIONS, Config
from fmnist_lab.sweeps import progress

CONFIG = Config(width=8, batch_size=100, train_size=200, epochs=2)
SEEDS = [replace(CONFIG, seed=seed) for seed in range(2)]
SPEED = dict.fromkeys(PRECISIONS, 1e10)  # floating-point operations per second


class Bar(list[float]):
    """What a progress bar is told."""

    total = 2

    @property
    def n(self):
        return sum(self)

    def update(self, runs):
        self.append(runs)

    def set_postfix_str(self, text, refresh):
        self.text = text


def test_the_bar_moves_with_every_epoch_and_ends_at_the_number_of_runs():
    bar = Bar()
    shown = progress.Progress(bar)
    for number in (1, 2):
        shown.advance(SEEDS[0], number, 1)
    assert bar == [0.5, 0.5]
    assert bar.text == "cross_entropy 1x8 batch 100 rate 2.05e-4 seed 0: epoch 2"
    shown.advance(SEEDS[1], 1, 1)
    shown.finish([SEEDS[0]])
    shown.finish([SEEDS[1]])  # it stopped early
    assert bar == [0.5, 0.5, 0.5, 0.0, 0.5]
    assert sum(bar) == 2


@given(st.lists(st.integers(1, 60), min_size=2, max_size=2))
def test_the_bar_never_passes_its_end_which_tqdm_would_warn_of(epochs):
    bar = Bar()
    shown = progress.Progress(bar)
    for config, last in zip(SEEDS, epochs, strict=True):
        config = replace(config, epochs=last)
        for number in range(last):
            shown.advance(config, number + 1, 1)
        shown.finish([config])
        assert sum(bar) <= 2
    assert sum(bar) == pytest.approx(2)


@pytest.mark.parametrize("live", [False, True])
def test_a_widget_is_shown_only_where_a_person_watches(live, monkeypatch):
    monkeypatch.setattr(progress, "watched", lambda: live)
    made, told = [], Bar()

    def make(name, **options):
        made.append(name)
        return nullcontext(told)

    for name in ("auto_bar", "text_bar"):
        monkeypatch.setattr(progress, name, partial(make, name))
    with progress.bar(1, progress=True) as shown:
        shown.advance(SEEDS[0], 1, 1)
    assert made == ["auto_bar" if live else "text_bar"]
    rate = "2.05e\N{NON-BREAKING HYPHEN}4" if live else "2.05e-4"  # no line breaks in it
    assert f" rate {rate} " in told.text


configs = st.builds(
    Config,
    depth=st.integers(0, 4),
    width=st.integers(1, 4192),
    batch_size=st.integers(1, 1024),
    epochs=st.integers(1, 500),
    train_size=st.integers(1, 24_000),
)


@given(configs)
def test_an_estimate_is_positive_and_grows_with_the_work(config):
    seconds = progress.estimate(config, SPEED)
    assert seconds > 0
    assert progress.estimate(replace(config, epochs=2 * config.epochs), SPEED) == 2 * seconds
    doubled = replace(config, train_size=2 * config.train_size)
    assert seconds < progress.estimate(doubled, SPEED) < 2 * seconds  # validation stays the same
    deeper = replace(config, depth=config.depth + 1, width=max(config.width, 128))
    assert progress.estimate(deeper, SPEED) > seconds
    assert progress.estimate(replace(config, batch_size=2048), SPEED) < seconds
    if config.depth:
        assert progress.estimate(replace(config, width=2 * config.width), SPEED) > seconds


def test_an_epochs_arithmetic_is_that_of_training_and_of_validation():
    softmax_regression = Config(depth=0, train_size=1000)  # 7,840 weights and 10 biases
    assert progress.arithmetic(softmax_regression) == 7850 * (6 * 1000 + 2 * 12_000)
    whole = progress.arithmetic(Config())
    assert progress.arithmetic(Config(train_size=24_000)) == pytest.approx(whole * 168 / 312)


def test_muons_steps_count_where_there_are_hidden_matrices():
    """Five times three products of 100 x 100 matrices per step, for each."""
    plain = Config(depth=3, width=100, train_size=1000)  # four steps
    muon = replace(plain, optimizer="muon")
    more = progress.arithmetic(muon) - progress.arithmetic(plain)
    assert more == 2 * 4 * 15 * 2 * 100**3
    for depth in (0, 1):
        shallow = replace(muon, depth=depth)
        assert progress.arithmetic(shallow) == progress.arithmetic(replace(plain, depth=depth))


def test_a_setting_names_the_techniques_it_uses():
    config = Config(optimizer="sgd", momentum=0.8, dropout=0.3, weight_decay=1e-4, batch_norm="on")
    assert progress.settings_text(config) == (
        "cross_entropy 1x128 batch 256 rate 2.05e-4 seed 0"
        " batch_norm on dropout 0.3 momentum 0.8 optimizer sgd weight_decay 1e-4"
    )


def test_speed_is_that_of_one_core_and_threads_are_restored(monkeypatch):
    threads, mm = [], torch.mm

    def observed(*matrices, **where):
        threads.append(torch.get_num_threads())
        return mm(*matrices, **where)

    monkeypatch.setattr(torch, "mm", observed)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert progress.speed.__wrapped__("cpu") > 1e8  # a slow core makes several 1e9
        assert set(threads) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.2, "0 s"), (1.4, "1 s"), (89, "89 s"), (90, "1.5 min"), (600, "10.0 min")),
        *((5399, "90.0 min"), (5400, "1.5 h"), (360_000, "100.0 h")),
    ],
)
def test_a_duration_is_told_in_the_largest_unit_that_fits(seconds, text):
    assert progress.duration(seconds) == text
