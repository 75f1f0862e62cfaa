"""The hand-written step is compared with autograd and torch.optim.Adam."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from fmnist_lab.config import LOSS_NAMES, Config
from fmnist_lab.training import layers
from fmnist_lab.training.layers import Linear, Signal
from fmnist_lab.training.losses import LOSSES
from fmnist_lab.training.model import initial_network, network_of
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training

IMAGES, BATCH = 600, 32  # two blocks of 256, then two batches of 32 and a partial one of 24
# On a GPU a block's work is recorded once and replayed: all of it is tried there too.
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=NO_GPU)])
def device(request):
    return torch.device(request.param)


def loss_of_pytorch(name, logits, labels):
    """The same losses from PyTorch's own modules."""
    targets = nn.functional.one_hot(labels, 10).to(logits.dtype)
    outputs = logits.softmax(-1) if name.endswith("_probabilities") else logits
    if name == "cross_entropy":
        return nn.functional.cross_entropy(logits, labels)
    if name.startswith("mse"):
        return nn.functional.mse_loss(outputs, targets)
    return nn.functional.l1_loss(outputs, targets)


@pytest.fixture(scope="module")
def data(device):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(IMAGES, 784, generator=generator, dtype=torch.float64)
    return pixels.to(device), torch.randint(10, (IMAGES,), generator=generator).to(device)


def orders(epochs, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(IMAGES, generator=generator) for _ in range(epochs)]


def train_plainly(data, depth, width, loss, seed, epochs, batch_size=BATCH, learning_rate=1e-3):
    pixels, labels = data
    network = initial_network(depth, width, seed).to(pixels)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for order in orders(epochs, seed):
        for batch in order.split(batch_size):
            optimizer.zero_grad()
            loss_of_pytorch(loss, network(pixels[batch]), labels[batch]).backward()
            optimizer.step()
    return network.cpu()


def step_of_autocast(data, depth, width, loss, seed):
    """Logits and gradients of one batch from PyTorch's own mixed precision."""
    pixels, labels = (part[:BATCH] for part in data)
    network = initial_network(depth, width, seed).to(pixels.device)
    with torch.autocast(pixels.device.type, torch.bfloat16):
        logits = network(pixels.float())
    loss_of_pytorch(loss, logits.float(), labels).backward()
    return logits.detach(), [parameter.grad for parameter in network.parameters()]


def step_in_bfloat16(data, depth, width, loss, seed):
    """Logits and gradients of the same batch from a stack, and the stack after its step."""
    pixels, labels = (part[:BATCH] for part in data)
    targets = nn.functional.one_hot(labels, 10).T.float().contiguous()
    stack = Stack.of([initial_network(depth, width, seed)], pixels.bfloat16(), targets)
    config = Config(
        loss=loss, depth=depth, width=width, batch_size=BATCH, train_size=BATCH,
        learning_rate=1e-3, precision="bfloat16",
    )  # fmt: skip
    training = Training(stack, pixels.bfloat16(), targets, config)
    (logits,) = training.epoch(torch.arange(BATCH, device=pixels.device)[None])
    return logits[0].T, [part[0] for part in stack.parts(training.gradient)], training


def train_stacked(data, depth, width, loss, seeds, epochs, batch_size=BATCH, learning_rate=1e-3):
    pixels, labels = data
    targets = nn.functional.one_hot(labels, 10).T.double()
    stack = Stack.of([initial_network(depth, width, seed) for seed in seeds], pixels, targets)
    config = Config(
        loss=loss, depth=depth, width=width, batch_size=batch_size, train_size=IMAGES,
        learning_rate=learning_rate,
    )  # fmt: skip
    training = Training(stack, pixels, targets, config)
    for order in zip(*(orders(epochs, seed) for seed in seeds), strict=True):
        list(training.epoch(torch.stack(order).to(pixels.device)))
    return [network(stack, member, depth, width) for member in range(len(seeds))]


def network(stack, member, depth, width):
    """A member as the report's module."""
    return network_of(Config(depth=depth, width=width), stack.select([member]).values.cpu().numpy())


def assert_same_parameters(one, other, tolerance=1e-12):
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_fifty_seven_steps_equal_autograd_and_pytorchs_adam(data, loss, depth):
    plain = train_plainly(data, depth, 16, loss, seed=7, epochs=3)
    (stacked,) = train_stacked(data, depth, 16, loss, seeds=[7], epochs=3)
    assert_same_parameters(plain, stacked, tolerance=1e-10)


@pytest.mark.parametrize("batch_size", [1, 7, 400, IMAGES, 2 * IMAGES])
def test_steps_equal_autograds_at_any_batch_size(data, batch_size):
    plain = train_plainly(data, 1, 16, "cross_entropy", 7, epochs=2, batch_size=batch_size)
    (stacked,) = train_stacked(data, 1, 16, "cross_entropy", [7], 2, batch_size=batch_size)
    assert_same_parameters(plain, stacked, tolerance=1e-10)


@pytest.mark.parametrize("instructions", [True, False], ids=["as PyTorch", "in single precision"])
@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_step_in_bfloat16_is_that_of_autocast(data, loss, depth, instructions, monkeypatch):
    monkeypatch.setattr(layers, "has_bfloat16", lambda: instructions)
    expected, gradients = step_of_autocast(data, depth, 64, loss, seed=7)
    logits, found, _ = step_in_bfloat16(data, depth, 64, loss, seed=7)
    assert logits.dtype == torch.float32
    # Two roundings to 8 bits per layer, of numbers that need not round alike.
    torch.testing.assert_close(logits, expected.float(), rtol=0.02, atol=0.01)
    for one, other in zip(found, gradients, strict=True):
        assert one.dtype == torch.float32
        if not loss.startswith("mae"):  # whose gradient jumps where a rounding changes a sign
            assert (one - other).norm() <= 0.02 * other.norm()


def test_in_bfloat16_only_what_products_read_and_write_is_rounded(data):
    *_, training = step_in_bfloat16(data, 1, 64, "cross_entropy", seed=7)
    stack, exact = training.stack, [*training.state(), training.gradient]
    assert {tensor.dtype for tensor in exact} == {torch.float32}
    assert stack.operands.dtype == torch.bfloat16
    assert torch.equal(stack.operands, stack.flat.bfloat16())  # fresh after the step
    # Summed in float32, and so with more than bfloat16's digits.
    _, biases, *_ = stack.parts(training.gradient)
    assert not torch.equal(biases, biases.bfloat16().float())


@pytest.fixture
def training(data):
    """The training of four small networks that has not begun."""
    pixels, labels = data
    targets = nn.functional.one_hot(labels, 10).T.float().contiguous()
    stack = Stack.of([initial_network(1, 8, seed) for seed in range(4)], pixels.float(), targets)
    config = Config(depth=1, width=8, batch_size=BATCH, train_size=IMAGES)
    return Training(stack, pixels.float(), targets, config)


def test_in_one_precision_nothing_is_held_twice_and_converted(training):
    assert training.stack.operands is training.stack.flat
    assert training.products is training.gradient
    assert not list(training.stack.rounding())
    step = training.optimizer.step(training.stack.flat, training.gradient, 0.1)
    assert len(list(training.update())) == len(list(step))


@pytest.fixture
def unflushed():
    """Let a test set what becomes of denormal numbers."""
    yield
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("flushed", [False, True])
def test_numbers_too_small_to_matter_are_zero_while_training_and_then_as_before(
    flushed, training, unflushed
):
    training.pixels.zero_()  # so the gradient of the first layer's weights is zero
    moment, *_ = training.stack.parts(training.optimizer.moment1)
    moment.fill_(1e-39)
    torch.set_flush_denormal(flushed)
    list(training.epoch(torch.arange(IMAGES, device=moment.device).expand(4, -1)))
    if moment.device.type == "cpu":
        assert not moment.any()
    assert (torch.tensor([1e-39]).mul(1.0).item() == 0) is flushed


@pytest.mark.parametrize(
    ("batch_size", "train_size", "block"),
    [
        (1, 600, 64),  # batches: no more than suit a graph
        (4, 600, 256),
        (5, 600, 255),  # images: no more than fit into a cache
        (256, 600, 256),
        (257, 600, 257),  # a batch at least
        (257, 200, 200),
    ],
)
def test_a_block_is_as_many_batches_as_serve(batch_size, train_size, block, training):
    config = replace(training.config, batch_size=batch_size, train_size=train_size)
    assert Training(training.stack, training.pixels, training.targets, config).block == block


@pytest.mark.parametrize(("batch", "product"), [(1, torch.mul), (2, torch.bmm)])
def test_the_outer_product_of_a_single_image_is_no_matrix_product(batch, product):
    """Broadcasting takes half as long and gives the same bits."""
    below, above = (
        Signal(torch.randn(1, size, batch), torch.randn(1, size, batch)) for size in (50, 30)
    )
    gradients = torch.empty(1, 30, 50), torch.empty(1, 30)
    layer = Linear(below, above, torch.randn(1, 30, 50), torch.randn(1, 30))
    first, *_ = layer.backward(*gradients)
    assert isinstance(first, partial)
    assert first.func is product
    first()
    assert torch.equal(gradients[0], torch.bmm(above.delta, below.values.mT))


def test_a_member_of_a_stack_trains_as_it_does_alone(data):
    together = train_stacked(data, 2, 16, "cross_entropy", seeds=[3, 4, 5], epochs=3)
    for seed, member in zip([3, 4, 5], together, strict=True):
        (alone,) = train_stacked(data, 2, 16, "cross_entropy", seeds=[seed], epochs=3)
        assert_same_parameters(alone, member)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_a_losss_gradient_is_the_derivative_of_its_value(name):
    logits = torch.randn(10, 5, dtype=torch.float64, requires_grad=True)
    targets = nn.functional.one_hot(torch.arange(5), 10).T.double()
    (expected,) = torch.autograd.grad(LOSSES[name].value(logits, targets).sum(), logits)
    torch.testing.assert_close(LOSSES[name].gradient(logits.detach(), targets), expected)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_a_losss_mean_is_pytorchs(name):
    logits, labels = torch.randn(8, 10, dtype=torch.float64), torch.randint(10, (8,))
    targets = nn.functional.one_hot(labels, 10).double()
    expected = loss_of_pytorch(name, logits, labels)
    torch.testing.assert_close(LOSSES[name].value(logits.T, targets.T).mean(), expected)


def test_selected_members_keep_their_parameters_and_their_best(training):
    stack = training.stack
    training.keep_best(2)
    remembered = stack.select([2]).flat
    stack.flat.add_(1.0)
    training.keep_best(0)
    some = training.select([0, 2])
    assert torch.equal(some.stack.select([1]).flat, stack.select([2]).flat)
    assert torch.equal(stack.select([2], training.best).flat, remembered)
    assert torch.equal(some.stack.select([1], some.best).flat, remembered)


def test_the_members_that_are_left_train_on_as_if_nothing_had_happened(training):
    copied = training.stack.select(range(4))
    all_four = Training(copied, training.pixels, training.targets, training.config)
    orders = torch.stack([torch.randperm(IMAGES) for _ in range(4)]).to(training.pixels.device)
    for each in (training, all_four):
        list(each.epoch(orders))
    left = training.select([1, 3])
    list(left.epoch(orders[[1, 3]]))
    list(all_four.epoch(orders))
    for mine, theirs in zip(left.state(), all_four.state(), strict=True):
        expected = all_four.stack.pick(theirs, [1, 3]) if theirs.dim() else theirs
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6)
