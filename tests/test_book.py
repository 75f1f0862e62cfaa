"""The built site, in a browser: every page in light and dark, on a telephone and on a desktop."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any, Literal, get_args
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, ViewportSize

from tests.built import CHAPTERS

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, Theme] = get_args(Theme)
DESKTOP: ViewportSize = {"width": 1280, "height": 844}  # CSS pixels: a small laptop
TELEPHONE: ViewportSize = {"width": 390, "height": 844}  # an iPhone 14
READABLE = 4.5  # contrast ratio of text, WCAG 2.1 success criterion 1.4.3

pytestmark = pytest.mark.browser


@dataclass
class View:
    """A page that is open in the browser, and what happened while it loaded."""

    page: Page
    name: str
    theme: Theme
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # addresses, of the site and others


PAGES = [*CHAPTERS, "search", "genindex", "404"]
# Pages that have between them all that is drawn in colours: figures, boxes, tables, scripts.
IN_BOTH_THEMES = {"intro", "width", "explorer"}


def opened_in(name: str) -> Theme:
    """Return the theme in which a page is opened: every other one in the dark."""
    return THEMES[PAGES.index(name) % 2]


@pytest.fixture(scope="module", params=PAGES)
def opened(request: pytest.FixtureRequest, tab: Page, address: str) -> Iterator[View]:
    """A page, as a reader opens it."""
    view = View(tab, request.param, opened_in(request.param))
    listeners: dict[Any, Callable[..., None]] = {
        "request": lambda asked: view.asked.append(asked.url),
        "console": lambda m: view.errors.append(m.text) if m.type == "error" else None,
        "pageerror": lambda error: view.errors.append(str(error)),
    }
    for event, listener in listeners.items():
        tab.on(event, listener)
    tab.set_viewport_size(DESKTOP)
    tab.emulate_media(color_scheme=view.theme)
    response = tab.goto(f"{address}/{request.param}.html", wait_until="networkidle")
    assert response is not None
    assert response.ok
    # What a reader's guess is drawn on is covered until there is one: tests look at all of it.
    tab.evaluate("document.querySelector('.guess-cover button')?.click()")
    yield view
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)


@pytest.fixture(scope="module", params=THEMES)
def view(request: pytest.FixtureRequest, opened: View) -> View:
    """The page in one theme: the reader's machine may change it while a page is open."""
    if opened.theme != request.param:
        opened.theme = request.param
        opened.errors.clear()
        opened.asked.clear()  # also what axe asked for
        opened.page.emulate_media(color_scheme=request.param)
        opened.page.wait_for_function(  # colours change little by little
            """theme => document.documentElement.dataset.theme == theme
                && document.getAnimations().every(part => part.playState == "finished")""",
            arg=request.param,
        )
    opened.page.evaluate(  # pictures below the fold load only when scrolled to
        "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode() }))"
    )
    return opened


def test_a_page_loads_without_an_error(view):
    assert view.errors == []


def test_a_page_asks_nobody_else_for_anything(view, address):
    assert [url for url in view.asked if not url.startswith((address, "data:"))] == []


def test_a_page_follows_the_readers_choice_of_light_or_dark(view):
    assert view.page.evaluate("document.documentElement.dataset.theme") == view.theme


@pytest.mark.slow
@pytest.mark.endurance("Every page is accessible, in light and in dark")
def test_a_page_keeps_the_rules_of_accessibility(view, axe, trial):
    """In light as on a desktop, in dark as on a telephone: colours and layout, both ways.

    Every page in one of the two, some in both; all in both in the full form.
    """
    both = trial.at_length or view.name in IN_BOTH_THEMES
    if not both and view.theme != opened_in(view.name):
        pytest.skip("is tried in the other theme")
    view.page.set_viewport_size(DESKTOP if view.theme == "light" else TELEPHONE)
    view.page.wait_for_function(  # the theme, a moment after a change of size
        """() => [...document.querySelectorAll("pre, .cell_output > .output")].every(
            part => part.scrollWidth <= part.clientWidth || part.tabIndex >= 0)"""
    )
    options = {"resultTypes": ["violations"], "preload": False}  # it asks for style sheets again
    found = axe.run(view.page, options=options).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    trial.found(f"{view.name} in {view.theme}: no rule is broken")


@cache
def found(url: str) -> tuple[bool, frozenset[str]]:
    """Return whether an address of the site answers, and the places that links may name there."""
    try:
        with urlopen(url) as answer:
            text = answer.read().decode() if url.endswith(".html") else ""
    except HTTPError:
        return False, frozenset()
    return True, frozenset(re.findall(r'\sid="([^"]+)"', text))


def test_every_link_within_the_site_leads_somewhere(view, address):
    if view.theme == "dark":
        pytest.skip("links are the same in light")
    links = set(view.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"))
    inside = sorted(
        link for link in links if link.startswith(address) and "explorer.html#" not in link
    )
    lost = []
    for link in inside:
        url, _, anchor = link.removesuffix("#").partition("#")
        there, ids = found(url)
        chosen = url.endswith("explorer.html") and "=" in anchor  # settings, and no place
        if not there or (anchor and not chosen and unquote(anchor) not in ids):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("size", [TELEPHONE, DESKTOP], ids=["telephone", "desktop"])
def test_a_page_does_not_scroll_sideways(view, size):
    if view.theme == "dark":
        pytest.skip("widths are the same in light")
    view.page.set_viewport_size(size)
    sticking_out = """() => {
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        const scrolls = e => e && (getComputedStyle(e).overflowX != 'visible'
            || (e.parentElement != document.body && scrolls(e.parentElement)));
        return [...document.querySelectorAll('.bd-article *')]
            .filter(e => e.getBoundingClientRect().right > width && !scrolls(e.parentElement))
            .map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 60)}`)
            .concat('the page');
    }"""
    assert view.page.evaluate(sticking_out) == []


def test_the_text_of_a_chart_is_large_enough_on_a_telephone(view):
    if view.theme == "dark":
        pytest.skip("sizes are the same in light")
    view.page.set_viewport_size(TELEPHONE)
    scales = view.page.eval_on_selector_all(
        ".chart img",
        "all => all.filter(i => i.checkVisibility()).map(i => i.width / i.naturalWidth)",
    )
    assert all(12 * scale > 8.9 for scale in scales)  # pixels: names of lines have 9 points


def test_every_image_has_a_caption_and_an_alt_text_in_words(view):
    images = view.page.eval_on_selector_all(
        ".bd-article img",
        """images => images.map(i => ({
            alt: i.alt, src: i.src, loaded: i.naturalWidth > 0,
            caption: [...i.closest('figure')?.querySelectorAll('figcaption') ?? []]
                .filter(c => c.checkVisibility()).map(c => c.innerText).join() }))""",
    )
    for image in images:
        assert image["loaded"], image
        assert len(image["alt"].split()) > 2, image
        assert not image["alt"].endswith((".png", ".svg")), image
        assert len(image["caption"].split()) > 2, image


def test_formulas_are_drawn_by_the_browser(view):
    """As MathML, all of whose commands were known."""
    assert view.page.locator(".math:not(:has(math))").count() == 0
    drawn = view.page.eval_on_selector_all(
        "math",
        """all => all.map(m => [m.textContent, m.getBoundingClientRect().width,
            m.namespaceURI == "http://www.w3.org/1998/Math/MathML"])""",
    )
    assert not [text for text, width, known in drawn if width < 1 or not known or "\\" in text]


def contrast(strip: np.ndarray) -> float:
    """Return the highest contrast ratio to the strip's commonest colour, (H, W, 3) in [0, 255].

    Relative luminance and contrast ratio as WCAG 2.1 defines them.
    """
    codes, counts = np.unique(strip.reshape(-1, 3) @ [65536, 256, 1], return_counts=True)
    part = codes[:, None] // [65536, 256, 1] % 256 / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722] + 0.05
    ratio = luminance / luminance[counts.argmax()]
    return float(np.maximum(ratio, 1 / ratio).max())


def test_contrast_of_black_and_white_is_21():
    assert contrast(np.array([[[255] * 3, [255] * 3, [0] * 3]])) == pytest.approx(21)


@pytest.mark.endurance("Every figure can be read, in light and in dark")
def test_the_labels_of_a_figure_can_be_read(view, trial):
    """In dark colours on some pages, which change all figures alike; on all in the full form."""
    if view.theme == "dark" and not (trial.at_length or view.name in IN_BOTH_THEMES):
        pytest.skip("its light figures are tried, and other pages' dark ones")
    view.page.set_viewport_size(DESKTOP)  # where letters are large enough to have their full colour
    for image in view.page.locator(".bd-article figure img").locator("visible=true").all():
        pixels = np.asarray(Image.open(BytesIO(image.screenshot())).convert("RGB"))
        height, width, _ = pixels.shape
        left, bottom = pixels[:, : width // 10], pixels[-height // 8 :]  # where axes are labelled
        assert max(contrast(left), contrast(bottom)) >= READABLE, image.get_attribute("alt")
    trial.found(f"{view.name} in {view.theme}: the labels of every figure stand out")
