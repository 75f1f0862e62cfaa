"""The hand-written step is held against autograd and torch.optim.Adam."""

import pytest
import torch
from torch import nn

from fmnist_lab.config import LOSS_NAMES, Config
from fmnist_lab.training.losses import LOSSES
from fmnist_lab.training.model import initial_network
from fmnist_lab.training.stack import Stack, Training

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
    network = initial_network(depth, width, seed)
    stack = Stack([network], pixels.device, torch.float32, torch.bfloat16)
    targets = nn.functional.one_hot(labels, 10).T.float().contiguous()
    config = Config(
        loss=loss, depth=depth, width=width, batch_size=BATCH, train_size=BATCH,
        learning_rate=1e-3, precision="bfloat16",
    )  # fmt: skip
    training = Training(stack, pixels.bfloat16(), targets, config)
    logits = training.epoch(torch.arange(BATCH, device=pixels.device)[None])[0].T
    views = stack.views(stack.gradient)
    return logits, [part[0].squeeze(-1) for pair in views for part in pair], stack


def train_stacked(data, depth, width, loss, seeds, epochs, batch_size=BATCH, learning_rate=1e-3):
    pixels, labels = data
    targets = nn.functional.one_hot(labels, 10).T.double()
    networks = [initial_network(depth, width, seed) for seed in seeds]
    stack = Stack(networks, pixels.device, torch.float64)
    config = Config(
        loss=loss, depth=depth, width=width, batch_size=batch_size, train_size=IMAGES,
        learning_rate=learning_rate,
    )  # fmt: skip
    training = Training(stack, pixels, targets, config)
    for order in zip(*(orders(epochs, seed) for seed in seeds), strict=True):
        training.epoch(torch.stack(order).to(pixels.device))
    return [stack.network(member) for member in range(len(seeds))]


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


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_step_in_bfloat16_is_that_of_autocast(data, loss, depth):
    expected, gradients = step_of_autocast(data, depth, 64, loss, seed=7)
    logits, found, _ = step_in_bfloat16(data, depth, 64, loss, seed=7)
    assert logits.dtype == torch.float32
    # Two roundings to 8 bits a layer, of numbers that need not round alike.
    torch.testing.assert_close(logits, expected.float(), rtol=0.02, atol=0.01)
    for one, other in zip(found, gradients, strict=True):
        assert one.dtype == torch.float32
        if not loss.startswith("mae"):  # whose gradient jumps where a rounding changes a sign
            assert (one - other).norm() <= 0.02 * other.norm()


def test_in_bfloat16_only_what_products_read_and_write_is_rounded(data):
    *_, stack = step_in_bfloat16(data, 1, 64, "cross_entropy", seed=7)
    exact = [stack.flat, stack.moment1, stack.moment2, stack.best, stack.gradient]
    assert {tensor.dtype for tensor in exact} == {torch.float32}
    assert stack.operands.dtype == torch.bfloat16
    assert torch.equal(stack.operands, stack.flat.bfloat16())  # fresh after the step
    biases = stack.gradients[0][1]  # summed in float32, and so with more than bfloat16's digits
    assert not torch.equal(biases, biases.bfloat16().float())


def test_in_one_precision_nothing_is_held_twice(device):
    stack = Stack([initial_network(1, 8, 0)], device, torch.float32)
    assert stack.operands is stack.flat
    assert not stack.rounded
    assert not stack.widened


def test_numbers_too_small_to_matter_are_slow_only_while_training(data):
    train_stacked(data, 1, 8, "cross_entropy", seeds=[0], epochs=1)
    assert torch.tensor([1e-40]).mul(1.0).item() > 0  # the caller's arithmetic is as it was


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


def test_selected_members_keep_their_parameters_and_their_best(device):
    networks = [initial_network(1, 8, seed) for seed in range(4)]
    stack = Stack(networks, device, torch.float32)
    stack.keep_best(2)
    remembered = stack.network(2)
    stack.flat.add_(1.0)
    stack.keep_best(0)
    some = stack.select([0, 2])
    assert_same_parameters(some.network(1), stack.network(2), tolerance=0)
    assert_same_parameters(stack.select([2], best=True).network(0), remembered, tolerance=0)
    assert_same_parameters(some.select([1], best=True).network(0), remembered, tolerance=0)
