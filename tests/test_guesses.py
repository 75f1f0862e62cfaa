"""Guesses "Before you look": questions with answers, drawn, told, kept and forgotten."""

import re
from io import StringIO
from typing import Any

import matplotlib.pyplot as plt
import page_data
import pytest
from playwright.sync_api import expect

from fmnist_lab.guesses import questions
from tests.built import BOOK, SITE, kept
from tests.node import in_node


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
    assert sorted(questions()) == WITH_BOX


@pytest.mark.browser
@pytest.mark.parametrize("page", WITH_BOX)
def test_a_question_can_be_answered_and_its_figure_has_a_place_for_each_answer(address, page):
    told = kept("guess", page)
    assert told["questions"] == questions()[page]
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
@pytest.mark.parametrize("page", WITH_BOX)
def test_the_box_of_jupyterlab_leaves_nothing_on_the_site(address, page):
    text = (SITE / f"{page}.html").read_text()
    assert "fmnist_lab.guesses" not in text
    assert "widget-state" not in text
    assert "jupyter-widgets" not in text


@pytest.mark.browser
def test_scripts_add_less_than_60_kb_to_any_page(address):
    for page in SITE.glob("*.html"):
        named = set(re.findall(r'src="((?:rates|guess|luck)/\w+\.js)"', page.read_text()))
        if "luck/luck.js" in named:
            named.add("luck/statistics.js")
        assert sum((SITE / name).stat().st_size for name in named) < 60_000


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
    expect(made).to_contain_text("Of 1 number, 0 were too high and 1 too low")
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
    expect(fault).to_have_text("There is no guess yet: fill in at least one field.")


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
            "Of 3 numbers, 2 were too high and 1 too low; half of them were off by a factor of 3.0 "
            "or more."
        ),
        "Of 2 choices, you got 1 right.",
    ]


OPTIONS = {"resultTypes": ["violations"], "preload": False}


@pytest.mark.slow
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
