"""Train a stack of networks: epochs, patience, evaluation; one Run a member."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

import torch

from fmnist_lab.config import Config
from fmnist_lab.data import Data, generator
from fmnist_lab.runs.run import Run

from .evaluation import Images, predict, score
from .member import Member, conclude
from .model import FashionClassifier, initial_network
from .stack import Stack, Training


@dataclass(frozen=True)
class Epoch:
    """What `train` yields after each epoch."""

    number: int  # 1-based
    metrics: dict[int, dict[str, float | None]]  # seed -> this epoch's history entries
    finished: list[Run]  # members that stopped after this epoch


class Stopped(Exception):
    """Raised between batches when the training is to stop."""


def train(
    configs: Sequence[Config],
    data: Data,
    *,
    dtype: torch.dtype = torch.float32,
    keep: frozenset[str] = frozenset({"predictions"}),
    stop: Event | None = None,
) -> Iterator[Epoch]:
    """Train networks that differ only in their seed, on the device where `data` lies.

    `dtype` is the type of parameters, losses and, unless the config's precision is bfloat16, of
    products. Yields an `Epoch` after each; members that stop (patience, cap or divergence) come
    out of it as Runs and leave the stack. `keep` names what a Run holds besides its metrics:
    "predictions" (of the test images), "step_losses" and "weights" (of the best epoch).

    Who sets `stop`, in whatever thread, ends the training before the next batches: the epoch under
    way is dropped, an Epoch without metrics says which was the last, and another has the Runs, as
    of configs with so many `epochs`. Neither comes if no epoch was finished.

    Raises `ValueError` if the configs differ in more than the seed, or share one.
    """
    config = common(configs)
    operands = torch.bfloat16 if config.precision == "bfloat16" else dtype
    images = Images.of(data, dtype, operands)
    members = [Member.of(c) for c in configs]
    stack = Stack([initial(c) for c in configs], images.pixels.device, dtype, operands)
    training = Training(stack, images.pixels, images.targets, config)

    def between() -> None:
        if stop is not None and stop.is_set():
            raise Stopped

    for number in range(1, config.epochs + 1):
        started = time.perf_counter()
        before = stack.flat if stop is None else stack.flat.clone()
        order = torch.stack([member.shuffled() for member in members]).to(
            stack.flat.device
        )  # (S, N)
        validation = torch.stack([member.validation for member in members]).to(order.device)
        try:
            logits = training.epoch(order, between)  # (S, 10, N)
            unseen = predict(stack, images.pixels, validation, between)
        except Stopped:
            break
        losses, correct = score(logits, images.targets, order, config.loss)  # (S, N) each
        judged = score(unseen, images.targets, validation, config.loss)
        means = torch.stack(
            [losses.mean(1), correct.mean(1), *(part.mean(1) for part in judged)], 1
        )
        rows = means.tolist()  # the epoch's only wait for the device
        seconds = (time.perf_counter() - started) / len(members)
        finished = []
        for index, member in enumerate(members):
            if "step_losses" in keep:
                member.step_losses += [
                    part.mean().item() for part in losses[index].split(config.batch_size)
                ]
            if member.note([*rows[index], seconds]):
                stack.keep_best(index)
            if member.stopped_by():
                finished.append(conclude(stack, index, member, data, images, keep))
        yield Epoch(number, {m.config.seed: m.latest() for m in members}, finished)
        left = [index for index, member in enumerate(members) if not member.stopped_by()]
        if not left:
            return
        if finished:
            members, stack = [members[index] for index in left], stack.select(left)
            training = Training(stack, images.pixels, images.targets, config)
    trained = number - 1  # `stop` was set
    if trained:
        yield Epoch(trained, {}, [])
        stack.flat.copy_(before)
        for member in members:
            member.config = replace(member.config, epochs=trained)
        runs = [conclude(stack, n, member, data, images, keep) for n, member in enumerate(members)]
        yield Epoch(trained, {}, runs)


def common(configs: Sequence[Config]) -> Config:
    """Return the first config after checking that all differ in their seed and nothing else."""
    first = configs[0]
    if any(replace(config, seed=first.seed) != first for config in configs):
        raise ValueError("a stack's configs must differ in nothing but their seed.")
    if len({config.seed for config in configs}) < len(configs):
        raise ValueError("a stack's configs must have different seeds.")
    return first


def initial(config: Config) -> FashionClassifier:
    """Return the network a config starts from."""
    seed = generator(config.stream_seed("weights"), "weights").initial_seed()
    return initial_network(config.depth, config.width, seed)
