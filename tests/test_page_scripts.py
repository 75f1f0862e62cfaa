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
    for link in re.findall(r'explorer\.html#(a=[^\\")]+)', path.read_text()):
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
def test_a_value_that_no_run_has_with_the_rest_is_marked_and_what_else_changes_is_said(
    page, address, sent
):
    published = {tuple(setting["values"]) for setting in json.loads(sent)["settings"]}
    page.goto(f"{address}/explorer.html")
    start = ["cross_entropy", "1", "128", "256", "2.05e-4", "float32"]
    kept = page.locator("[name=a-width] > option").all()  # those with the rest as it is
    marked = page.locator("[name=a-width] optgroup option").all()
    for options, there in ((kept, True), (marked, False)):
        values = [option.get_attribute("value") for option in options]
        assert values
        for value in values:
            assert ((*start[:2], value, *start[3:]) in published) is there
    group = page.locator("[name=a-width] optgroup", has=page.locator("[value='2096']"))
    label = group.get_attribute("label")
    assert label.startswith("not run with the rest as it is; changes ")
    page.locator("[name=a-width]").select_option("2096")
    values = page.url.partition("#a=")[2].partition("&")[0].split(",")
    others = [
        field.replace("_", " ")
        for field, old, new in zip(explorer.FIELDS, start, values, strict=True)
        if old != new and field != "width"
    ]
    assert values[2] == "2096"
    for other in others:
        assert other in label
        expect(page.locator(".note")).to_contain_text(f"{other} from ")


@pytest.mark.browser
def test_back_undoes_the_last_choice(page, address):
    page.goto(f"{address}/explorer.html")
    batch = page.locator("[name=b-batch_size]")
    page.locator("[name=b-loss]").select_option("cross_entropy")
    batch.select_option("128")
    page.go_back()
    expect(batch).to_have_value("256")
    expect(page.locator("[name=b-loss]")).to_have_value("cross_entropy")
    page.go_back()
    expect(page.locator("[name=b-loss]")).to_have_value("mse")
    assert page.url.endswith("explorer.html")
    page.go_forward()
    expect(page.locator("[name=b-loss]")).to_have_value("cross_entropy")


@pytest.mark.browser
def test_an_address_is_answered_with_all_of_its_faults(page, address):
    page.goto(
        f"{address}/explorer.html#a=hinge,1,2,256,2.05e-4,float32&b=mse,1"
        "&curve=validation_acuracy&c=mse"
    )
    note = page.locator(".note")
    for fault in (
        (
            "Setting A is “hinge,1,2,256,2.05e-4,float32”: no run has loss “hinge” and no run has "
            "width “2”."
        ),
        (
            "Setting B is “mse,1”: it must be 6 values, loss, depth, width, batch size, "
            "learning rate and precision."
        ),
        "The curve is “validation_acuracy”; it must be one of validation_accuracy, ",
        "The address names “c”; it can name a, b and curve.",
    ):
        expect(note).to_contain_text(fault)
    page.goto(f"{address}/explorer.html#a=mae,4,128,1,5e-2,float32")
    page.reload()
    expect(note).to_contain_text("each value was run, but not all of them together")


@pytest.mark.browser
def test_a_place_on_the_page_is_no_fault_and_changes_no_choice(page, address):
    page.goto(f"{address}/explorer.html#train-in-the-page")
    expect(page.locator(".difference")).to_contain_text("B minus A")
    expect(page.locator(".note")).to_be_empty()
    page.locator("[name=b-loss]").select_option("cross_entropy")
    page.locator(".bd-toc a", has_text="Train in the page").click()
    expect(page.locator("[name=b-loss]")).to_have_value("cross_entropy")


@pytest.mark.browser
def test_no_choice_of_the_explorer_is_cut(page, address):
    page.goto(f"{address}/explorer.html")
    for size in (1280, 390):
        page.set_viewport_size({"width": size, "height": 1400})
        for select in page.locator("#run-explorer fieldset select").all():
            longest = select.evaluate(
                """select => {
                    const pen = document.createElement("canvas").getContext("2d");
                    pen.font = getComputedStyle(select).font;
                    const texts = [...select.options].map(o => pen.measureText(o.text).width);
                    const style = getComputedStyle(select);
                    return Math.max(...texts) + parseFloat(style.paddingLeft) - select.clientWidth;
                }"""
            )
            assert longest < 0, select.get_attribute("name")


@pytest.mark.browser
def test_the_table_of_all_settings_sorts_filters_and_has_room(page, address):
    page.goto(f"{address}/explorer.html")
    page.locator("summary", has_text="Show all settings").click()
    room = page.locator(".room")
    assert room.evaluate("e => e.scrollWidth - e.clientWidth") == 0
    assert room.evaluate("e => e.clientHeight") < 0.8 * 1400
    rows = page.locator(".all-settings tbody tr:visible")
    count = rows.count()
    assert count == len(explorer.settings(read_published().values()))
    page.locator(".filters [name='2']").select_option("4192")
    expect(page.locator(".filters p")).to_have_text(re.compile(rf"^\d+ of {count} settings$"))
    assert 0 < rows.count() < count
    assert set(rows.locator("td:nth-child(3)").all_inner_texts()) == {"4192"}
    accuracy = page.get_by_role("button", name="accuracy (%)")
    for direction, turn in (("ascending", 1), ("descending", -1)):
        accuracy.focus()
        page.keyboard.press("Enter")
        head = page.locator("th", has=accuracy)
        expect(head).to_have_attribute("aria-sort", direction)
        found = [float(text) for text in rows.locator("td:nth-child(8)").all_inner_texts()]
        assert found == sorted(found, reverse=turn < 0)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("words", "wanted"), [("label noise", "The data"), ("confusion matrix", "The best model")]
)
def test_search_finds_the_page_that_is_about_it_and_quotes_its_text(page, address, words, wanted):
    page.goto(f"{address}/search.html?q={words.replace(' ', '+')}")
    link = page.get_by_role("link", name=wanted, exact=True)
    found = page.locator("#search-results li", has=link)
    quoted = found.locator(".context")
    expect(quoted.first).to_be_visible()
    for text in page.locator("#search-results .context").all_inner_texts():
        assert "Contents" not in text
    assert any(words.split()[0] in text.lower() for text in quoted.all_inner_texts())


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
def test_the_trainer_keeps_the_keyboards_focus(page, address):
    """Enter on "Step one epoch", again and again, trains an epoch each and goes on to no other."""
    page.goto(f"{address}/explorer.html")
    for name, value in (("seeds", "1"), ("width", "8")):
        page.locator(f"#page-trainer [name={name}]").fill(value)
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
    page.goto(f"{address}/explorer.html")
    for name, value in (("seeds", "2"), ("width", "32"), ("learning_rate", "1")):
        page.locator(f"#page-trainer [name={name}]").fill(value)
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
