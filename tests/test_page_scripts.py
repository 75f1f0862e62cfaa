"""The pages' scripts are sound; search, print and what a site has."""

import re
import shutil
import subprocess

import pytest
from playwright.sync_api import expect

from tests.built import BOOK, SITE
from tests.node import NODE

SCRIPTS = sorted([*(BOOK / "_extra").glob("*/*.js"), *(BOOK / "_static").glob("*.js")])


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


@pytest.mark.slow  # it fetches a compiler
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
    page.set_viewport_size({"width": 1123, "height": 794})  # A4, landscape, at 96 per inch
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
