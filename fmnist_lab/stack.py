"""A stack of networks that train together: forward, backward and Adam, written out.

The S members differ only in their seed. Parameters of one layer have shape (S, in, out), so one
batched matrix product serves all members; all parameters of all members lie in one flat tensor,
so one fused Adam call updates them. A stack of one is the ordinary case.

The gradients are written by hand because autograd's bookkeeping, and allocating every
intermediate anew, cost as much as the arithmetic at small batches. `tests/test_stack.py` holds
every step against autograd and `torch.optim.Adam`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .losses import LOSSES
from .model import INPUT_DIM, OUTPUT_DIM, FashionClassifier

# Adam as in PyTorch's defaults, which are those of Kingma & Ba (2015), algorithm 1.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Stack:
    """Hold S networks of one shape: parameters, gradients, Adam's moments, best parameters."""

    def __init__(
        self, networks: Sequence[FashionClassifier], device: torch.device, dtype: torch.dtype
    ):
        self.shape = [(layer.in_features, layer.out_features) for layer in networks[0].linears()]
        per_layer = zip(*(network.linears() for network in networks), strict=True)
        pieces = []
        for layers in per_layer:
            pieces.append(
                torch.stack([layer.weight.detach().T for layer in layers])
            )  # (S, in, out)
            pieces.append(torch.stack([layer.bias.detach() for layer in layers]))  # (S, out)
        flat = torch.cat([piece.reshape(-1) for piece in pieces]).to(device, dtype)
        self._adopt(
            len(networks), flat, torch.zeros_like(flat), torch.zeros_like(flat), flat.clone()
        )
        self.steps = torch.zeros((), device=device)

    def _adopt(
        self, size: int, flat: Tensor, moment1: Tensor, moment2: Tensor, best: Tensor
    ) -> None:
        self.size = size
        self.flat, self.moment1, self.moment2, self.best = flat, moment1, moment2, best
        self.gradient = torch.zeros_like(flat)
        self.layers = self.views(flat)
        self.gradients = self.views(self.gradient)

    def views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each layer's weights (S, in, out) and biases (S, 1, out) as views of `flat`."""
        views, start = [], 0
        for inputs, outputs in self.shape:
            middle = start + self.size * inputs * outputs
            end = middle + self.size * outputs
            weights = flat[start:middle].view(self.size, inputs, outputs)
            views.append((weights, flat[middle:end].view(self.size, 1, outputs)))
            start = end
        return views

    def buffers(self, batch: int) -> list[Tensor]:
        """Return one empty activation (S, batch, out) a layer."""
        return [self.flat.new_empty(self.size, batch, outputs) for _, outputs in self.shape]

    def forward(self, images: Tensor, activations: list[Tensor]) -> Tensor:
        """Fill `activations` from images (S, B, 784); return the last, the logits (S, B, 10)."""
        hidden = images
        for (weights, biases), out in zip(self.layers, activations, strict=True):
            torch.baddbmm(biases, hidden, weights, out=out)  # (S, B, out)
            hidden = out if out is activations[-1] else out.relu_()
        return hidden

    def backward(self, images: Tensor, activations: list[Tensor], deltas: list[Tensor]) -> None:
        """Fill the gradient; `deltas[-1]` holds the loss's gradient with respect to the logits."""
        for layer in reversed(range(len(self.layers))):
            inputs, delta = activations[layer - 1] if layer else images, deltas[layer]
            weight_gradient, bias_gradient = self.gradients[layer]
            torch.bmm(inputs.mT, delta, out=weight_gradient)  # (S, in, out)
            torch.sum(delta, 1, keepdim=True, out=bias_gradient)  # (S, 1, out)
            if layer:
                below = deltas[layer - 1]
                torch.bmm(delta, self.layers[layer][0].mT, out=below)  # (S, B, in)
                # ReLU passes the gradient where its output is positive.
                torch.ops.aten.threshold_backward.grad_input(below, inputs, 0, grad_input=below)

    def adam(self, learning_rate: float) -> None:
        """Update all parameters: the call inside `torch.optim.Adam(fused=True)`.

        Called directly because the optimiser object's Python took as long again as the update
        of 100 thousand parameters (101 against 50 microseconds).
        """
        self.steps += 1
        torch._fused_adam_(
            [self.flat], [self.gradient], [self.moment1], [self.moment2], [], [self.steps],
            lr=learning_rate, beta1=BETA1, beta2=BETA2, weight_decay=0.0, eps=EPSILON,
            amsgrad=False, maximize=False,
        )  # fmt: skip

    def keep_best(self, member: int) -> None:
        """Remember the member's parameters as its best."""
        for best, now in zip(self.views(self.best), self.layers, strict=True):
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
        new._adopt(len(members), flat, pick(self.moment1), pick(self.moment2), pick(self.best))
        return new

    def network(self, member: int) -> FashionClassifier:
        """Return a member as the report's module, on the CPU."""
        depth = len(self.shape) - 1
        network = FashionClassifier(INPUT_DIM, depth, self.shape[0][1], OUTPUT_DIM)
        network.to(self.flat.dtype)
        with torch.no_grad():
            for linear, (weights, biases) in zip(network.linears(), self.layers, strict=True):
                linear.weight.copy_(weights[member].T)
                linear.bias.copy_(biases[member, 0])
        return network


class Step:
    """One training step of a stack at a fixed batch size, with its buffers.

    On a GPU the work is captured once in a CUDA graph and replayed: a small network's step is
    some fifteen kernels of a few microseconds, which Python cannot launch fast enough.
    """

    def __init__(
        self,
        stack: Stack,
        images: Tensor,
        targets: Tensor,
        batch: int,
        loss: str,
        learning_rate: float,
    ):
        self.stack, self.all_images, self.all_targets = stack, images, targets
        self.loss, self.learning_rate, self.batch = LOSSES[loss], learning_rate, batch
        self.images = images.new_empty(stack.size, batch, images.shape[1])
        self.targets = targets.new_empty(stack.size, batch, targets.shape[1])
        self.activations, self.deltas = stack.buffers(batch), stack.buffers(batch)
        self.graph: torch.cuda.CUDAGraph | None = None
        if images.is_cuda:
            self._capture()

    def __call__(self, indices: Tensor) -> Tensor:
        """Train on the images at `indices` (S, B); return their logits (S, B, 10) before it."""
        if self.graph is None:
            self._work(indices)
        else:
            self.indices.copy_(indices)
            self.graph.replay()
        return self.activations[-1]

    def _work(self, indices: Tensor) -> None:
        rows = indices.reshape(-1)
        torch.index_select(
            self.all_images, 0, rows, out=self.images.view(-1, self.images.shape[-1])
        )
        torch.index_select(
            self.all_targets, 0, rows, out=self.targets.view(-1, self.targets.shape[-1])
        )
        logits = self.stack.forward(self.images, self.activations)
        torch.div(self.loss.gradient(logits, self.targets), self.batch, out=self.deltas[-1])
        self.stack.backward(self.images, self.activations, self.deltas)
        self.stack.adam(self.learning_rate)

    def _capture(self) -> None:
        stack = self.stack
        self.indices = torch.zeros(
            stack.size, self.batch, dtype=torch.int64, device=stack.flat.device
        )
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
