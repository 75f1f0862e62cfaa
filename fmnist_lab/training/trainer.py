"""Train a stack of networks: epochs, patience, evaluation; one Run per member."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

import torch
from torch import Tensor

from fmnist_lab.config import Config
from fmnist_lab.data import Data, generator
from fmnist_lab.runs.run import Run

from .evaluation import Images, predict, score
from .member import Member, conclude
from .model import FashionClassifier, initial_network, techniques
from .schedule import cosine
from .stack import Stack
from .steps import Training


@dataclass(frozen=True)
class Epoch:
    """What `train` yields after each epoch."""

    number: int  # 1-based
    metrics: dict[int, dict[str, float | None]]  # seed -> this epoch's history entries
    finished: list[Run]  # members that stopped after this epoch


def train(
    configs: Sequence[Config],
    data: Data,
    *,
    dtype: torch.dtype = torch.float32,
    keep: frozenset[str] = frozenset({"predictions"}),
    stop: Event | None = None,
) -> Iterator[Epoch]:
    """Train networks that differ only in their seed, on the device where `data` is.

    `dtype` is the type of parameters and losses and, unless the config's precision is bfloat16, of
    products. Yields an `Epoch` after each; members that stop (patience, cap or divergence) are in
    it as Runs and leave the stack. `keep` names what a Run contains besides its metrics:
    "predictions" (for the test images), "step_losses" and "weights" (of the best epoch).

    Setting `stop`, in any thread, ends training before the next batches: the epoch in progress is
    dropped, an Epoch without metrics says which was the last, and another has the Runs, with that
    many `epochs` in their configs. Neither comes if no epoch was finished, or if it broke off a
    schedule: one over fewer epochs would be a different one.
    """
    config = configs[0]  # what they share
    operands = torch.bfloat16 if config.precision == "bfloat16" else dtype
    images = Images.of(data, dtype, operands)
    members = [Member.of(c, [each.seed for each in configs]) for c in configs]
    stack = Stack.of([initial(c) for c in configs], images.pixels, images.targets)
    training = Training(stack, images.pixels, images.targets, config)
    for number in range(1, config.epochs + 1):
        started = time.perf_counter()
        before = training.average if stop is None else training.average.clone()
        draws = [member.draws() for member in members]
        drawn = {n: torch.stack([d[n] for d in draws]) for n in draws[0]}
        if config.schedule != "constant":
            drawn["rates"] = cosine(config, number)
        drawn = {name: values.to(images.pixels.device) for name, values in drawn.items()}
        order = drawn["order"]  # (S, N)
        validation = torch.stack([member.validation for member in members]).to(order.device)
        logits = joined(training.epoch(**drawn), stop)  # (S, 10, N)
        unseen = joined(predict(training.evaluated(), images.pixels, validation), stop)
        if logits is None or unseen is None:
            break
        seen = score(logits, images.targets, order, config.loss)  # (S, N) each
        judged = score(unseen, images.targets, validation, config.loss)
        means = torch.stack([each.mean(1) for each in (*seen, *judged)], 1)
        rows = means.tolist()  # the only time in an epoch that waits for the device
        seconds = (time.perf_counter() - started) / len(members)
        finished = []
        for index, member in enumerate(members):
            if "step_losses" in keep:
                steps = seen[0][index].split(config.batch_size)
                member.step_losses += torch.stack([step.mean() for step in steps]).tolist()
            if member.note([*rows[index], seconds]):
                training.keep_best(index)
            if member.stopped_by():
                finished.append(conclude(training, index, member, data, images, keep))
        yield Epoch(number, {m.config.seed: m.latest() for m in members}, finished)
        left = [index for index, member in enumerate(members) if not member.stopped_by()]
        if not left:
            return
        if finished:
            members, training = [members[index] for index in left], training.select(left)
    trained = number - 1  # `stop` was set
    if trained and config.schedule == "constant":
        yield Epoch(trained, {}, [])
        training.average.copy_(before)
        for member in members:
            member.config = replace(member.config, epochs=trained)
        runs = [conclude(training, n, each, data, images, keep) for n, each in enumerate(members)]
        yield Epoch(trained, {}, runs)


def joined(parts: Iterator[Tensor], stop: Event | None) -> Tensor | None:
    """Return the parts (S, 10, n) side by side, or None if `stop` is set before the last is."""
    found = []
    for part in parts:
        found.append(part)
        if stop is not None and stop.is_set():
            return None
    return torch.cat(found, 2)


def initial(config: Config) -> FashionClassifier:
    """Return the network that a config starts from."""
    seed = generator(config.stream_seed("weights"), "weights").initial_seed()
    return initial_network(config.depth, config.width, seed, **techniques(config))
