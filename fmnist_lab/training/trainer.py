"""Train a stack of networks: epochs, patience, evaluation; one Run a member."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

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


def train(
    configs: Sequence[Config],
    data: Data,
    *,
    dtype: torch.dtype = torch.float32,
    keep: frozenset[str] = frozenset({"predictions"}),
) -> Generator[Epoch, bool | None, None]:
    """Train networks that differ only in their seed, on the device where `data` lies.

    `dtype` is the type of parameters, losses and, unless the config's precision is bfloat16, of
    products. Yields an `Epoch` after each; members that stop (patience, cap or divergence) come
    out of it as Runs and leave the stack. `keep` names what a Run holds besides its metrics:
    "predictions" (of the test images), "step_losses" and "weights" (of the best epoch).

    Who sends True after an epoch stops the rest there: the next Epoch has their Runs, those of
    configs with so many `epochs`, which is what has been trained.

    Raises `ValueError` if the configs differ in more than the seed, or share one.
    """
    config = common(configs)
    operands = torch.bfloat16 if config.precision == "bfloat16" else dtype
    images = Images.of(data, dtype, operands)
    members = [Member.of(c) for c in configs]
    stack = Stack([initial(c) for c in configs], images.pixels.device, dtype, operands)
    training = Training(stack, images.pixels, images.targets, config)
    for number in range(1, config.epochs + 1):
        started = time.perf_counter()
        order = torch.stack([member.shuffled() for member in members]).to(
            stack.flat.device
        )  # (S, N)
        validation = torch.stack([member.validation for member in members]).to(order.device)
        logits = training.epoch(order)  # (S, 10, N)
        losses, correct = score(logits, images.targets, order, config.loss)  # (S, N) each
        judged = score(
            predict(stack, images.pixels, validation), images.targets, validation, config.loss
        )
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
        stop = yield Epoch(number, {m.config.seed: m.latest() for m in members}, finished)
        if not (stop or finished):
            continue
        left = [index for index, member in enumerate(members) if not member.stopped_by()]
        if stop:
            for index in left:
                members[index].config = replace(members[index].config, epochs=number)
            runs = [conclude(stack, index, members[index], data, images, keep) for index in left]
            yield Epoch(number, {}, runs)
        if stop or not left:
            return
        members, stack = [members[index] for index in left], stack.select(left)
        training = Training(stack, images.pixels, images.targets, config)


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
    seed = generator(config.seed, "weights").initial_seed()
    return initial_network(config.depth, config.width, seed)
