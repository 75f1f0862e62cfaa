"""What an expert writes in JAX: the whole epoch as one compiled `lax.scan`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax

from benchmarks.work import BETA1, BETA2, EPSILON, LEARNING_RATE, Floats, Trainer, Work

Layers = list[tuple[Any, Any]]  # each layer's weights (in, out) and biases (out,)
State = tuple[Layers, Layers, Layers, Any]  # parameters, Adam's two moments, steps so far


def initial(sizes: list[tuple[int, int]], seed: int) -> State:
    """Return a network initialised as PyTorch does, and Adam's state before step 1."""
    rng = np.random.default_rng(seed)

    def uniform(fan_in: int, *shape: int) -> Any:
        return jnp.asarray(rng.uniform(-1, 1, shape) / fan_in**0.5, jnp.float32)

    layers = [(uniform(n, n, m), uniform(n, m)) for n, m in sizes]
    return layers, *(jax.tree.map(jnp.zeros_like, layers) for _ in range(2)), jnp.zeros((), int)


def forward(layers: Layers, images: Any) -> Any:
    """Return the logits (B, 10) of images (B, 784), whose type is that of the products."""
    *hidden, last = jax.tree.map(lambda part: part.astype(images.dtype), layers)
    for weights, biases in hidden:
        images = jax.nn.relu(images @ weights + biases)
    return (images @ last[0] + last[1]).astype(jnp.float32)


def loss(layers: Layers, images: Any, labels: Any) -> Any:
    """Return the mean cross-entropy of a batch."""
    log_probabilities = jax.nn.log_softmax(forward(layers, images))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], 1).mean()


def step(state: State, images: Any, labels: Any) -> State:
    """Return the state after one step of Adam."""
    layers, first, second, count = state
    gradients = jax.grad(loss)(layers, images, labels)
    count = count + 1
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradients)
    rate, scale = LEARNING_RATE / (1 - BETA1**count), 1 / (1 - BETA2**count)

    def update(p: Any, m: Any, v: Any) -> Any:
        return p - rate * m / (jnp.sqrt(v * scale) + EPSILON)

    return jax.tree.map(update, layers, first, second), first, second, count


def epoch(state: State, order: Any, pixels: Any, labels: Any, *, batch: int) -> State:
    """Return the state after an epoch in that order; its last batch may be smaller."""
    full = len(order) // batch * batch

    def on(state: State, rows: Any) -> tuple[State, None]:
        return step(state, pixels[rows], labels[rows]), None

    state, _ = lax.scan(on, state, order[:full].reshape(-1, batch))
    return on(state, order[full:])[0] if full < len(order) else state


class Jax(Trainer):
    """Trains one network."""

    def __init__(self, work: Work):
        self.pixels = jnp.asarray(work.pixels, work.workload.precision)
        self.labels = jnp.asarray(work.labels)
        self.rng = np.random.default_rng(work.seed)
        self.state = initial(work.workload.sizes, work.seed)
        self.train = jax.jit(partial(epoch, batch=work.workload.batch), donate_argnums=0)

    def epoch(self) -> None:
        order = self.rng.permutation(len(self.pixels))
        self.state = self.train(self.state, order, self.pixels, self.labels)
        jax.block_until_ready(self.state)

    def steps(self) -> int:
        return int(self.state[3].ravel()[0])

    def parameters(self) -> int:
        return sum(part.size for part in jax.tree.leaves(self.state[0]))

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return np.asarray(forward(self.state[0], jnp.asarray(pixels, self.pixels.dtype)))


class JaxSeeds(Jax):
    """Trains several networks at once, with `vmap`."""

    def __init__(self, work: Work):
        super().__init__(work)
        seeds = range(work.seed, work.seed + work.workload.seeds)
        states = [initial(work.workload.sizes, seed) for seed in seeds]
        self.state = jax.tree.map(lambda *parts: jnp.stack(parts), *states)
        one = partial(epoch, batch=work.workload.batch)
        self.train = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)), donate_argnums=0)
        self.members = len(seeds)

    def epoch(self) -> None:
        orders = [self.rng.permutation(len(self.pixels)) for _ in range(self.members)]
        self.state = self.train(self.state, np.stack(orders), self.pixels, self.labels)
        jax.block_until_ready(self.state)

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return np.asarray(jax.vmap(forward, in_axes=(0, None))(self.state[0], pixels))
