"""fmnist_lab.training.trainer on the real images: what it computes, and what it never sees."""

import json
import math
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cache
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fmnist_lab import data
from fmnist_lab.config import Config
from fmnist_lab.data import Data
from fmnist_lab.runs import records
from fmnist_lab.runs.run import HISTORY, Run, canonical
from fmnist_lab.sources import DIGEST
from fmnist_lab.training import trainer
from fmnist_lab.training.member import Member
from fmnist_lab.training.model import network_of
from fmnist_lab.training.steps import Training
from fmnist_lab.training.trainer import train

SMALL = Config(width=8, batch_size=48, learning_rate=1e-3, train_size=500, epochs=3)
# Patience stops each of the seeds 0, 1 and 2 at another epoch, as a test asserts.
RESTLESS = Config(width=8, batch_size=20, learning_rate=0.03, train_size=200, epochs=8, patience=1)
OVERSHOT = replace(RESTLESS, seed=1, epochs=3, patience=9)  # best before the last epoch
# Sixteen layers of 128 neurons, each weight near 1 after one step: a loss beyond float32's 3e38.
EXPLODING = Config(
    loss="mse", depth=16, width=128, batch_size=64, learning_rate=1.0, train_size=64, epochs=3
)
WORSE = Config(width=8, batch_size=10, learning_rate=0.1, train_size=600, patience=99, seed=1)
EVERYTHING = frozenset({"predictions", "step_losses"})
ALL = EVERYTHING | {"weights"}


def trained(configs, data, **options) -> dict[int, Run]:
    """Train a stack to its end and return its runs by seed."""
    return {
        run.config.seed: run for epoch in train(configs, data, **options) for run in epoch.finished
    }


def alone(config, data, **options) -> Run:
    return trained([config], data, **options)[config.seed]


def seeds(config, *numbers) -> list[Config]:
    return [replace(config, seed=seed) for seed in numbers]


@pytest.fixture(scope="module")
def once(fashion):
    """Return a function that trains a config alone on the real data, once for all tests."""
    return cache(lambda config, keep=EVERYTHING: alone(config, fashion, keep=keep))


@pytest.fixture(scope="module")
def restless_stack(fashion):
    """The epochs of a stack whose members stop one after the other."""
    return list(train(seeds(RESTLESS, 0, 1, 2), fashion, keep=EVERYTHING))


@pytest.fixture
def trainings(monkeypatch) -> list[Training]:
    """The trainings that `train` begins, as they are after it."""
    begun: list[Training] = []

    def begin(*arguments):
        begun.append(Training(*arguments))
        return begun[-1]

    monkeypatch.setattr(trainer, "Training", begin)
    return begun


@pytest.fixture
def spoilt(fashion):
    """A copy of the data set that a test may change in place."""
    return replace(fashion, images=fashion.images.clone(), labels=fashion.labels.clone())


# --- The same as a loop that anyone would write


def plain_loss(config, logits, labels):
    if config.loss == "cross_entropy":
        return nn.functional.cross_entropy(logits, labels)
    return nn.functional.mse_loss(logits, nn.functional.one_hot(labels, 10).to(logits.dtype))


def plain_network(config) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(data.generator(config.seed, "weights").initial_seed())
        if config.depth == 0:
            return nn.Sequential(nn.Linear(784, 10)).double()
        layers: list[nn.Module] = [nn.Linear(784, config.width), nn.ReLU()]
        for _ in range(config.depth - 1):
            layers += [nn.Linear(config.width, config.width), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(config.width, 10)).double()


def train_plainly(config, fashion):
    """Train in plain PyTorch; return the network, itself at its best, its history, step losses."""
    network = plain_network(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    shuffled = torch.randperm(60_000, generator=data.generator(config.seed, "split"))
    chosen, validation = shuffled[: config.train_size], shuffled[48_000:]
    order = data.generator(config.seed, "order")
    history: dict[str, list[float]] = {name: [] for name in HISTORY[:-1]}
    step_losses, best = [], network
    for _ in range(config.epochs):
        seen_loss = seen_right = 0.0
        epoch_order = chosen[torch.randperm(len(chosen), generator=order)]
        for batch in epoch_order.split(config.batch_size):
            images, labels = fashion.images[batch], fashion.labels[batch]
            optimizer.zero_grad()
            logits = network(images)
            loss = plain_loss(config, logits, labels)
            loss.backward()
            optimizer.step()
            step_losses.append(loss.item())
            seen_loss += loss.item() * len(batch)
            seen_right += accuracy(logits, labels) * len(batch)
        judged = judge(config, network, fashion.images[validation], fashion.labels[validation])
        row = (seen_loss / len(chosen), seen_right / len(chosen), *judged)
        for name, value in zip(history, row, strict=True):
            history[name].append(value)
        if judged[0] == min(history["validation_loss"]):
            best = deepcopy(network)
    return network, best, history, step_losses


@torch.no_grad()
def judge(config, network, images, labels) -> tuple[float, float]:
    logits = network(images)
    return plain_loss(config, logits, labels).item(), accuracy(logits, labels)


def judge_all(config, network, fashion) -> dict[str, float]:
    chosen, validation = data.split(config.seed)
    chosen = chosen[: config.train_size]
    parts = {
        "train": (fashion.images[chosen], fashion.labels[chosen]),
        "validation": (fashion.images[validation], fashion.labels[validation]),
        "test": (fashion.test_images, fashion.test_labels),
    }
    metrics = {}
    for name, part in parts.items():
        metrics[f"{name}_loss"], metrics[f"{name}_accuracy"] = judge(config, network, *part)
    return metrics


def accuracy(logits, labels) -> float:
    return (logits.argmax(-1) == labels).double().mean().item()


def six_digits(metrics):
    """A Run keeps six significant digits."""
    return {name: pytest.approx(value, rel=6e-6) for name, value in metrics.items()}


@pytest.mark.parametrize(
    "config",
    [
        # 55 steps, the last of an epoch on 20 images
        pytest.param(replace(SMALL, depth=2, epochs=5, seed=7), id="two hidden layers"),
        # its validation loss rises at the end: best and last differ
        pytest.param(OVERSHOT, id="an early best epoch"),
        pytest.param(replace(SMALL, depth=0, epochs=2, seed=1), id="softmax regression"),
        pytest.param(replace(SMALL, loss="mse", batch_size=500, epochs=2), id="one batch, mse"),
    ],
)
def test_a_training_equals_a_plain_loop_of_pytorch(config, fashion64, trainings):
    run = alone(config, fashion64, dtype=torch.float64, keep=EVERYTHING)
    network, best, history, step_losses = train_plainly(config, fashion64)
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    trained = network_of(config, trainings[0].stack.values.numpy())
    for ours, plain in zip(trained.linears(), linears, strict=True):
        torch.testing.assert_close(ours.weight, plain.weight, rtol=0, atol=1e-10)
        torch.testing.assert_close(ours.bias, plain.bias, rtol=0, atol=1e-10)
    assert run.stopped_by == "epochs"
    assert run.best_epoch == 1 + int(np.argmin(history["validation_loss"]))
    assert set(run.history) == set(HISTORY)
    for name, values in history.items():
        assert run.history[name] == pytest.approx(values, rel=6e-6), name
    assert run.best == six_digits(judge_all(config, best, fashion64))
    assert run.last == six_digits(judge_all(config, network, fashion64))
    with torch.no_grad():
        probability, classes = best(fashion64.test_images).softmax(-1).max(-1)
    np.testing.assert_array_equal(run.test_predictions()[0], classes)
    np.testing.assert_allclose(run.test_predictions()[1], probability, atol=0.5 / 255 + 1e-9)
    np.testing.assert_allclose(run.losses_by_step(), step_losses, rtol=2**-11)


def test_the_comparison_covers_a_best_epoch_before_the_last(once):
    run = once(OVERSHOT)
    assert 1 < run.best_epoch < run.epochs
    assert run.best != run.last


def test_a_batch_larger_than_the_training_set_is_the_training_set(computed, fashion):
    whole = replace(SMALL, train_size=96, batch_size=96, epochs=2)
    larger = replace(whole, batch_size=48_000)
    assert computed(alone(larger, fashion)) == computed(alone(whole, fashion)) | {
        "config": asdict(larger)
    }


# --- Seeds


def test_the_same_seed_gives_the_same_bits_twice(computed, fashion, trainings):
    one, other = (alone(SMALL, fashion, keep=EVERYTHING) for _ in range(2))
    assert all(map(torch.equal, trainings[0].state(), trainings[1].state()))
    assert computed(one) == computed(other)


def test_another_seed_gives_another_run(once):
    one, other = (once(config) for config in seeds(SMALL, 0, 1))
    assert one.history["train_loss"] != other.history["train_loss"]


@pytest.mark.parametrize("own", [{}, {"weights_seed": 9}, {"order_seed": 9}])
def test_a_stream_with_a_seed_of_its_own_changes_that_stream_alone(own):
    config = Config(seed=4, width=8)
    plain, other = (Member.of(c, [4]) for c in (config, replace(config, **own)))
    start, begun = (
        torch.cat([p.flatten() for p in trainer.initial(c).parameters()])
        for c in (config, replace(config, **own))
    )
    assert torch.equal(plain.validation, other.validation)
    assert torch.equal(start, begun) == ("weights_seed" not in own)
    assert torch.equal(plain.draws()["order"], other.draws()["order"]) == ("order_seed" not in own)


def test_the_callers_randomness_neither_matters_nor_changes(computed, fashion, once):
    run = once(SMALL)
    torch.manual_seed(torch.seed() % 2**32 + 1)
    before = torch.get_rng_state()
    assert computed(alone(SMALL, fashion, keep=EVERYTHING)) == computed(run)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seed_trains_in_a_stack_as_it_does_alone(computed, fashion64):
    config = replace(SMALL, depth=2, epochs=2)
    together = trained(seeds(config, 3, 4), fashion64, dtype=torch.float64, keep=EVERYTHING)
    for seed, run in together.items():
        single = alone(replace(config, seed=seed), fashion64, dtype=torch.float64, keep=EVERYTHING)
        assert computed(run) == computed(single)  # six digits of what agrees to twelve


def test_members_stop_at_their_own_epochs_and_the_others_train_on_unchanged(once, restless_stack):
    together = {run.config.seed: (e.number, run) for e in restless_stack for run in e.finished}
    assert len({number for number, _ in together.values()}) == 3
    for seed, (number, run) in together.items():
        single = once(replace(RESTLESS, seed=seed))
        assert run.epochs == number
        # Single precision: a stack's matrix products may round differently from one network's.
        assert run.best_epoch == single.best_epoch
        for name in HISTORY[:-1]:
            assert run.history[name] == pytest.approx(single.history[name], rel=1e-3), name


def test_each_epoch_tells_the_metrics_of_the_members_still_training(restless_stack):
    epochs = restless_stack
    runs = {run.config.seed: run for epoch in epochs for run in epoch.finished}
    assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
    for epoch in epochs:
        assert set(epoch.metrics) == {s for s, run in runs.items() if run.epochs >= epoch.number}
        for seed, metrics in epoch.metrics.items():
            history = runs[seed].history
            assert metrics == {name: history[name][epoch.number - 1] for name in HISTORY}


class StopAt(Event):
    """Set from the n-th time on that training asks; counts how often it did."""

    def __init__(self, question: float = math.inf):
        super().__init__()
        self.asked, self.question = 0, question

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked >= self.question


@cache
def questions_an_epoch(config: Config, fashion: Data) -> int:
    undisturbed = StopAt()
    next(iter(train([config], fashion, stop=undisturbed)))
    return undisturbed.asked


# Where in an epoch training is stopped: before its first batch, between two of its batches,
# between validation images.
@pytest.mark.parametrize("share", [0.0, 0.15, 0.6])
@pytest.mark.parametrize(
    "config",
    [SMALL, WORSE, replace(WORSE, precision="bfloat16")],
    ids=["best is last", "best before last", "bfloat16"],
)
def test_who_stops_in_epoch_three_has_the_run_of_two_epochs_to_the_bit(
    config, share, fashion, trainings, computed
):
    each = questions_an_epoch(config, fashion)
    stop = StopAt(2 * each + 1 + int(share * each))
    *_, said, last = train([replace(config, epochs=50)], fashion, keep=ALL, stop=stop)
    stopped = trainings[-1].stack.flat
    assert (said.number, said.metrics, said.finished) == (2, {}, [])
    (run,) = last.finished
    undisturbed = alone(replace(config, epochs=2), fashion, keep=ALL)
    assert run.epochs == run.config.epochs == 2
    assert computed(run) == computed(undisturbed)
    assert torch.equal(stopped, trainings[-1].stack.flat)


def test_the_stopped_runs_above_are_best_at_their_last_epoch_or_before(once):
    assert once(replace(SMALL, epochs=2)).best_epoch == 2
    assert once(replace(WORSE, epochs=2)).best_epoch == 1


def test_images_are_augmented_in_training_alone(once, fashion):
    """The first batch's loss is on augmented images; measurements are on the images as given."""
    augmented = replace(SMALL, augment="flip_shift")
    run = alone(augmented, fashion, keep=ALL)
    assert run.losses_by_step()[0] != once(SMALL).losses_by_step()[0]
    logits = network_of(augmented, run.best_weights())(fashion.test_images)
    right = (logits.argmax(1) == fashion.test_labels).float().mean().item()
    assert right == pytest.approx(run.best["test_accuracy"], abs=2e-4)


@pytest.mark.parametrize("augment", ["flip", "shift", "flip_shift"])
def test_each_epoch_draws_new_variants_evenly_and_leaves_the_other_streams_alone(augment):
    config = Config(augment=augment, dropout=0.5)
    member, plain = Member.of(config, [0]), Member.of(replace(config, augment="none"), [0])
    one, other = member.draws(), member.draws()
    assert one["variants"].shape == one["order"].shape
    assert not torch.equal(one["variants"], other["variants"])
    share = one["variants"].bincount() / len(one["variants"])
    even = 1 / len(share)
    assert (share - even).abs().max() < 5 * (even / len(one["variants"])) ** 0.5
    assert all(torch.equal(one[name], drawn) for name, drawn in plain.draws().items())


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_schedule_that_is_broken_off_leaves_no_run(share, fashion):
    """The run of fewer epochs would have had other rates."""
    config = replace(SMALL, schedule="cosine", epochs=4)
    each = questions_an_epoch(config, fashion)
    stop = StopAt(2 * each + 1 + int(share * each))
    epochs = list(train([config], fashion, stop=stop))
    assert [(epoch.number, epoch.finished) for epoch in epochs] == [(1, []), (2, [])]
    few, more = (alone(replace(config, epochs=n), fashion).history for n in (2, 4))
    assert more["validation_loss"][:2] != few["validation_loss"]


@pytest.mark.parametrize("question", [1, 2])
def test_who_stops_in_the_first_epoch_has_no_run(question, fashion):
    assert not list(train([SMALL], fashion, stop=StopAt(question)))


def test_a_stop_ends_the_members_that_still_train_and_leaves_the_others_runs(fashion):
    runs, stop = [], Event()
    for epoch in train(seeds(replace(RESTLESS, epochs=50), 0, 1, 2), fashion, stop=stop):
        runs += epoch.finished
        if epoch.finished:  # the first, by its own patience
            stop.set()
    assert sorted(run.stopped_by for run in runs) == ["epochs", "epochs", "patience"]
    assert len({run.epochs for run in runs}) == 1
    assert [run.config.epochs for run in runs[1:]] == [run.epochs for run in runs[1:]]


def test_smoothed_labels_are_trained_on_and_measured_by_nothing(once, fashion):
    """The first batch's loss is taken before any step: it is the plain one."""
    smooth = alone(replace(SMALL, label_smoothing=0.2), fashion, keep=EVERYTHING)
    plain = once(SMALL)
    assert smooth.losses_by_step()[0] == plain.losses_by_step()[0]
    assert smooth.history["train_loss"] != plain.history["train_loss"]


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_who_stops_has_the_average_of_the_last_epoch(share, fashion, computed):
    config = replace(SMALL, average=0.9, dropout=0.2, batch_norm="on")
    each = questions_an_epoch(config, fashion)
    stop = StopAt(2 * each + 1 + int(share * each))
    *_, last = train([replace(config, epochs=50)], fashion, keep=ALL, stop=stop)
    (run,) = last.finished
    undisturbed = alone(replace(config, epochs=2), fashion, keep=ALL)
    assert computed(run) == computed(undisturbed)


def test_what_a_record_says_of_a_network_with_every_technique_can_be_computed_from_it(fashion):
    config = replace(SMALL, average=0.9, dropout=0.2, input_dropout=0.1, batch_norm="on")
    run = alone(config, fashion, keep=ALL)
    network = network_of(config, run.best_weights())
    right = network(fashion.test_images).argmax(1) == fashion.test_labels
    assert right.float().mean().item() == pytest.approx(run.best["test_accuracy"], abs=2e-4)
    assert (run.best["test_accuracy"] or 0.0) > 0.3


# --- What training and stopping never see


def test_the_test_images_change_nothing_but_the_test_metrics(computed, fashion, once):
    generator = torch.Generator().manual_seed(0)
    garbage = replace(
        fashion,
        test_images=torch.rand(10_000, 784, generator=generator).mul_(1e3),
        test_labels=torch.randint(10, (10_000,), generator=generator),
    )
    honest, blind = once(RESTLESS), alone(RESTLESS, garbage, keep=EVERYTHING)
    assert honest.stopped_by == "patience"
    assert honest.best["test_loss"] != blind.best["test_loss"]
    honest, blind = (
        replace(
            run,
            best=run.best | {"test_loss": None, "test_accuracy": None},
            last=run.last | {"test_loss": None, "test_accuracy": None},
            predictions=None,
        )
        for run in (honest, blind)
    )
    assert computed(honest) == computed(blind)


def test_the_validation_images_change_nothing_but_validation_and_when_training_stops(once, spoilt):
    _, validation = data.split(RESTLESS.seed)
    spoilt.labels[validation] = (spoilt.labels[validation] + 1) % 10
    spoilt.images[validation] = 1 - spoilt.images[validation]
    honest, misled = once(RESTLESS), alone(RESTLESS, spoilt)
    assert misled.epochs != honest.epochs
    both = min(misled.epochs, honest.epochs)
    for name in ("train_loss", "train_accuracy"):
        assert misled.history[name][:both] == honest.history[name][:both]
    for name in ("validation_loss", "validation_accuracy"):
        assert misled.history[name][:both] != honest.history[name][:both]


def test_images_that_are_neither_trained_nor_validated_on_play_no_part(computed, once, spoilt):
    chosen, _ = data.split(SMALL.seed)
    spoilt.images[chosen[SMALL.train_size :]] = math.nan
    spoilt.labels[chosen[SMALL.train_size :]] = 0
    assert computed(alone(SMALL, spoilt, keep=EVERYTHING)) == computed(once(SMALL))


# --- How training ends


@pytest.mark.parametrize(
    ("validation_losses", "patience", "cap", "ends"),
    [
        ([3, 2, 4, 5], 2, 9, ("patience", 4, 2)),
        ([1, 2], 1, 9, ("patience", 2, 1)),
        ([3, 2, 2, 2], 2, 9, ("patience", 4, 2)),  # equal is not lower
        ([5, 6, 4, 6, 3, 7, 7], 2, 9, ("patience", 7, 5)),  # a lower one starts the count anew
        ([5, 6, 6, 4, 6, 6, 6], 3, 9, ("patience", 7, 4)),
        ([3, 2, 1], 5, 3, ("epochs", 3, 3)),
        ([1, 2, 3], 5, 3, ("epochs", 3, 1)),
        ([1, 2, 3], 2, 3, ("patience", 3, 1)),  # both at once: it would have stopped anyway
        ([1], 1, 1, ("epochs", 1, 1)),
        ([2, 1, math.nan], 5, 9, ("divergence", 3, 2)),
        ([2, 1, math.inf], 1, 3, ("divergence", 3, 2)),
        ([math.nan], 5, 9, ("divergence", 1, 0)),
    ],
)
def test_patience_cap_and_divergence_end_a_training(validation_losses, patience, cap, ends):
    member = Member.of(replace(SMALL, patience=patience, epochs=cap), [0])
    for epoch, loss in enumerate(validation_losses, start=1):
        assert member.stopped_by() is None if epoch > 1 else True
        improved = member.note([1.0, 0.5, loss, 0.5, 0.1])
        assert improved == (member.best_epoch == epoch)
    assert (member.stopped_by(), epoch, member.best_epoch) == ends


def test_a_training_loss_that_is_not_finite_is_divergence_too():
    member = Member.of(SMALL, [0])
    member.note([math.inf, 0.5, 1.0, 0.5, 0.1])
    assert member.stopped_by() == "divergence"
    assert member.latest()["train_loss"] is None


@pytest.mark.parametrize("config", [RESTLESS, replace(RESTLESS, seed=1, patience=2)])
def test_patience_ends_a_real_training_that_many_epochs_after_its_best(config, once):
    run = once(config)
    assert run.stopped_by == "patience"
    assert run.epochs == run.best_epoch + config.patience
    losses = run.history["validation_loss"]
    assert run.best_epoch == 1 + losses.index(min(losses))
    assert run.best["validation_loss"] == losses[run.best_epoch - 1]
    assert run.last["validation_loss"] == losses[-1]


def test_patience_does_not_end_a_run_with_a_schedule(once):
    run = once(replace(RESTLESS, schedule="cosine", learning_rate=0.3, epochs=12))
    assert (run.stopped_by, run.epochs) == ("epochs", 12)
    assert run.best_epoch < 7  # which would have ended it


def test_a_training_that_hits_the_cap_is_marked_so(once):
    assert (once(SMALL).stopped_by, once(SMALL).epochs) == ("epochs", SMALL.epochs)


def test_a_diverging_training_is_an_outcome_without_best_metrics(fashion):
    run = alone(EXPLODING, fashion, keep=EVERYTHING)
    assert (run.stopped_by, run.epochs, run.best_epoch) == ("divergence", 1, 0)
    assert run.history["validation_loss"] == [None]
    assert set(run.best) == set(run.last)
    assert set(run.best.values()) == {None}
    assert run.last["validation_loss"] is None
    assert run.last["validation_accuracy"] is not None
    assert run.predictions is None
    assert records.decode(records.encode(run).encode()) == run


def test_a_member_that_diverges_later_keeps_its_best_epoch_and_leaves_the_others_alone(
    once, spoilt
):
    (mine, _), (theirs, validation) = data.split(0), data.split(1)
    used_by_both = torch.cat([theirs[: SMALL.train_size], validation])
    only_mine = next(i for i in mine[: SMALL.train_size] if i not in used_by_both)
    runs: dict[int, Run] = {}
    for epoch in train(seeds(SMALL, 0, 1), spoilt):
        runs |= {run.config.seed: run for run in epoch.finished}
        if epoch.number == 1:
            spoilt.images[only_mine] = math.inf
    calm = once(replace(SMALL, seed=1))
    assert (runs[0].stopped_by, runs[0].epochs) == ("divergence", 2)
    assert runs[0].history["train_loss"][-1] is None
    assert runs[0].best_epoch == 1
    assert runs[0].best["validation_loss"] == runs[0].history["validation_loss"][0]
    assert runs[0].predictions is not None
    assert (runs[1].stopped_by, runs[1].best_epoch) == (calm.stopped_by, calm.best_epoch)
    for name in HISTORY[:-1]:
        assert runs[1].history[name] == pytest.approx(calm.history[name], rel=1e-3), name


# --- What is kept


def test_a_members_seconds_are_its_share_of_the_stacks(fashion, monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(trainer, "time", SimpleNamespace(perf_counter=lambda: 6.0 * next(ticks)))
    for members in (1, 3):
        (*_, epoch) = train(seeds(replace(SMALL, epochs=1), *range(members)), fashion)
        assert {run.history["seconds"][0] for run in epoch.finished} == {6.0 / members}


def test_a_run_names_the_seeds_that_began_together_whoever_stopped_before_it(restless_stack):
    told = [run.environment for epoch in restless_stack for run in epoch.finished]
    assert [(each["stack"], each["seeds"]) for each in told] == [(3, "0-2")] * 3


def test_an_epoch_waits_for_its_device_once_and_once_more_for_step_losses(fashion, monkeypatch):
    waits = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: pytest.fail("waits for a number"))

    def wait(tensor):
        waits.append(tensor)
        return tolist(tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", wait)
    next(train([SMALL], fashion, keep=frozenset({"step_losses"})))
    assert len(waits) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_kept_in_single_precision_whatever_they_were_trained_in(
    dtype, fashion, fashion64, trainings
):
    data = {torch.float32: fashion, torch.float64: fashion64}[dtype]
    run = alone(replace(SMALL, epochs=1), data, dtype=dtype, keep=ALL)
    trained = trainings[0].stack.flat
    assert trained.dtype == dtype
    np.testing.assert_array_equal(run.best_weights(), trained.float().numpy())


def test_step_losses_are_one_a_step_and_average_to_the_epochs_loss(once):
    run = once(SMALL)
    sizes = np.array([48] * 10 + [20])
    by_epoch = run.losses_by_step().astype(float).reshape(SMALL.epochs, len(sizes))
    means = (by_epoch * sizes).sum(1) / sizes.sum()
    assert run.history["train_loss"] == pytest.approx(means.tolist(), rel=1e-3)  # float16


def test_step_losses_beyond_float16_are_kept_as_infinite(fashion):
    config = replace(EXPLODING, depth=4, width=8, epochs=2)
    run = alone(config, fashion, keep=EVERYTHING)
    assert run.stopped_by == "epochs"
    too_large = np.array(run.history["train_loss"]) > np.finfo(np.float16).max
    assert too_large.any()
    np.testing.assert_array_equal(np.isinf(run.losses_by_step()), too_large)


@pytest.mark.parametrize("keep", [frozenset(), frozenset({"predictions"}), EVERYTHING])
def test_only_the_parts_asked_for_are_kept(fashion, keep):
    run = alone(replace(SMALL, train_size=48, epochs=1), fashion, keep=keep)
    assert {part for part in EVERYTHING if getattr(run, part) is not None} == keep


def test_a_run_says_what_a_reader_needs_to_repeat_it(once):
    run = once(SMALL)
    assert run.data == DIGEST
    assert set(run.environment) == {
        *("commit", "device", "finished", "fmnist_lab", "precision", "python", "seeds", "stack"),
        "torch",
    }
    assert run.environment["precision"] == "float32"
    assert (run.environment["stack"], run.environment["seeds"]) == (1, "0")
    assert json.loads(canonical(run.environment)) == run.environment
    assert run.seconds > 0
