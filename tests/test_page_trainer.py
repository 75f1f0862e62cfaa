"""Training in the page: in a browser, and its mathematics compared with the package's."""

import re

import pytest
import torch
from playwright.sync_api import Page, Route, expect

from fmnist_lab.config import LOSS_NAMES, Config
from fmnist_lab.training.losses import LOSSES
from fmnist_lab.training.model import FashionClassifier
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training
from tests.node import in_node


def opened(page: Page, address: str, **fields: float) -> None:
    """Open the page with the trainer and fill in its fields."""
    page.goto(f"{address}/explorer.html")
    for name, value in fields.items():
        page.locator(f"#page-trainer [name={name}]").fill(str(value))


@pytest.mark.browser
def test_a_network_trained_in_the_page_learns_pauses_and_stops(page, address):
    opened(page, address, seeds=2, width=16)
    page.locator("#page-trainer [data-act=main]").click()
    expect(page.locator(".trainer-spread")).to_contain_text(re.compile(r"After ([3-9]|\d\d)"))
    page.locator("#page-trainer [data-act=main]").click()
    expect(page.locator(".trainer-status")).to_contain_text("Paused")
    text = page.inner_text(".trainer-spread")
    lowest = float(text.partition("classify ")[2].split()[0])
    assert lowest > 60  # guessing is 10
    page.locator("#page-trainer [data-act=stop]").click()
    expect(page.locator(".trainer-status")).to_contain_text("Stopped")


@pytest.mark.browser
def test_a_second_training_after_a_stop_is_told_as_the_first_was(page, address):
    page.goto(f"{address}/explorer.html")
    seeds, main, stop = (
        page.locator(f"#page-trainer {name}")
        for name in ("[name=seeds]", "[data-act=main]", "[data-act=stop]")
    )
    status = page.locator(".trainer-status")
    page.locator("#page-trainer [name=width]").fill("16")
    for count in ("3", "1"):  # fewer: a late report of the first would name a seed there is not
        seeds.fill(count)
        main.click()
        expect(status).to_contain_text(f"Training {count} network")
        expect(main).to_have_text("Pause")
        expect(page.locator(".trainer-spread")).to_contain_text(
            re.compile(rf"After .*, {count} networks? classif")
        )
        expect(status).to_contain_text(f"Training {count} network")
        stop.click()
        expect(status).to_contain_text("Stopped")


@pytest.mark.browser
def test_seeds_are_compared_at_the_last_epoch_that_all_have_finished(page, address):
    opened(page, address, seeds=3, width=16)
    page.locator("#page-trainer [data-act=main]").click()
    expect(page.locator(".trainer-spread")).to_contain_text("3 networks classify")
    page.locator("#page-trainer [data-act=stop]").click()  # most likely within an epoch
    text = page.inner_text(".trainer-status")
    assert re.match(r"Stopped\. After \d+ epochs?, 3 networks classify", text), text


@pytest.mark.browser
def test_the_trainer_keeps_the_keyboards_focus(page, address):
    """Enter on "Step one epoch", again and again, trains an epoch each and goes on to no other."""
    opened(page, address, seeds=1, width=8)
    step, status = page.locator("#page-trainer [data-act=step]"), page.locator(".trainer-status")
    step.focus()
    for epochs in ("1 epoch", "2 epochs"):
        page.keyboard.press("Enter")
        expect(status).to_contain_text(f"Paused. After {epochs},")
        expect(step).to_be_focused()
    page.locator("#page-trainer [data-act=stop]").focus()
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Stopped")
    expect(page.locator("#page-trainer [data-act=stop]")).to_be_focused()
    page.locator("#page-trainer [name=width]").press("Enter")  # its field is then locked
    expect(page.locator("#page-trainer [data-act=main]")).to_be_focused()


@pytest.mark.browser
def test_a_rate_that_learns_nothing_is_said_to_and_does_not_flatten_the_axis(page, address):
    opened(page, address, seeds=2, width=32, learning_rate=1)
    for epochs in ("1 epoch", "2 epochs", "3 epochs"):
        page.locator("#page-trainer [data-act=step]").click()
        expect(page.locator(".trainer-status")).to_contain_text(f"Paused. After {epochs},")
    expect(page.locator(".trainer-status")).to_contain_text("no better than guessing")
    loss = page.locator("[data-part=loss]")
    expect(loss).to_contain_text("are cut off")
    marks = loss.locator("text[text-anchor=end]").all_text_contents()
    assert max(float(mark) for mark in marks if re.fullmatch(r"[\d.]+", mark)) < 30


@pytest.mark.browser
def test_a_press_while_the_images_load_is_no_second_start(page, address):
    held: list[Route] = []
    page.route("**/images.bin", lambda route: held.append(route))
    page.goto(f"{address}/explorer.html")
    page.locator("#page-trainer [data-act=main]").click()
    expect(page.locator("#page-trainer [data-act=main]")).to_have_text("Loading")
    page.locator("#page-trainer [data-act=main]").click()
    expect(page.locator(".trainer-fault")).to_be_empty()
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator(".trainer-status")).to_contain_text("Training 5 networks")


@pytest.mark.browser
def test_a_bad_number_is_named_with_what_is_allowed_and_trains_nothing(page, address):
    page.goto(f"{address}/explorer.html")
    for given in ("0", "9999", "many", ""):
        page.locator("#page-trainer [name=width]").fill(given)
        page.locator("#page-trainer [data-act=main]").click()
        wanted = f"Width is \u201c{given}\u201d; it must be a whole number from 1 to 256."
        expect(page.locator(".trainer-fault")).to_have_text(wanted)
        expect(page.locator(".trainer-results")).to_be_hidden()


EPOCHS, IMAGES, BATCH = 4, 250, 32  # the last batch is smaller


TRAIN = """
(() => {
  const network = new it.Network(one.depth, one.width, () => 0.5);
  network.flat.set(one.flat);
  const part = { pixels: Float32Array.from(one.pixels), labels: Uint8Array.from(one.labels) };
  return one.orders.map((order) => {
    const epoch = network.epoch(part, Uint32Array.from(order), one.settings);
    for (;;) { const { done, value } = epoch.next(); if (done) return value.loss; }
  });
})()"""


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_the_pages_trainer_has_the_packages_loss_curve(fashion, loss, depth):
    """The same weights, images and batches: the losses of four epochs agree to 1e-4."""
    config = Config(
        loss=loss, depth=depth, width=16, batch_size=BATCH, learning_rate=1e-3, train_size=IMAGES
    )
    torch.manual_seed(depth)
    network = FashionClassifier(784, depth, 16, 10)
    pixels, labels = fashion.images[:IMAGES], fashion.labels[:IMAGES]
    targets = torch.eye(10)[:, labels]
    stack = Stack.of([network], pixels, targets)
    training = Training(stack, pixels, targets, config)
    orders = [torch.randperm(IMAGES) for _ in range(EPOCHS)]
    ours = []
    parts = [part for layer in network.linears() for part in (layer.weight.mT, layer.bias)]
    flat = torch.cat([part.detach().reshape(-1) for part in parts]).tolist()
    for order in orders:
        logits = torch.cat(list(training.epoch(order[None])), 2)[0]
        ours.append(float(LOSSES[loss].value(logits, targets[:, order]).mean()))
    given = {
        "depth": depth, "width": 16, "flat": flat, "pixels": pixels.flatten().tolist(),
        "labels": labels.tolist(), "orders": [order.tolist() for order in orders],
        "settings": {"loss": loss, "batch_size": BATCH, "learning_rate": 1e-3},
    }  # fmt: skip
    (theirs,) = in_node("trainer/network.js", TRAIN, [given])
    assert theirs == pytest.approx(ours, abs=1e-4)
    assert ours[-1] < ours[0]
