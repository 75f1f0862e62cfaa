"""The steps of a training: gather images, go forward and backward, update the parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from fmnist_lab.config import Config

from .augment import Augment
from .layers import Operations, Signal, run
from .losses import LOSSES, Loss
from .optimizers import OPTIMIZERS, Rate
from .shapes import INPUT_DIM, OUTPUT_DIM
from .stack import Stack

# Images gathered at once: enough that the overhead of gathering does not count, few enough that
# they are still in the cache when their batch comes; and not more steps than suit a CUDA graph.
BLOCK_IMAGES, BLOCK_BATCHES = 256, 64


class Training:
    """Trains a stack, an epoch at a time, and remembers each member's best parameters.

    With the stack and Adam it holds five numbers per parameter: the parameter, its gradient, two
    moments and the best so far, 20 bytes in single precision. Where products use another type, it
    holds parameters and gradients twice.
    """

    def __init__(self, stack: Stack, pixels: Tensor, targets: Tensor, config: Config):
        """Take all images (N, 784) and their one-hot targets (10, N), on the stack's device."""
        self.stack, self.pixels, self.targets, self.config = stack, pixels, targets, config
        self.best = stack.values.clone()
        self.average = stack.values.clone() if config.average else stack.values
        self.gradient = stack.flat.new_zeros(stack.flat.shape)
        self.products = self.gradient.to(stack.operands)  # itself where that is its type
        self.optimizer = OPTIMIZERS[config.optimizer](stack, config)
        constant = config.schedule == "constant"
        self.rate: Rate = config.learning_rate if constant else stack.flat.new_empty(1)
        self.batches = max(1, min(BLOCK_IMAGES // config.batch_size, BLOCK_BATCHES))
        self.block = min(self.batches * config.batch_size, config.train_size)
        sizes = {self.block, config.train_size % self.block or self.block}
        self.blocks = {images: Block(self, images) for images in sizes}

    def epoch(self, order: Tensor, **drawn: Tensor) -> Iterator[Tensor]:
        """Train once on the images at `order` (S, train_size), batch by batch.

        Dropout needs `keys` (S, steps, layers), a schedule `rates` (1, steps), augmentation
        `variants` (S, train_size). After each block of batches, yields the logits (S, 10, n) of
        its images, taken before the step that each was part of.
        """
        drawn = {"order": order, **drawn}
        sizes = {"order": self.block, "variants": self.block}  # in images; all others are in steps
        parts = {n: each.split(sizes.get(n, self.batches), 1) for n, each in drawn.items()}
        for part in zip(*parts.values(), strict=True):
            yield self.blocks[part[0].shape[1]].train(dict(zip(parts, part, strict=True)))

    def evaluated(self) -> Stack:
        """Return the stack to evaluate: at the average of its numbers, where one is kept."""
        if self.average is self.stack.values:
            return self.stack
        return Stack.holding(self.average, self.stack.network, self.stack.size, self.pixels)

    def keep_best(self, member: int) -> None:
        """Remember the numbers that the member is evaluated with as its best."""
        best, now = self.stack.parts(self.best), self.stack.parts(self.average)
        for target, source in zip(best, now, strict=True):
            target[member].copy_(source[member])

    def select(self, members: Sequence[int]) -> Training:
        """Return the training of some members, as far as it has come; this one is then over."""
        self.blocks.clear()  # or their buffers would exist twice
        new = Training(self.stack.select(members), self.pixels, self.targets, self.config)
        for target, source in zip(new.state(), self.state(), strict=True):
            target.copy_(self.stack.pick(source, members) if source.dim() else source)
        return new

    def state(self) -> list[Tensor]:
        """Return what training changes: tensors laid out like the parameters, and numbers."""
        averages = [self.average] if self.average is not self.stack.values else []
        return [self.stack.values, self.best, *averages, *self.optimizer.state()]

    def held(self) -> list[Tensor]:
        """Return every tensor held apart from the blocks', some of them twice."""
        rounded = [self.stack.operands] if self.products is not self.gradient else []
        return [*rounded, self.gradient, self.products, *self.state()]

    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Return each part's gradient twice: as backward leaves it and in the parameters' type."""
        exact, products = self.stack.parts(self.gradient), self.stack.parts(self.products)
        return [(p if p.dim() == 3 else e, e) for e, p in zip(exact, products, strict=True)]

    def update(self) -> Operations:
        """Yield what moves the parameters by one step of the optimiser."""
        for found, exact in self.gradients():
            if found.dtype != exact.dtype:
                yield partial(exact.copy_, found)
        yield from self.optimizer.step(self.stack.flat, self.gradient, self.rate)
        yield from self.stack.rounding()
        if self.average is not self.stack.values:
            yield partial(self.average.lerp_, self.stack.values, 1 - self.config.average)


class Block:
    """Some consecutive batches, and the operations that train on them.

    Their images are gathered at once. On a GPU the operations are captured in one CUDA graph and
    replayed: a small network's step is some fifteen kernels of a few microseconds, which Python
    cannot launch fast enough.
    """

    def __init__(self, training: Training, images: int):
        pixels, targets, size = training.pixels, training.targets, training.stack.size
        steps = -(-images // training.config.batch_size)
        dropouts = [m for m in training.stack.network.layers if isinstance(m, nn.Dropout)]
        self.drawn = {
            "order": targets.new_zeros(size, images, dtype=torch.int64),
            "keys": targets.new_zeros(size, steps, len(dropouts), dtype=torch.int32),
            "rates": targets.new_zeros(1, steps),
            "variants": targets.new_zeros(size, images, dtype=torch.int64),
        }
        self.images = pixels.new_empty(size, images, INPUT_DIM)
        self.targets = targets.new_empty(OUTPUT_DIM, size, images)
        self.logits: list[Tensor] = []  # of each batch, (S, 10, B)
        self.held = [*self.drawn.values(), self.images, self.targets]
        work = partial(run, list(self._operations(training)))
        self.work = captured(work, training) if pixels.is_cuda else work

    def train(self, drawn: Mapping[str, Tensor]) -> Tensor:
        """Train on the images at the drawn `order` (S, n).

        Returns their logits (S, 10, n), each before its step.
        """
        for name, values in drawn.items():
            self.drawn[name].copy_(values)
        with denormals_flushed():
            self.work()
        return torch.cat(self.logits, 2)

    def _operations(self, training: Training) -> Operations:
        stack, batch = training.stack, training.config.batch_size
        rows, columns = self.images.view(-1, INPUT_DIM), self.targets.view(OUTPUT_DIM, -1)
        order, smoothing = self.drawn["order"].view(-1), training.config.label_smoothing
        yield partial(torch.index_select, training.pixels, 0, order, out=rows)
        yield partial(torch.index_select, training.targets, 1, order, out=columns)
        if training.config.augment != "none":
            augment = Augment(self.images, self.drawn["variants"], training.config.augment)
            self.held += augment.held
            yield from augment.forward()
        if smoothing:
            yield partial(columns.mul_, 1 - smoothing)
            yield partial(columns.add_, smoothing / OUTPUT_DIM)
        batches = self.images.mT.split(batch, 2)  # (S, 784, B) each
        buffers = {n: stack.buffers(n, deltas=True) for n in {each.shape[2] for each in batches}}
        self.held += [t for each in buffers.values() for s in each for t in (s.values, s.delta)]
        gradients = stack.by_layer([found for found, _ in training.gradients()])
        update = list(training.update())
        wanted = self.targets.movedim(1, 0).split(batch, 2)  # (S, 10, B) each
        keys = self.drawn["keys"].unbind(1)  # (S, layers) each
        rates = self.drawn["rates"].unbind(1)  # of one number each
        for images, targets, key, rate in zip(batches, wanted, keys, rates, strict=True):
            *hidden, last = buffers[images.shape[2]]  # the next batch may overwrite the hidden ones
            last = Signal(last.values.new_empty(last.values.shape), last.delta)
            layers = stack.layers(images, [*hidden, last], key[:, :, None, None].unbind(1))
            self.held += [tensor for layer in layers for tensor in layer.held]
            logits = last.values.to(targets)  # itself if the type is the same
            self.logits.append(logits)
            self.held += last.values, logits
            for layer in layers:
                yield from layer.forward()
            if logits is not last.values:
                yield partial(logits.copy_, last.values)
            count = targets.new_tensor(float(images.shape[2]))
            loss = LOSSES[training.config.loss]
            yield partial(differentiate, loss, logits, targets, count, last.delta)
            for layer, own in zip(reversed(layers), reversed(gradients), strict=True):
                yield from layer.backward(*own)
            if isinstance(training.rate, Tensor):
                yield partial(training.rate.copy_, rate)
            yield from update


def captured(work: Callable[[], object], training: Training) -> Callable[[], object]:
    """Return what replays the work, captured once in a CUDA graph; the training is unchanged."""
    graph, before = torch.cuda.CUDAGraph(), [tensor.clone() for tensor in training.state()]
    with torch.cuda.device_of(training.pixels):  # where streams and graphs are made
        side = torch.cuda.Stream()  # capture needs a warm-up on its own stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            work()
    for tensor, saved in zip(training.state(), before, strict=True):
        tensor.copy_(saved)
    run(training.stack.rounding())
    return graph.replay


def differentiate(loss: Loss, logits: Tensor, targets: Tensor, images: Tensor, out: Tensor) -> None:
    """Fill the gradient of a batch's mean loss with respect to the logits; `images`: its size."""
    torch.div(loss.gradient(logits, targets), images, out=out)


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Treat numbers below 1e-38 as zero; afterwards compute as the caller did.

    Adam's moments for pixels that are nearly always black decay to such numbers, which make
    processors many times slower; compared with epsilon they are zero.
    """
    before = sys.float_info.min / 2 == 0  # PyTorch does not say, but sets it for Python too
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
