"""The pages that a reader touches: the explorer, and training in the page; and their scripts."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, Route, expect

from fmnist_lab.config import LOSS_NAMES, Config
from fmnist_lab.facts import explorer
from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import study
from fmnist_lab.training.losses import LOSSES
from fmnist_lab.training.model import FashionClassifier
from fmnist_lab.training.stack import Stack
from fmnist_lab.training.steps import Training
from fmnist_lab.verdicts import mean_interval, paired_difference
from tests.built import ROOT, SITE
from tests.conftest import PATIENCE

BOOK = ROOT / "book"
SCRIPTS = sorted([*(BOOK / "_extra").glob("*/*.js"), *(BOOK / "_static").glob("*.js")])


def accuracies(loss: str) -> pd.Series:
    frame = study("loss").recorded().table()
    return frame[frame["loss"] == loss].set_index("seed")["validation_accuracy"]


# --- What the explorer loads


@pytest.fixture(scope="module")
def sent() -> str:
    """What the page loads of the published runs."""
    return explorer.payload(read_published().values())


def test_the_explorer_gets_every_published_run_once(sent):
    sent = json.loads(sent)
    assert sum(len(setting["runs"]) for setting in sent["settings"]) == len(read_published())
    assert len({tuple(setting["values"]) for setting in sent["settings"]}) == len(sent["settings"])


def test_its_differences_and_intervals_are_the_packages(sent):
    sent = json.loads(sent)
    place = {tuple(setting["values"]): n for n, setting in enumerate(sent["settings"])}
    rest = ("1", "128", "256", "2.05e-4", "float32")
    a, b = sorted(place[loss, *rest] for loss in ("cross_entropy", "mse"))
    first, second = (accuracies(sent["settings"][n]["values"][0]) for n in (a, b))
    found = paired_difference(second, first)
    wanted = [found.n, *(round(1e4 * x) for x in (found.estimate, found.low, found.high))]
    assert sent["pairs"][b][a] == wanted
    mean = mean_interval(first)
    assert sent["settings"][a]["mean"] == [
        round(1e4 * x) for x in (mean.estimate, mean.low, mean.high)
    ]


@given(st.lists(st.none() | st.floats(0, 9), max_size=9))
def test_a_curve_is_sent_as_steps_that_add_up_to_it(values):
    here, heights = 0, []
    for step in explorer.steps(values):
        here += step or 0
        heights.append(None if step is None else here / explorer.DRAWN)
    assert heights == [None if v is None else pytest.approx(v, abs=5.01e-4) for v in values]


def test_what_cannot_be_told_is_not_sent(made_up_run):
    runs = [made_up_run(Config(seed=n), accuracy=0.5 + n / 100) for n in (0, 1)]
    runs += [made_up_run(Config(seed=n, depth=2), best={}, best_epoch=0) for n in (0, 1, 2)]
    runs += [made_up_run(Config(seed=0, epochs=3))]  # no published setting: trained otherwise
    sent = json.loads(explorer.payload(runs))
    assert [setting["mean"] for setting in sent["settings"]] == [[5050, None, None], [None] * 3]
    assert sent["pairs"] == [[], [None]]


def test_the_runs_take_less_than_300_kb_on_the_way(sent):
    assert len(gzip.compress(sent.encode())) < 300_000


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_chapters_link_to_the_explorer_names_published_settings(path, sent):
    published = {",".join(setting["values"]) for setting in json.loads(sent)["settings"]}
    for link in re.findall(r'explorer\.html#([^\\"]+)', path.read_text()):
        for chosen in link.split("&"):
            side, _, setting = chosen.partition("=")
            assert side in {"a", "b"}
            assert setting in published


# --- In a browser


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """The tab, which remembers nothing of the test before."""
    tab.set_viewport_size({"width": 1280, "height": 1400})
    expect.set_options(timeout=PATIENCE)
    yield tab
    tab.unroute_all()
    tab.evaluate("localStorage.clear()")
    tab.goto("about:blank")


def shown(page: Page) -> str:
    return page.inner_text(".difference").replace("\u2212", "-")


@pytest.mark.browser
def test_the_explorer_shows_the_records_numbers(page, address):
    page.goto(f"{address}/explorer.html")
    expect(page.locator(".difference")).to_contain_text("B minus A")
    found = paired_difference(accuracies("mse"), accuracies("cross_entropy"))
    values = [f"{100 * x:+.2f}" for x in (found.estimate, found.low, found.high)]
    assert shown(page) == (
        f"B minus A: {values[0]} points of validation accuracy, seed by seed "
        f"(95 % interval {values[1]} to {values[2]}, {found.n} seeds)."
    )
    mean = mean_interval(accuracies("cross_entropy"))
    row = page.locator(".trainer-table tr", has_text="Validation accuracy")
    limits = f"({100 * mean.low:.2f} to {100 * mean.high:.2f})"
    expect(row.locator("td").first).to_have_text(f"{100 * mean.estimate:.2f} {limits}")
    assert page.locator('[data-part="dots"] circle.hollow').count() == 20


@pytest.mark.browser
def test_a_view_can_be_reached_by_keyboard_and_opens_as_sent(page, browser, address):
    page.goto(f"{address}/explorer.html")
    batch = page.locator("[name=b-batch_size]")
    page.locator("[name=b-loss]").focus()
    page.keyboard.press("Home")  # cross-entropy, the first of the list or close to it
    page.locator("[name=b-loss]").select_option("cross_entropy")
    batch.focus()
    page.keyboard.press("ArrowUp")
    expect(batch).to_have_value("128")
    page.locator("[name=metric]").select_option("validation_loss")
    told, url = shown(page), page.url
    assert url.endswith(
        "#a=cross_entropy,1,128,256,2.05e-4,float32"
        "&b=cross_entropy,1,128,128,2.05e-4,float32&curve=validation_loss"
    )
    other = browser.new_page()
    other.goto(url)
    expect(other.locator("[name=b-batch_size]")).to_have_value("128")
    expect(other.locator("[name=metric]")).to_have_value("validation_loss")
    assert shown(other) == told
    other.close()


@pytest.mark.browser
def test_a_value_that_no_run_has_with_the_rest_takes_the_nearest_setting_and_says_so(page, address):
    page.goto(f"{address}/explorer.html")
    page.locator("[name=a-depth]").select_option("4")
    expect(page.locator(".note")).to_contain_text("changed too")
    values = page.url.partition("#a=")[2].partition("&")[0].split(",")
    assert values[:2] == ["cross_entropy", "4"]


@pytest.mark.browser
def test_an_address_that_names_no_setting_is_answered_in_a_sentence(page, address):
    page.goto(f"{address}/explorer.html#a=hinge,1,2,3,4,5")
    wanted = "No published runs have the setting hinge,1,2,3,4,5."
    expect(page.locator(".note")).to_have_text(wanted)


@pytest.mark.browser
def test_heights_of_different_losses_are_said_to_be_in_different_units(page, address):
    page.goto(f"{address}/explorer.html")  # cross-entropy beside MSE
    said = page.locator("[data-part=units]")
    expect(said).to_be_empty()
    page.locator("[name=metric]").select_option("validation_loss")
    expect(said).to_contain_text("their heights cannot be compared")
    page.locator("[name=b-loss]").select_option("cross_entropy")
    expect(said).to_be_empty()


@pytest.mark.browser
def test_curves_of_accuracy_start_twelve_points_below_the_best(page, address):
    page.goto(f"{address}/explorer.html")
    best = max(accuracies("mse").max(), accuracies("cross_entropy").max())
    marks = page.locator("[data-part=curves] text[text-anchor=end]").all_text_contents()
    lowest = min(map(int, marks))
    assert 100 * best - 17 <= lowest <= 100 * best - 12  # the axis begins at a round number


@pytest.mark.browser
@pytest.mark.parametrize("name", ["toString", "constructor", "nothing"])
def test_an_address_that_names_no_curve_shows_validation_accuracy(page, address, name):
    page.goto(f"{address}/explorer.html#curve={name}")
    expect(page.locator("[name=metric]")).to_have_value("validation_accuracy")
    expect(page.locator(".difference")).to_contain_text("B minus A")


@pytest.mark.browser
def test_without_scripts_there_is_a_table_of_all_settings(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/explorer.html")
    rows = page.locator("table.dataframe tbody tr, table tbody tr").count()
    assert rows >= len(explorer.settings(read_published().values()))
    context.close()


@pytest.mark.browser
def test_a_network_trained_in_the_page_learns_pauses_and_stops(page, address):
    page.goto(f"{address}/explorer.html")
    for name, value in (("seeds", "2"), ("width", "16")):
        page.locator(f"#page-trainer [name={name}]").fill(value)
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
    page.goto(f"{address}/explorer.html")
    for name, value in (("seeds", "3"), ("width", "16")):
        page.locator(f"#page-trainer [name={name}]").fill(value)
    page.locator("#page-trainer [data-act=main]").click()
    expect(page.locator(".trainer-spread")).to_contain_text("3 networks classify")
    page.locator("#page-trainer [data-act=stop]").click()  # most likely within an epoch
    text = page.inner_text(".trainer-status")
    assert re.match(r"Stopped\. After \d+ epochs?, 3 networks classify", text), text


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
@pytest.mark.parametrize("given", ["0", "9999", "many", ""])
def test_a_bad_number_is_named_with_what_is_allowed_and_trains_nothing(page, address, given):
    page.goto(f"{address}/explorer.html")
    page.locator("#page-trainer [name=width]").fill(given)
    page.locator("#page-trainer [data-act=main]").click()
    wanted = f"Width is \u201c{given}\u201d; it must be a whole number from 1 to 256."
    expect(page.locator(".trainer-fault")).to_have_text(wanted)
    expect(page.locator(".trainer-results")).to_be_hidden()


# --- The mathematics of training in the page


NODE = shutil.which("node")
EPOCHS, IMAGES, BATCH = 4, 250, 32  # the last batch is smaller
RUN = """
import { readFileSync } from "node:fs";
import { Network } from "%s";
const given = JSON.parse(readFileSync(0, "utf8"));
const network = new Network(given.depth, given.width, () => 0.5);
network.flat.set(given.flat);
const part = { pixels: Float32Array.from(given.pixels), labels: Uint8Array.from(given.labels) };
const losses = given.orders.map((order) => {
  const epoch = network.epoch(part, Uint32Array.from(order), given.settings);
  for (;;) { const { done, value } = epoch.next(); if (done) return value.loss; }
});
console.log(JSON.stringify(losses));
"""


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_the_pages_trainer_has_the_packages_loss_curve(fashion, loss, depth):
    """The same weights, images and batches: the losses of four epochs agree to 1e-4."""
    if NODE is None:
        pytest.skip("no node: the page's trainer cannot be run outside a browser")
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
    script = RUN % (ROOT / "book" / "_extra" / "trainer" / "network.js").as_uri()
    command = [NODE, "--input-type=module", "--eval", script]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    assert theirs == pytest.approx(ours, abs=1e-4)
    assert ours[-1] < ours[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_script_is_syntactically_sound(script):
    if NODE is None:
        pytest.skip("no node: scripts are not checked")
    subprocess.run([NODE, "--check", script], check=True)


@pytest.fixture(scope="module")
def tsc() -> list[str]:
    """TypeScript's compiler, fetched by npm the first time."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("no npx: the scripts' types are not checked")
    command = [npx, "--yes", "--package=typescript@5.9.3", "--", "tsc"]
    asked = subprocess.run([*command, "--version"], capture_output=True, text=True)
    if asked.returncode != 0:
        pytest.skip(f"npx cannot fetch TypeScript, types are not checked: {asked.stderr[-200:]}")
    return command


TYPED = "--noEmit --allowJs --checkJs --strict --target es2022 --module esnext"
TYPED += " --moduleResolution bundler --lib es2022,dom,dom.iterable"


def test_the_scripts_types_are_sound_and_faults_would_be_found(tsc, tmp_path):
    faulty = {"a.js": "/** @type {number} */ const a = 'a';", "b.js": "let b = missing;"}
    for name, fault in faulty.items():
        (tmp_path / name).write_text(f"export {{}};\n{fault}\n")
    scripts = [*SCRIPTS, *(tmp_path / name for name in faulty)]
    done = subprocess.run([*tsc, *TYPED.split(), *scripts], capture_output=True, text=True)
    found = re.findall(r"(\w+\.js)\(\d+,\d+\): error TS", done.stdout)
    assert found == list(faulty), done.stdout


@pytest.mark.browser
def test_a_page_is_printed_in_its_light_colours(page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/width.html")
    theme = "document.documentElement.dataset.theme"
    page.wait_for_function(f"{theme} == 'dark'")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(theme) == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(theme) == "dark"
    page.emulate_media(color_scheme="light")


@pytest.mark.browser
def test_the_table_of_all_claims_is_printed_to_its_end(page, address):
    page.goto(f"{address}/claims.html")
    page.set_viewport_size({"width": 1123, "height": 794})  # A4, landscape, at 96 a inch
    hidden = "e => e.scrollHeight - e.clientHeight"
    table = page.locator(".ledger")
    assert table.evaluate(hidden) > 0  # it scrolls on a screen
    page.emulate_media(media="print")
    assert table.evaluate(hidden) == 0
    page.emulate_media(media="screen")


@pytest.mark.browser
def test_the_site_has_what_a_site_has(address):
    assert (SITE / "404.html").exists()
    assert "explorer.html" in (SITE / "sitemap.xml").read_text()
    text = (SITE / "width.html").read_text()
    for name in ("og:title", "og:description", "og:image"):
        assert f'property="{name}"' in text
