"""Each technique against PyTorch's own, fifty steps in double precision."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.transforms.functional import crop, hflip, pad

from fmnist_lab.config import Config
from fmnist_lab.training.augment import variants
from fmnist_lab.training.dropout import hashed
from fmnist_lab.training.evaluation import predict
from fmnist_lab.training.model import (
    FashionClassifier,
    initial_network,
    network_of,
    techniques,
)
from fmnist_lab.training.optimizers import orthogonal
from fmnist_lab.training.schedule import cosine
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training

IMAGES, EPOCHS = 300, 5  # in batches of 32: ten steps per epoch, the last on 12 images
CONFIG = Config(depth=2, width=16, batch_size=32, learning_rate=1e-2, train_size=IMAGES)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(IMAGES, 784, generator=generator, dtype=torch.float64)
    return pixels, torch.randint(10, (IMAGES,), generator=generator)


def orders(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(IMAGES, generator=generator) for _ in range(EPOCHS)]


def trained(config, data, seeds) -> Training:
    """The training of a stack after all epochs."""
    pixels, labels = data
    targets = nn.functional.one_hot(labels, 10).T.double()
    networks = [start(config, seed) for seed in seeds]
    training = Training(Stack.of(networks, pixels, targets), pixels, targets, config)
    dropouts = sum(isinstance(layer, nn.Dropout) for layer in networks[0].layers)
    all_orders = torch.stack([torch.stack(orders(seed)) for seed in seeds], 1)
    all_keys = torch.stack([torch.stack(drawn_keys(seed)) for seed in seeds], 1)
    for number, (order, keys) in enumerate(zip(all_orders, all_keys, strict=True), 1):
        drawn = {"keys": keys[:, :, :dropouts]}
        if config.schedule == "cosine":
            drawn["rates"] = cosine(config, number)
        if config.augment != "none":
            chosen = [drawn_variants(config, seed)[number - 1] for seed in seeds]
            drawn["variants"] = torch.stack(chosen)
        list(training.epoch(order, **drawn))
    return training


def start(config, seed) -> FashionClassifier:
    return initial_network(config.depth, config.width, seed, **techniques(config))


def drawn_keys(seed):
    """Keys of three layers of dropout for each step of each epoch."""
    generator = torch.Generator().manual_seed(seed)
    shape = CONFIG.steps_an_epoch, 3
    return [torch.randint(-(2**31), 2**31, shape, generator=generator) for _ in range(EPOCHS)]


def drawn_variants(config, seed):
    """The variant of each image in each epoch."""
    generator = torch.Generator().manual_seed(seed)
    known = len(variants(config.augment))
    return [torch.randint(known, (IMAGES,), generator=generator) for _ in range(EPOCHS)]


class SameMask(nn.Dropout):
    """Dropout by PyTorch's own formula, of the elements that ours drops at a key."""

    key: torch.Tensor

    def forward(self, signals):
        images, features = signals.shape
        places = torch.arange(features * images, dtype=torch.int32).view(features, images)
        kept = hashed(places, self.key) >= round(self.p * 2**32) - 2**31
        return signals * kept[0].T / (1 - self.p)


def with_masks(network):
    """The network with such layers in the place of its own dropout."""
    for place, layer in enumerate(network.layers):
        if isinstance(layer, nn.Dropout):
            network.layers[place] = SameMask(layer.p)
    return network


def masks(network):
    return [layer for layer in network.layers if isinstance(layer, SameMask)]


def give_keys(network, keys):
    for mask, own in zip(masks(network), keys, strict=False):
        mask.key = own.int().view(1, 1, 1)


def constant(optimizer):
    return LambdaLR(optimizer, lambda step: 1.0)


def trained_by_pytorch(
    config, data, seed, make=torch.optim.Adam, after=lambda network: None, schedule=constant
) -> FashionClassifier:
    """The network of a seed after the same steps of PyTorch's own.

    `make` makes the optimiser, `schedule` its scheduler; `after` is called after each step.
    """
    pixels, labels = data
    loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
    network = with_masks(start(config, seed).double())
    optimizer = make(network.parameters(), lr=config.learning_rate)
    schedulers = [schedule(each) for each in getattr(optimizer, "optimizers", [optimizer])]
    epochs = zip(orders(seed), drawn_keys(seed), drawn_variants(config, seed), strict=True)
    for order, keys, chosen in epochs:
        parts = order.split(config.batch_size), keys, chosen.split(config.batch_size)
        for batch, key, variant in zip(*parts, strict=True):
            give_keys(network, key)
            optimizer.zero_grad()
            pairs = zip(pixels[batch], variant.tolist(), strict=True)
            seen = torch.stack([by_torchvision(image, config, own) for image, own in pairs])
            loss(network(seen), labels[batch]).backward()
            optimizer.step()
            for scheduler in schedulers:
                scheduler.step()
            after(network)
    return network


def numbers(network: FashionClassifier) -> torch.Tensor:
    return torch.cat([each.detach().reshape(-1) for each in network.numbers()])


def assert_as_pytorchs(config, data, **options) -> None:
    """Two members of a stack each end at the numbers that PyTorch's own steps reach."""
    stack = trained(config, data, seeds=[3, 4]).stack
    for member, seed in enumerate([3, 4]):
        expected = trained_by_pytorch(config, data, seed, **options)
        found = stack.select([member]).values
        torch.testing.assert_close(found, numbers(expected), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "settings",
    [{"dropout": 0.5, "input_dropout": 0.1}, {"batch_norm": "on"}, {"label_smoothing": 0.1}],
    ids=str,
)
def test_gradients_in_bfloat16_are_those_of_autocast(settings: dict[str, Any], data):
    config = replace(CONFIG, width=64, precision="bfloat16", train_size=32, **settings)
    pixels, labels = data[0][:32].float(), data[1][:32]
    network, keys = with_masks(start(config, 3)), drawn_keys(3)[0][:1]
    give_keys(network, keys[0])
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(pixels).float()
    nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)(logits, labels).backward()
    targets, rounded = nn.functional.one_hot(labels, 10).T.float(), pixels.bfloat16()
    training = Training(Stack.of([start(config, 3)], rounded, targets), rounded, targets, config)
    dropouts = len(masks(network))
    list(training.epoch(torch.arange(32)[None], keys=keys[None, :, :dropouts]))
    expected = [each.grad for each in network.parameters()]
    largest = max(each.norm() for each in expected)
    for part, other in zip(training.stack.parts(training.gradient), expected, strict=True):
        # Batch normalisation takes away what the biases before it add: their gradients are noise.
        assert (part[0] - other).norm() <= 0.03 * other.norm() + 0.001 * largest


# --- Optimisers

PYTORCHS = {
    "adam": torch.optim.Adam,
    "adamw": partial(torch.optim.AdamW, weight_decay=0.0),
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize(
    ("settings", "make", "options"),
    [
        ({"weight_decay": 0.05}, torch.optim.Adam, {"weight_decay": 0.05}),
        ({"optimizer": "adamw"}, torch.optim.AdamW, {"weight_decay": 0.0}),
        ({"optimizer": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
        ({"optimizer": "sgd", "momentum": 0.0}, torch.optim.SGD, {}),
        (
            {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.01},
            torch.optim.SGD,
            {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
        ),
    ],
)
def test_an_optimiser_is_pytorchs(settings: dict[str, Any], make, options, data):
    config = replace(CONFIG, **settings)
    assert_as_pytorchs(config, data, make=partial(make, **options))


class Both:
    """PyTorch's Muon for matrices between hidden layers and AdamW for all else, by one rate."""

    def __init__(self, parameters, lr, weight_decay=0.0, momentum=0.9):
        parameters = list(parameters)
        hidden = [each for each in parameters if each.dim() == 2][1:-1]
        rest = [each for each in parameters if all(each is not one for one in hidden)]
        options = {"lr": lr, "weight_decay": weight_decay}
        self.optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, **options)]
        if hidden:
            self.optimizers.append(
                torch.optim.Muon(
                    hidden, momentum=momentum, adjust_lr_fn="match_rms_adamw", **options
                )
            )

    def zero_grad(self):
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()


@pytest.fixture
def muon_in_double_precision(monkeypatch):
    """PyTorch's Muon without its rounding to bfloat16."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon")
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor)


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0.1},
        {"momentum": 0.95, "depth": 4},
        {"depth": 1},
        {"batch_norm": "on", "learning_rate": 1e-4},
        {"schedule": "cosine", "epochs": EPOCHS, "weight_decay": 0.1},
    ],
    ids=str,
)
@pytest.mark.usefixtures("muon_in_double_precision")
def test_muon_is_pytorchs(settings: dict[str, Any], data):
    config = replace(CONFIG, optimizer="muon", **settings)
    make = partial(Both, weight_decay=config.weight_decay, momentum=config.momentum)
    options = {"schedule": partial(warm_up_then_cosine, config)} if "schedule" in settings else {}
    assert_as_pytorchs(config, data, make=make, **options)


def test_muon_moves_a_hidden_matrix_the_same_way_alone_and_in_a_stack(data):
    config = replace(CONFIG, optimizer="muon")
    together = trained(config, data, seeds=[3, 4]).stack.select([1]).values
    alone = trained(config, data, seeds=[4]).stack.values
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@given(st.integers(1, 30), st.integers(0, 2**32))
def test_what_is_made_orthogonal_stretches_nothing_much(size, seed):
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randn(2, size, size, generator=generator, dtype=torch.float64)
    left, before, right = torch.linalg.svd(matrices)
    found = left.mT @ orthogonal(matrices) @ right.mT
    stretched = found.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(found, torch.diag_embed(stretched), rtol=0, atol=1e-6)
    assert (stretched < 1.3).all()
    assert (stretched[before > before.amax(1, keepdim=True) / 50] > 0.6).all()


# --- The schedule


def warm_up_then_cosine(config, optimizer):
    """The rates of a cosine schedule by PyTorch's own schedulers."""
    total = config.steps_an_epoch * config.epochs
    warm = total // 20
    rising = LinearLR(optimizer, start_factor=1 / warm, total_iters=warm - 1)
    falling = CosineAnnealingLR(optimizer, T_max=total - warm)
    return SequentialLR(optimizer, [rising, falling], milestones=[warm])


@pytest.mark.parametrize("settings", [*PYTORCHS, {"average": 0.9, "dropout": 0.2}], ids=str)
def test_a_schedule_is_pytorchs(settings, data):
    """The rate of each step with each optimiser, and with whatever else a step does."""
    settings = settings if isinstance(settings, dict) else {"optimizer": settings}
    config = replace(CONFIG, schedule="cosine", epochs=EPOCHS, **settings)
    schedule = partial(warm_up_then_cosine, config)
    assert_as_pytorchs(config, data, make=PYTORCHS[config.optimizer], schedule=schedule)


@given(st.integers(1, 200), st.integers(1, 30), st.integers(1, 64))
def test_a_schedule_rises_to_the_rate_and_falls_to_nearly_zero(train_size, epochs, batch_size):
    config = Config(schedule="cosine", epochs=epochs, train_size=train_size, batch_size=batch_size)
    rates = torch.cat([cosine(config, epoch)[0] for epoch in range(1, epochs + 1)])
    assert len(rates) == config.steps_an_epoch * epochs
    assert rates.max().item() == pytest.approx(config.learning_rate)
    assert rates.min() > 0
    highest = rates.argmax()
    assert (rates[: highest + 1].diff() > 0).all()
    assert (rates[highest:].diff() <= 0).all()
    if len(rates) >= 40:  # a warm-up of two steps or more
        assert rates[0] < rates.max() / 1.9
    if len(rates) > 1:  # one step more, and it would be zero
        left = math.pi / 2 / (len(rates) - max(1, len(rates) // 20))
        assert rates[-1].item() == pytest.approx(config.learning_rate * math.sin(left) ** 2)


# --- Augmentation


def by_torchvision(pixels, config, variant):
    """The variant of one image (784,), mirrored and shifted by torchvision."""
    if config.augment == "none":
        return pixels
    mirrored, place = divmod(variant, 9 if "shift" in config.augment else 1)
    y, x = divmod(place, 3) if "shift" in config.augment else (1, 1)
    image = pad(pixels.view(1, 28, 28), [1])
    return crop(hflip(image) if mirrored else image, y, x, 28, 28).flatten()


@pytest.mark.parametrize(("augment", "known"), [("flip", 2), ("shift", 9), ("flip_shift", 18)])
def test_an_augmented_image_is_torchvisions(augment, known, data):
    config, sources = replace(CONFIG, augment=augment), variants(augment)
    assert len(sources) == known
    (image, *_), _ = data
    black = torch.cat([image, image.new_zeros(1)])
    found = [black[source] for source in sources]
    for variant, one in enumerate(found):
        assert torch.equal(one, by_torchvision(image, config, variant))
    assert len({tuple(one.tolist()) for one in found}) == known
    assert sum(torch.equal(one, image) for one in found) == 1


@pytest.mark.parametrize("augment", ["flip", "shift", "flip_shift"])
@pytest.mark.parametrize("settings", [{}, {"input_dropout": 0.1, "label_smoothing": 0.1}], ids=str)
def test_a_network_learns_from_augmented_images_as_pytorchs_does(augment, settings, data):
    assert_as_pytorchs(replace(CONFIG, augment=augment, **settings), data)


# --- Dropout and batch normalisation

LAYERS = [
    {"dropout": 0.3},
    {"input_dropout": 0.2},
    {"dropout": 0.5, "input_dropout": 0.1},
    {"batch_norm": "on"},
    {"batch_norm": "on", "dropout": 0.2, "input_dropout": 0.1},
]


@pytest.mark.parametrize("settings", LAYERS, ids=str)
def test_layers_learn_as_pytorchs_do(settings: dict[str, Any], data):
    """By SGD: a bias before batch normalisation has no gradient, which Adam would divide by 0."""
    config = replace(CONFIG, optimizer="sgd", learning_rate=0.1, **settings)
    assert_as_pytorchs(config, data, make=partial(torch.optim.SGD, momentum=0.9, nesterov=True))


@pytest.mark.parametrize("settings", LAYERS, ids=str)
def test_a_network_gives_the_logits_that_its_stack_was_evaluated_by(settings: dict[str, Any], data):
    config, (pixels, _) = replace(CONFIG, **settings), data
    stack = trained(config, data, seeds=[3, 4]).stack
    everything = torch.arange(IMAGES).expand(2, -1)
    logits = torch.cat(list(predict(stack, pixels, everything)), 2)  # (S, 10, N)
    for member in range(2):
        network = network_of(config, stack.select([member]).values.numpy())
        torch.testing.assert_close(network(pixels).T, logits[member], rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.95])
def test_dropout_drops_its_share_whatever_the_step_the_member_or_the_place(p):
    keys = torch.randint(-(2**31), 2**31, (50, 1, 1), dtype=torch.int32)
    places = torch.arange(64 * 100, dtype=torch.int32).view(64, 100)
    dropped = (hashed(places, keys) < round(p * 2**32) - 2**31).double()
    tolerance = 5 * (p * (1 - p)) ** 0.5
    assert dropped.mean().item() == pytest.approx(p, abs=tolerance / dropped.numel() ** 0.5)
    assert (dropped.mean((1, 2)) - p).abs().max() < tolerance / 6400**0.5
    assert (dropped.mean(0) - p).abs().max() < tolerance / 50**0.5 * 1.2
    for one, other in ((dropped[1:], dropped[:-1]), (dropped[:, :, 1:], dropped[:, :, :-1])):
        together = ((one - p) * (other - p)).mean() / (p * (1 - p))
        assert abs(together) < 5 / one.numel() ** 0.5


def test_a_member_drops_the_same_alone_and_in_a_stack(data):
    config = replace(CONFIG, dropout=0.5)
    together = trained(config, data, seeds=[3, 4]).stack.select([1]).values
    alone = trained(config, data, seeds=[4]).stack.values
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_batches_of_one_image_have_a_variance_of_zero(data):
    config = replace(CONFIG, batch_norm="on", batch_size=1, train_size=20)
    pixels, labels = data
    targets = nn.functional.one_hot(labels, 10).T.double()
    training = Training(Stack.of([start(config, 0)], pixels, targets), pixels, targets, config)
    list(training.epoch(torch.arange(20)[None]))
    assert training.stack.values.isfinite().all()


# --- Targets, and the average of weights


@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_label_smoothing_is_pytorchs(smoothing, data):
    assert_as_pytorchs(replace(CONFIG, label_smoothing=smoothing), data)


@pytest.mark.parametrize("settings", [{}, {"batch_norm": "on", "dropout": 0.2}], ids=str)
def test_the_average_is_pytorchs_and_is_what_is_evaluated(settings: dict[str, Any], data):
    config = replace(CONFIG, average=0.9, optimizer="sgd", momentum=0.0, **settings)
    training = trained(config, data, seeds=[3, 4])
    for member, seed in enumerate([3, 4]):
        averaged = AveragedModel(
            start(config, seed).double(), multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True
        )
        averaged.n_averaged.fill_(1)  # begin with the initial weights, not with the first step's
        trained_by_pytorch(
            config, data, seed, make=torch.optim.SGD, after=averaged.update_parameters
        )
        found = training.evaluated().select([member]).values
        kept = [*averaged.module.parameters(), *averaged.module.buffers()]
        kept = [each.detach().reshape(-1) for each in kept if each.is_floating_point()]
        torch.testing.assert_close(found, torch.cat(kept), rtol=0, atol=1e-10)
        training.keep_best(member)
        assert torch.equal(training.stack.select([member], training.best).values, found)
    left = training.select([1])
    assert torch.equal(left.evaluated().values, found)


def test_without_an_average_the_weights_themselves_are_evaluated(data):
    training = trained(CONFIG, data, seeds=[3])
    assert training.evaluated() is training.stack
