"""A stack of networks that train together: forward, backward and Adam, written out.

The S members differ only in their seed. Weights of one layer have shape (S, out, in), so one
batched matrix product serves all members; all parameters of all members lie in one flat tensor,
so one fused Adam call updates them. A stack of one is the ordinary case.

A column is an image: a layer's outputs have shape (S, out, B). The other way round, products
with ten columns and a softmax over rows of ten take three to eight times as long on a processor.

A precision is the type of the buffers that products read and write. In bfloat16 they hold
activations, deltas and a rounded copy of the weights; products accumulate in float32, as under
`torch.autocast`. Parameters, bias gradients, Adam's moments and the loss keep the type of `flat`.

The gradients are written by hand because autograd's bookkeeping, and allocating every
intermediate anew, cost as much as the arithmetic at small batches. `tests/test_stack.py` holds
every step against autograd and `torch.optim.Adam`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fmnist_lab.config import Config

from .losses import LOSSES
from .model import INPUT_DIM, OUTPUT_DIM, FashionClassifier

# Adam as in PyTorch's defaults, which are those of Kingma & Ba (2015), algorithm 1.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# Images gathered at once: enough that gathering's overhead does not count, few enough that they
# are still in the cache when their batch comes; and not more steps than a CUDA graph holds well.
BLOCK_IMAGES, BLOCK_BATCHES = 256, 64


class Stack:
    """Hold S networks of one shape: parameters, gradient, Adam's two moments, best parameters.

    That is five numbers a parameter: 20 bytes in single precision, for each member. Where
    `operands`, the type that products are made in, differs from `dtype`, weights and gradients
    are there a second time: 4 bytes more in bfloat16.
    """

    def __init__(
        self,
        networks: Sequence[FashionClassifier],
        device: torch.device,
        dtype: torch.dtype,
        operands: torch.dtype | None = None,
    ):
        self.shape = [(layer.in_features, layer.out_features) for layer in networks[0].linears()]
        per_layer = zip(*(network.linears() for network in networks), strict=True)
        pieces = []
        for layers in per_layer:
            pieces.append(torch.stack([layer.weight.detach() for layer in layers]))  # (S, out, in)
            pieces.append(torch.stack([layer.bias.detach() for layer in layers]))  # (S, out)
        flat = torch.cat([piece.reshape(-1) for piece in pieces]).to(device, dtype)
        zeros = torch.zeros_like(flat), torch.zeros_like(flat)
        self._adopt(len(networks), flat, *zeros, flat.clone(), operands or dtype)
        self.steps = torch.zeros((), device=device)

    def _adopt(
        self,
        size: int,
        flat: Tensor,
        moment1: Tensor,
        moment2: Tensor,
        best: Tensor,
        operands: torch.dtype,
    ) -> None:
        self.size = size
        self.flat, self.moment1, self.moment2, self.best = flat, moment1, moment2, best
        self.gradient = torch.zeros_like(flat)
        self.operands = flat.to(operands)  # `flat` itself where that is its type
        products = self.gradient.to(operands)
        self.parameters = self.views(flat)
        self.layers = self.views(self.operands)
        self.gradients = [
            (weights, biases)
            for (weights, _), (_, biases) in zip(
                self.views(products), self.views(self.gradient), strict=True
            )
        ]
        # Pairs (to, from) of what is held in both types; none in one precision.
        apart = products is not self.gradient
        self.rounded = [(self.operands, flat)] * apart
        self.widened = [
            (to, weights)
            for (to, _), (weights, _) in zip(self.views(self.gradient), self.gradients, strict=True)
        ] * apart
        self.transposed = [weights.mT for weights, _ in self.layers]
        self.one = torch.ones((), device=flat.device)

    def views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each layer's weights (S, out, in) and biases (S, out, 1) as views of `flat`."""
        views, start = [], 0
        for inputs, outputs in self.shape:
            middle = start + self.size * inputs * outputs
            end = middle + self.size * outputs
            weights = flat[start:middle].view(self.size, outputs, inputs)
            views.append((weights, flat[middle:end].view(self.size, outputs, 1)))
            start = end
        return views

    def buffers(self, batch: int) -> list[Tensor]:
        """Return one empty tensor (S, out, batch) a layer."""
        return [self.operands.new_empty(self.size, outputs, batch) for _, outputs in self.shape]

    def forward(self, values: Sequence[Tensor]) -> Tensor:
        """Fill `values[1:]`, each layer's outputs (S, out, B), from the images `values[0]`.

        Returns the last, the logits (S, 10, B).
        """
        last = len(self.layers) - 1
        for layer, (weights, biases) in enumerate(self.layers):
            torch.baddbmm(biases, weights, values[layer], out=values[layer + 1])
            if layer < last:
                values[layer + 1].relu_()
        return values[-1]

    def backward(self, batch: Batch) -> None:
        """Fill the gradient; `batch.deltas[-1]` holds the loss's with respect to the logits."""
        for layer in reversed(range(len(self.layers))):
            delta = batch.deltas[layer]
            weight_gradient, bias_gradient = self.gradients[layer]
            batch.product(delta, batch.transposed[layer], out=weight_gradient)  # (S, out, in)
            torch.sum(
                delta, 2, keepdim=True, dtype=self.flat.dtype, out=bias_gradient
            )  # (S, out, 1)
            if layer:
                below, inputs = batch.deltas[layer - 1], batch.values[layer]
                torch.bmm(self.transposed[layer], delta, out=below)  # (S, in, B)
                relu_backward(below, inputs)

    def adam(self, learning_rate: float) -> None:
        """Update all parameters by a step of Adam."""
        for wide, products in self.widened:
            wide.copy_(products)
        self.steps.add_(self.one)  # a number would be made a tensor every time, which takes longer
        moments = self.moment1, self.moment2
        fused_adam(self.flat, self.gradient, *moments, self.steps, learning_rate)
        self.round()

    def round(self) -> None:
        """Round the parameters to what products read, where that is another type."""
        for operands, exact in self.rounded:
            operands.copy_(exact)

    def keep_best(self, member: int) -> None:
        """Remember the member's parameters as its best."""
        for best, now in zip(self.views(self.best), self.parameters, strict=True):
            for target, source in zip(best, now, strict=True):
                target[member].copy_(source[member])

    def select(self, members: Sequence[int], *, best: bool = False) -> Stack:
        """Return a new stack of some members, at their best parameters if asked."""

        def pick(flat: Tensor) -> Tensor:
            chosen = [t[list(members)].reshape(-1) for pair in self.views(flat) for t in pair]
            return torch.cat(chosen)

        new = object.__new__(Stack)
        new.shape, new.steps = self.shape, self.steps.clone()
        flat = pick(self.best if best else self.flat)
        moments = pick(self.moment1), pick(self.moment2)
        new._adopt(len(members), flat, *moments, pick(self.best), self.operands.dtype)
        return new

    def network(self, member: int) -> FashionClassifier:
        """Return a member as the report's module, on the CPU."""
        depth = len(self.shape) - 1
        network = FashionClassifier(INPUT_DIM, depth, self.shape[0][1], OUTPUT_DIM)
        network.to(self.flat.dtype)
        with torch.no_grad():
            for linear, (weights, biases) in zip(network.linears(), self.parameters, strict=True):
                linear.weight.copy_(weights[member])
                linear.bias.copy_(biases[member, :, 0])
        return network


# The two calls into PyTorch that are not public: tests/training/test_private.py fails with a
# sentence when they change.


def fused_adam(
    flat: Tensor,
    gradient: Tensor,
    moment1: Tensor,
    moment2: Tensor,
    steps: Tensor,
    learning_rate: float,
) -> None:
    """Update parameters by one step of Adam; `steps` () counts this one already.

    It is the call inside the public `torch.optim.Adam(fused=True)`, whose Python took as long
    again as the update of 100 thousand parameters (101 against 50 microseconds).
    """
    torch._fused_adam_(
        [flat], [gradient], [moment1], [moment2], [], [steps],
        lr=learning_rate, beta1=BETA1, beta2=BETA2, weight_decay=0.0, eps=EPSILON,
        amsgrad=False, maximize=False,
    )  # fmt: skip


def relu_backward(gradient: Tensor, outputs: Tensor) -> None:
    """Let the gradient pass where ReLU's output is positive, in place.

    The public `gradient.mul_(outputs > 0)` makes a tensor of the mask first, and NaN of infinity.
    """
    torch.ops.aten.threshold_backward.grad_input(gradient, outputs, 0, grad_input=gradient)


@dataclass(frozen=True)
class Batch:
    """The tensors of one batch, made once: even a view takes as long as a small product."""

    values: list[Tensor]  # images (S, 784, B), then each layer's outputs (S, out, B)
    transposed: list[Tensor]  # each layer's inputs (S, B, in), views of `values[:-1]`
    logits: Tensor  # (S, 10, B), the last outputs in the targets' type
    deltas: list[Tensor]  # the loss's gradient with respect to each layer's outputs
    targets: Tensor  # (S, 10, B)
    size: Tensor  # (), the number B
    product: Callable[..., Tensor]  # multiplies (S, out, B) by (S, B, in)


class Block:
    """Some batches in a row, and the buffers to train on them.

    Their images are gathered at once. On a GPU the work on all of them is captured in one CUDA
    graph and replayed: a small network's step is some fifteen kernels of a few microseconds,
    which Python cannot launch fast enough.
    """

    def __init__(self, stack: Stack, pixels: Tensor, targets: Tensor, config: Config, images: int):
        self.stack, self.pixels, self.targets = stack, pixels, targets
        self.loss, self.learning_rate = LOSSES[config.loss], config.learning_rate
        self.gathered = pixels.new_empty(stack.size * images, pixels.shape[1])
        self.gathered_targets = targets.new_empty(OUTPUT_DIM, stack.size * images)
        self.batches = list(self._batches(config.batch_size))
        self.graph: torch.cuda.CUDAGraph | None = None
        if pixels.is_cuda:
            self._capture(images)

    def _batches(self, batch_size: int) -> Iterator[Batch]:
        stack, buffers = self.stack, {}
        images = self.gathered.view(stack.size, -1, INPUT_DIM)  # (S, N, 784)
        targets = self.gathered_targets.view(OUTPUT_DIM, stack.size, -1).movedim(0, 1)
        for rows, columns in zip(
            images.split(batch_size, 1), targets.split(batch_size, 2), strict=True
        ):
            size = rows.shape[1]
            if size not in buffers:  # of hidden layers: the next batch may overwrite them
                buffers[size] = stack.buffers(size)[:-1], stack.buffers(size)
            hidden, deltas = buffers[size]
            outputs = rows.new_empty(stack.size, OUTPUT_DIM, size)
            values = [rows.mT, *hidden, outputs]
            yield Batch(
                values=values,
                transposed=[value.mT for value in values[:-1]],
                logits=outputs.to(columns.dtype),  # `outputs` itself where that is its type
                deltas=deltas,
                targets=columns,
                size=torch.tensor(float(size), dtype=columns.dtype, device=columns.device),
                # A column times a row: broadcasting is faster than a matrix product.
                product=torch.mul if size == 1 else torch.bmm,
            )

    def train(self, indices: Tensor) -> Tensor:
        """Train on the images at `indices` (S, N); return each one's logits before its step.

        They have shape (S, 10, N).
        """
        if self.graph is None:
            self._work(indices)
        else:
            self.indices.copy_(indices)
            self.graph.replay()
        return torch.cat([batch.logits for batch in self.batches], 2)

    def _work(self, indices: Tensor) -> None:
        rows = indices.reshape(-1)
        torch.index_select(self.pixels, 0, rows, out=self.gathered)
        torch.index_select(self.targets, 1, rows, out=self.gathered_targets)
        for batch in self.batches:
            outputs = self.stack.forward(batch.values)
            if batch.logits is not outputs:
                batch.logits.copy_(outputs)
            gradient = self.loss.gradient(batch.logits, batch.targets)
            torch.div(gradient, batch.size, out=batch.deltas[-1])
            self.stack.backward(batch)
            self.stack.adam(self.learning_rate)

    def _capture(self, images: int) -> None:
        stack = self.stack
        self.indices = torch.zeros(stack.size, images, dtype=torch.int64, device=stack.flat.device)
        state = [stack.flat, stack.moment1, stack.moment2, stack.steps]
        before = [tensor.clone() for tensor in state]
        side = torch.cuda.Stream()  # capture wants a warm-up on a stream of its own
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._work(self.indices)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._work(self.indices)
        for tensor, saved in zip(state, before, strict=True):
            tensor.copy_(saved)
        stack.round()


class Training:
    """Trains a stack, an epoch a call."""

    def __init__(self, stack: Stack, pixels: Tensor, targets: Tensor, config: Config):
        """Take all images (N, 784) and their one-hot targets (10, N), on the stack's device."""
        batches = max(1, min(BLOCK_IMAGES // config.batch_size, BLOCK_BATCHES))
        self.block = min(batches * config.batch_size, config.train_size)
        sizes = {self.block, config.train_size % self.block or self.block}
        self.blocks = {n: Block(stack, pixels, targets, config, n) for n in sizes}

    def epoch(self, order: Tensor, between: Callable[[], None] = lambda: None) -> Tensor:
        """Train once on the images at `order` (S, train_size), batch by batch.

        Returns each image's logits (S, 10, train_size) before the step it was part of. `between`
        is called before each block of batches; what it raises leaves the rest undone.
        """
        # Adam's moments of pixels that are nearly always black decay to numbers below 1e-38,
        # with which processors compute many times slower; beside epsilon they are zero.
        torch.set_flush_denormal(True)
        try:
            parts = []
            for part in order.split(self.block, 1):
                between()
                parts.append(self.blocks[part.shape[1]].train(part))
            return torch.cat(parts, 2)
        finally:
            torch.set_flush_denormal(False)
