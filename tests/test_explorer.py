"""The explorer: what its page loads, and what a reader does with it in a browser."""

import gzip
import json
import re

import explorer_data
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from fmnist_lab.config import STREAM_SEEDS, Config
from fmnist_lab.facts import explorer
from fmnist_lab.runs.records import read_published
from fmnist_lab.sweeps.studies import study
from fmnist_lab.verdicts import mean_interval, paired_difference
from tests.built import ROOT
from tests.node import in_node


def accuracies(loss: str) -> pd.Series:
    frame = study("loss").recorded().table()
    return frame[frame["loss"] == loss].set_index("seed")["validation_accuracy"]


@pytest.fixture(scope="module")
def sent() -> str:
    """What the page loads from the published runs."""
    return explorer_data.payload(read_published().values())


def test_the_explorer_gets_every_published_run_once(sent):
    """Without those that cross a seed's streams or have another cap: no field of it names that."""
    sent = json.loads(sent)
    runs = read_published().values()
    own = [run for run in runs if not {*STREAM_SEEDS, "epochs"} & run.config.identity().keys()]
    assert sum(len(setting["runs"]) for setting in sent["settings"]) == len(own)
    assert len({tuple(setting["values"]) for setting in sent["settings"]}) == len(sent["settings"])


@pytest.mark.parametrize(
    ("changed", "technique"),
    [
        ({}, "none"),
        ({"dropout": 0.3}, "dropout 0.3"),
        ({"batch_norm": "on"}, "batch norm on"),
        ({"optimizer": "adamw", "weight_decay": 0.1}, "adamw and weight decay 0.1"),
    ],
)
def test_a_technique_is_named_by_what_it_changes(changed, technique, made_up_run):
    (setting,) = explorer.settings([made_up_run(Config(depth=2, **changed))])
    assert setting == ("cross_entropy", 2, 128, 256, 2.05e-4, "float32", technique)


@given(st.lists(st.tuples(st.integers(3, 40), st.integers(0, 2**32 - 1)), min_size=20, max_size=20))
@settings(max_examples=8)
def test_its_differences_are_the_packages(cases):
    draws = [np.random.default_rng(seed).random((2, seeds)) for seeds, seed in cases]
    pairs = [([*a, 0.5], [None, *b[1:]]) for a, b in draws]  # neither has all seeds
    told = in_node("explorer/paired.js", "it.paired(...one)", [[*map(runs, p)] for p in pairs])
    for pair, said in zip(pairs, told, strict=True):
        a, b = (pd.Series(values, dtype=float).dropna() for values in pair)
        if a.index.intersection(b.index).size < 3:
            assert said is None
            continue
        found = paired_difference(b, a)
        limits = [100 * x for x in (found.estimate, found.low, found.high)]
        assert [said["mean"], said["low"], said["high"]] == pytest.approx(limits, abs=1e-9)
        assert said["n"] == found.n


def runs(accuracies):
    """Runs as the page knows them, in per cent."""
    return [{"seed": n, "accuracy": x and 100 * x} for n, x in enumerate(accuracies)]


@given(st.lists(st.none() | st.floats(0, 9), max_size=9))
def test_a_curve_is_sent_as_steps_that_add_up_to_it(values):
    here, heights = 0, []
    for step in explorer_data.steps(values):
        here += step or 0
        heights.append(None if step is None else here / explorer_data.DRAWN)
    assert heights == [None if v is None else pytest.approx(v, abs=5.01e-4) for v in values]


def test_what_cannot_be_told_is_not_sent(made_up_run):
    runs = [made_up_run(Config(seed=n), accuracy=0.5 + n / 100) for n in (0, 1)]
    runs += [made_up_run(Config(seed=n, depth=2), best={}, best_epoch=0) for n in (0, 1, 2)]
    runs += [made_up_run(Config(seed=0, epochs=3))]  # no published setting: trained otherwise
    sent = json.loads(explorer_data.payload(runs))
    assert [setting["mean"] for setting in sent["settings"]] == [[5050, None, None], [None] * 3]


def test_the_runs_take_less_than_300_kb_on_the_way(sent):
    assert len(gzip.compress(sent.encode())) < 300_000


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_chapters_link_to_the_explorer_names_published_settings(path, sent):
    published = {",".join(setting["values"]) for setting in json.loads(sent)["settings"]}
    for link in re.findall(r'explorer\.html#(a=[^\\")]+)', path.read_text()):
        for chosen in link.split("&"):
            side, _, setting = chosen.partition("=")
            assert side in {"a", "b"}
            assert f"{setting},none" in published


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
        "#a=cross_entropy,1,128,256,2.05e-4,float32,none"
        "&b=cross_entropy,1,128,128,2.05e-4,float32,none&curve=validation_loss"
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
    start = ["cross_entropy", "1", "128", "256", "2.05e-4", "float32", "none"]
    kept = page.locator("[name=a-width] > option").all()  # those with the rest as it is
    marked = page.locator("[name=a-width] optgroup option").all()
    for options, there in ((kept, True), (marked, False)):
        values = [option.get_attribute("value") for option in options]
        assert values
        for value in values:
            assert ((*start[:2], value, *start[3:]) in published) is there
    group = page.locator("[name=a-width] optgroup", has=page.locator("[value='2096']"))
    label = group.get_attribute("label")
    assert label.startswith("not run with the rest as it is; also changes ")
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
def test_a_technique_is_compared_and_an_address_without_one_still_opens(page, address):
    old = "cross_entropy,2,1024,256,5.62e-4,bfloat16"
    page.goto(f"{address}/explorer.html#a={old}&b={old}")
    expect(page.locator(".note")).to_be_empty()
    page.locator("[name=b-technique]").select_option("dropout 0.3")
    frame = study("regularisation").recorded().table()
    by_seed = frame.pivot(index="seed", columns="dropout", values="validation_accuracy")
    estimate = 100 * (by_seed[0.3] - by_seed[0.0]).mean()
    expect(page.locator(".difference")).to_contain_text("B minus A")
    assert shown(page).startswith(f"B minus A: {estimate:+.2f} points")
    page.reload()
    expect(page.locator("[name=b-technique]")).to_have_value("dropout 0.3")
    expect(page.locator("[name=a-technique]")).to_have_value("none")


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
        f"{address}/explorer.html#a=hinge,1,2,256,2.05e-4,float32,none&b=mse,1"
        "&curve=validation_acuracy&c=mse"
    )
    note = page.locator(".note")
    for fault in (
        (
            "Setting A is “hinge,1,2,256,2.05e-4,float32,none”: no run has loss “hinge” and "
            "no run has width “2”."
        ),
        (
            "Setting B is “mse,1”: it must be 7 values, loss, depth, width, batch size, "
            "learning rate, precision and technique."
        ),
        "The curve is “validation_acuracy”; it must be one of validation_accuracy, ",
        "The address names “c”; it can name a, b and curve.",
    ):
        expect(note).to_contain_text(fault)
    page.goto(f"{address}/explorer.html#a=mae,4,128,1,5e-2,float32,none")
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
        found = [float(text) for text in rows.locator("td:nth-child(9)").all_inner_texts()]
        assert found == sorted(found, reverse=turn < 0)


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
