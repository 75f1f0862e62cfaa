"""What a reader moves and types in the pages: the first page's slider, guesses, luck, the rule."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from io import StringIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from fmnist_lab.sweeps.studies import study
from fmnist_lab.verdicts import decide, mean_interval
from fmnist_lab.verdicts.statistics import MATERIAL
from tests.built import BOOK, SITE
from tests.conftest import PATIENCE

sys.path.append(str(BOOK / "_ext"))
import guesses
import page_data

NODE = shutil.which("node")
SCRIPTS = BOOK / "_extra"


def in_node(script: str, call: str, cases: Any) -> Any:
    """Return what a script's functions, called on each of the cases, return."""
    if NODE is None:
        pytest.skip("no node: the pages' scripts cannot be run outside a browser")
    code = f"""
        import {{ readFileSync }} from "node:fs";
        import * as it from "{(SCRIPTS / script).as_uri()}";
        const cases = JSON.parse(readFileSync(0, "utf8"));
        console.log(JSON.stringify(cases.map((one) => {call})));"""
    command = [NODE, "--input-type=module", "--eval", code]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- The numbers


DIFFERENCES = st.tuples(
    st.floats(-2, 2), st.floats(0.01, 3), st.integers(2, 40)
)  # mean and standard deviation in points, seeds


@given(st.lists(DIFFERENCES, min_size=30, max_size=30))
@settings(max_examples=8)
def test_the_page_judges_as_the_package_does(cases):
    for (mean, sd, n), told in zip(
        cases, in_node("luck/statistics.js", "it.judge(...one)", cases), strict=True
    ):
        spread = np.arange(n) - (n - 1) / 2
        found = decide(mean_interval((mean + sd * spread / spread.std(ddof=1)) / 100))
        if min(abs(p - 0.05) for p in (told["p"], told["within"], told["beyond"])) > 1e-9:
            assert told["name"] == found.name
        assert [told["low"], told["high"]] == pytest.approx([100 * found.low, 100 * found.high])
        assert told["p"] == pytest.approx(found.p, rel=1e-6, abs=1e-12)


def test_the_page_and_the_package_hold_the_same_difference_to_matter():
    assert in_node("luck/statistics.js", "it.MARGIN", [0]) == [pytest.approx(100 * MATERIAL)]


@cache
def rates() -> dict[str, Any]:
    return page_data.rates()


@pytest.mark.parametrize("name", ["width", "depth"])
def test_the_slider_passes_through_what_was_measured(name):
    networks = rates()[name]
    cases, wanted = [], []
    for network in networks:
        first, own = network["rates"]
        points = [(first, network["ends"][0][0]), *network["path"], (own, network["ends"][1][0])]
        for rate, accuracy in points:
            cases.append([network, math.log(rate / first) / math.log(own / first)])
            wanted.append({"rate": pytest.approx(rate), "accuracy": pytest.approx(accuracy)})
    assert in_node("rates/rates.js", "it.between(...one)", cases) == wanted


def test_the_sliders_ends_are_the_means_of_both_studies():
    for name, networks in rates().items():
        assert [network["name"] for network in networks] == [
            str(value) for value in study(name).values if value
        ]
        for n, part in enumerate((study(name), study(f"{name}_retuned"))):
            means = 100 * part.recorded().table().groupby(name)["validation_accuracy"].mean()
            for network in networks:
                assert network["ends"][n][0] == pytest.approx(means[int(network["name"])])


@pytest.mark.parametrize("log", [False, True], ids=["linear", "logarithmic"])
def test_a_place_in_a_figure_is_read_off_its_ticks(log):
    figure, ax = plt.subplots()
    ax.set(xlim=(1e-6, 1e-1) if log else (0, 5), xscale="log" if log else "linear")
    ax.set_ylim(85.2, 90.7)
    ax.set_xticks([1e-5, 1e-3] if log else [1, 4], ["1e-5", "1e-3"] if log else ["1", "4"])
    ax.set_yticks([86, 88, 90], ["86 %", "88 %", "90 %"])
    drawn = StringIO()
    with plt.rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg")
    plt.close(figure)
    found = page_data.axes(drawn.getvalue())
    width, height = figure.get_size_inches() * figure.dpi

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = ax.transData.transform((x, y))
        return across / width, 1 - up / height

    slope, offset = found["scale"]
    for y in (85.5, 87.3, 90):
        assert slope * y + offset == pytest.approx(place(1e-3, y)[1], abs=1e-3)
    left, top, right, bottom = found["frame"]
    assert (left, bottom) == pytest.approx(place(ax.get_xlim()[0], 85.2), abs=1e-3)
    assert (right, top) == pytest.approx(place(ax.get_xlim()[1], 90.7), abs=1e-3)
    if log:
        known = {page_data.value(text): x for text, x in found["x"].items()}
        between = page_data.along(["2.05e-4"], known)["2.05e-4"]
        assert between == pytest.approx(place(2.05e-4, 86)[0], abs=1e-3)
    else:
        assert found["x"]["4"] == pytest.approx(place(4, 86)[0], abs=1e-3)


WITH_BOX = sorted(p.stem for p in BOOK.glob("*.ipynb") if "Before you look" in p.read_text())


def test_every_chapter_with_a_box_takes_guesses():
    assert sorted(guesses.QUESTIONS) == WITH_BOX


def kept(name: str, page: str) -> Any:
    """Return the data that a built page holds for a script."""
    text = (SITE / f"{page}.html").read_text()
    there = re.search(rf'<script type="application/json" id="{name}-data">(.*?)</script>', text)
    assert there
    return json.loads(there[1])


@pytest.mark.browser
@pytest.mark.parametrize("page", WITH_BOX)
def test_a_question_can_be_answered_and_its_figure_has_a_place_for_each_answer(address, page):
    told = kept("guess", page)
    assert len(told["questions"]) >= 2
    for question in told["questions"]:
        answer, figure = question["answer"], told["figures"].get(question.get("figure"))
        if "options" in question:
            assert answer in question["options"]
            if figure:
                assert set(question["options"]) <= {*figure["x"], *figure["y"]}
        else:
            assert question.get("low", 0) <= answer <= question.get("high", 100)
            if figure:
                slope, offset = figure["scale"]
                top = slope * (question["from"] + question["sign"] * answer) + offset
                assert figure["frame"][1] <= top <= figure["frame"][3]


@pytest.mark.browser
def test_scripts_add_less_than_60_kb_to_any_page(address):
    for page in SITE.glob("*.html"):
        named = set(re.findall(r'src="((?:rates|guess|luck)/\w+\.js)"', page.read_text()))
        if "luck/luck.js" in named:
            named.add("luck/statistics.js")
        assert sum((SITE / name).stat().st_size for name in named) < 60_000


# --- In a browser


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """The tab, which remembers nothing of the test before."""
    tab.set_viewport_size({"width": 1280, "height": 1400})
    expect.set_options(timeout=PATIENCE)
    yield tab
    tab.evaluate("localStorage.clear()")
    tab.goto("about:blank")


@pytest.mark.browser
def test_the_slider_moves_by_keyboard_and_says_how_far_apart_networks_are(page, address):
    page.goto(f"{address}/intro.html")
    slider, told = page.get_by_label("Learning rate"), page.locator("#rate-slider [data-part=told]")
    for key, n in (("Home", 0), ("End", 1)):
        slider.press(key)
        apart = {
            name: np.ptp([network["ends"][n][0] for network in networks])
            for name, networks in rates().items()
        }
        wanted = (
            f"the widths lie {apart['width']:.1f} points apart and the depths {apart['depth']:.1f}."
        )
        expect(told).to_contain_text(wanted)
        assert slider.get_attribute("aria-valuetext") == told.inner_text()
        assert page.locator("#rate-slider circle.hollow").count() == 0
    slider.press("ArrowLeft")
    expect(told).to_contain_text("With each network 99 % of the way to its own learning rate")
    assert page.locator("#rate-slider circle.hollow").count() == 9


@pytest.mark.browser
def test_a_guess_is_drawn_told_beside_its_verdict_kept_and_forgotten(page, address):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/width.html", wait_until="networkidle")
    asked.clear()
    figure, cover = page.locator("#fig-width-accuracy"), page.locator(".guess-cover")
    expect(cover).to_have_count(2)
    expect(figure).to_be_hidden()
    answer = kept("guess", "width")["questions"][0]["answer"]
    page.get_by_label("4192 neurons above 128").fill("2")
    page.keyboard.press("Enter")
    shown = f"{answer:.2f}".rstrip("0")
    words = f"You said 2 points; it is {shown} points."
    expect(page.locator("[data-said='0']")).to_have_text(words)
    expect(cover).to_have_count(0)
    expect(figure).to_be_visible()
    verdict = page.locator(".verdict", has_text="claim W1")
    expect(verdict.locator(".guess-beside")).to_have_text(f"4192 neurons above 128. {words}")
    ours = (f"{address}/_images/", f"{address}/_static/")  # the figures uncovered, the page's icon
    assert [url for url in asked if not url.startswith(ours)] == []  # a guess goes nowhere

    image, mark = (
        figure.locator("img:visible").bounding_box(),
        figure.locator(".guess-mark:visible"),
    )
    there = mark.bounding_box()
    assert image
    assert there
    told = kept("guess", "width")
    slope, offset = told["figures"]["fig-width-accuracy"]["scale"]
    height = slope * (told["questions"][0]["from"] + 2) + offset
    assert there["y"] == pytest.approx(image["y"] + height * image["height"], abs=2)

    page.reload()
    expect(page.get_by_label("4192 neurons above 128")).to_have_value("2")
    expect(page.locator("[data-said='0']")).to_have_text(words)
    page.goto(f"{address}/appendix.html")
    made = page.locator("#guesses-made")
    expect(made).to_contain_text("Of 1 number 0 were too high and 1 too low")
    expect(made.locator("tbody tr")).to_have_count(1)
    page.goto(f"{address}/width.html")
    page.get_by_role("button", name="Forget my guesses here").press("Enter")
    expect(page.get_by_label("4192 neurons above 128")).to_have_value("")
    expect(page.locator(".guess-mark, .guess-beside")).to_have_count(0)
    page.goto(f"{address}/appendix.html")
    expect(made).to_contain_text("You have not guessed yet")


@pytest.mark.browser
def test_a_bad_guess_is_named_with_what_is_allowed_and_the_others_are_kept(page, address):
    page.goto(f"{address}/width.html")
    page.get_by_label("4192 neurons above 128").fill("much")
    page.get_by_label("The width with the largest gap").select_option("512")
    page.get_by_role("button", name="Guess", exact=True).click()
    fault = page.locator(".guess-fault")
    wanted = "“4192 neurons above 128” is “much”; it must be a number of points from 0 to 100."
    expect(fault).to_have_text(wanted)
    expect(page.get_by_label("4192 neurons above 128")).to_be_focused()
    expect(page.locator("[data-said='2']")).to_have_text("You said 512; it is 4192.")
    page.get_by_role("button", name="Forget my guesses here").click()
    page.get_by_role("button", name="Guess", exact=True).click()
    expect(fault).to_have_text("Nothing was guessed yet: fill in one field at least.")


@pytest.mark.browser
def test_who_wants_to_be_shown_is_shown(page, address):
    page.goto(f"{address}/width.html")
    figure, cover = page.locator("#fig-width-accuracy"), page.locator(".guess-cover")
    cover.first.get_by_role("button", name="Show me").press("Enter")
    expect(figure).to_be_visible()
    expect(figure).to_be_focused()  # the keyboard goes on from there
    page.reload()
    expect(figure).to_be_visible()
    page.goto(f"{address}/depth.html")
    expect(cover.first).to_be_visible()
    page.get_by_role("button", name="Show me, on every page").click()
    expect(cover).to_have_count(0)
    page.goto(f"{address}/loss.html")
    expect(page.locator("#fig-loss-accuracy")).to_be_visible()


@pytest.mark.browser
def test_who_comes_for_a_figure_or_prints_sees_it(page, address):
    page.goto(f"{address}/width.html#fig-width-accuracy")
    expect(page.locator("#fig-width-accuracy")).to_be_visible()
    page.goto(f"{address}/depth.html")
    figure = page.locator("#fig-depth-accuracy")
    expect(figure).to_be_hidden()
    page.goto(f"{address}/depth.html#verdicts")
    expect(figure).to_be_hidden()
    page.goto(f"{address}/depth.html#fig-depth-accuracy")
    expect(figure).to_be_in_viewport()
    page.goto(f"{address}/loss.html")
    figure = page.locator("#fig-loss-accuracy")
    expect(figure).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(figure).to_be_visible()


@pytest.mark.browser
def test_a_damaged_memory_is_forgotten(page, address):
    page.goto(f"{address}/width.html")
    page.evaluate("localStorage.setItem('fmnist-lab guesses', '{')")
    page.reload()
    expect(page.get_by_role("button", name="Guess", exact=True)).to_be_visible()


def test_guesses_are_summed_up():
    def number(said: float, answer: float) -> dict[str, Any]:
        return {"said": said, "answer": answer}

    cases = [
        [number(2, 4), number(3, 1), number(8, 1), number(0, 5)],
        [{"said": "a", "answer": "a"}, {"said": "512", "answer": "4192"}],
    ]
    assert in_node("guess/guess.js", "it.summed(one).words", cases) == [
        (
            "Of 3 numbers 2 were too high and 1 too low; half of them were off by a factor of 3.0 "
            "or more."
        ),
        "Of 2 choices you made 1 right.",
    ]


OPTIONS = {"resultTypes": ["violations"], "preload": False}


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_guesses_and_draws_keep_the_rules_of_accessibility(page, address, axe, theme):
    """Pages as they open are tested with all others; here before and after a reader acts."""
    page.emulate_media(color_scheme=theme)

    def broken() -> list[tuple[str, str]]:
        found = axe.run(page, options=OPTIONS).response["violations"]
        return [(rule["id"], rule["nodes"][0]["html"]) for rule in found]

    page.goto(f"{address}/width.html", wait_until="networkidle")
    expect(page.locator(".guess-cover")).to_have_count(2)
    assert broken() == []
    page.get_by_label("4192 neurons above 128").fill("x")
    page.get_by_label("The width with the largest gap").select_option("512")
    page.get_by_role("button", name="Guess", exact=True).click()
    assert broken() == []
    page.goto(f"{address}/appendix.html", wait_until="networkidle")
    assert broken() == []
    page.goto(f"{address}/method.html", wait_until="networkidle")
    page.get_by_role("button", name="Draw a hundred times").click()
    assert broken() == []
    page.emulate_media(color_scheme="light")


@pytest.mark.browser
def test_luck_is_drawn_from_published_runs_and_counted(page, address):
    page.goto(f"{address}/method.html")
    box = page.get_by_role("region", name="Try your luck")
    runs = {name: kept("luck", "method")["settings"][n]["values"] for n, name in enumerate("AB")}
    published = study("batch_size").recorded().table()["validation_accuracy"]
    assert {round(x, 6) for values in runs.values() for x in values} <= {
        round(100 * x, 6) for x in published
    }
    status = box.get_by_role("status")
    box.get_by_role("button", name="Draw", exact=True).press("Enter")
    text = status.inner_text()
    one = re.match(r"A ([\d.]+) %, B ([\d.]+) %\. (A|B|A draw)( wins)?\. Of 1 draw ", text)
    assert one, text
    for name, said in (("A", one[1]), ("B", one[2])):
        assert said in {f"{value:.2f}" for value in runs[name]}
    better = "A" if float(one[1]) > float(one[2]) else "B"
    assert one[3] in {better, "A draw"}
    shares = []
    for count in ("1", "10"):
        box.get_by_label(count, exact=True).check()
        for _ in range(3):
            box.get_by_role("button", name="Draw a hundred times").click()
        draws, won, lost = map(
            int,
            re.findall(r"Of (\d+) draws .* A won (\d+) and B (\d+)\.", status.inner_text())[0],
        )
        assert draws == 300 + (count == "1")
        assert 0 <= draws - won - lost < 20
        shares.append(won / draws)
    assert shares[0] < shares[1]  # 68 % and 93 %: fails by chance once in many millions
    expect(box.locator("[data-part=found]")).to_contain_text("10 runs of each")
    box.get_by_role("button", name="Begin again").click()
    expect(status).to_have_text("Nothing is drawn yet.")


@pytest.mark.browser
def test_the_rule_moves_by_keyboard(page, address):
    page.goto(f"{address}/method.html")
    box = page.get_by_role("region", name="Move the rule")
    status = box.get_by_role("status")
    expect(status).to_contain_text("supported but size open: +0.50 points")
    box.get_by_role("slider", name="Seeds").press("End")
    expect(status).to_contain_text("\u2714\ufe0e supported: +0.50 points")
    expect(status).to_contain_text("30 seeds")
    box.get_by_role("slider", name="Mean difference").press("Home")
    expect(status).to_contain_text("not supported: −1.50 points")
    for key in ("Seeds", "Home"), ("Spread", "End"):
        box.get_by_role("slider", name=key[0]).press(key[1])
    expect(status).to_contain_text("inconclusive")


@pytest.mark.browser
def test_without_scripts_nothing_is_covered_and_the_text_is_there(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/width.html")
    expect(page.locator("#fig-width-accuracy")).to_be_visible()
    expect(page.get_by_text("Write down three numbers.")).to_be_visible()
    for name, place in (("intro", "#rate-slider"), ("appendix", "#guesses-made")):
        page.goto(f"{address}/{name}.html")
        expect(page.locator(place)).to_contain_text("With scripts switched on")
    context.close()
