""" "Is my number normal?" in the page: it says what the package says, and can be sent on."""

import re

import pytest
from playwright.sync_api import Page, expect

from fmnist_lab.facts.expected import everything, expected

pytestmark = pytest.mark.browser
PAGES = ("tutorials", "explorer")
BOOKS_OWN = "cross_entropy,1,128,256,2.05e-4,float32"


def told(page: Page) -> str:
    """Return what the page says, as Python writes it."""
    said = page.locator("#expect [role=status] > p").first.inner_text()
    reasons = page.locator("#expect [role=status] li").all_inner_texts()
    listed = [f"({n}) {reason}" for n, reason in enumerate(reasons, 1)]
    return " ".join([*said.split(), *listed])


ASKED = [
    ("tensorflow", "test", "88.32"),
    ("tensorflow", "test", "0.91"),
    ("tensorflow", "train", "91"),
    ("tensorflow", "test", "78,32 %"),
    (BOOKS_OWN, "validation", "99"),
    (BOOKS_OWN, "test", "87.5"),
]


@pytest.mark.parametrize("name", PAGES)
def test_it_says_what_the_package_says(page, address, name):
    page.goto(f"{address}/{name}.html")
    tool = page.locator("#expect")  # beside the explorer, which has settings too
    for setting, images, accuracy in ASKED:
        tool.get_by_label("Setting").select_option(setting)
        tool.get_by_label("Accuracy on").select_option(images)
        tool.get_by_label("Your number, %").fill(accuracy)
        number = float(accuracy.removesuffix(" %").replace(",", "."))
        assert told(page) == expected(setting, images).place(number)
        assert page.locator("#expect circle").count() == len(expected(setting, images).runs)


def test_it_is_used_by_keyboard_and_a_view_opens_as_sent(page, browser, address):
    page.goto(f"{address}/explorer.html#curve=train_loss")
    page.locator("#expect [name=setting]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#expect [name=images]")).to_have_value("train")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("91.2")
    said, url = told(page), page.url
    assert re.search(r"\?setting=tensorflow&images=train&accuracy=91\.2#curve=train_loss$", url)
    other = browser.new_page()
    other.goto(url)
    expect(other.locator("#expect [name=accuracy]")).to_have_value("91.2")
    assert told(other) == said
    expect(other.locator("#run-explorer [name=metric]")).to_have_value("train_loss")
    other.close()


def test_what_is_no_accuracy_is_answered_in_one_sentence(page, address):
    page.goto(f"{address}/explorer.html")
    field = page.locator("#expect [name=accuracy]")
    for bad in ("", "many", "-3", "101", "<b>", "NaN"):
        field.fill(bad)
        assert told(page) == f"accuracy is '{bad}'; it must be a number from 0 to 100."
        expect(field).to_have_attribute("aria-invalid", "")
        field.fill("88")
        expect(field).not_to_have_attribute("aria-invalid", "")


@pytest.mark.parametrize("query", ["?setting=hinge", "?images=toString", "?setting=<b>&accuracy="])
def test_an_address_that_names_nothing_known_leaves_a_page_that_works(page, address, query):
    page.goto(f"{address}/explorer.html{query}")
    page.locator("#expect [name=setting]").select_option("tensorflow")
    page.locator("#expect [name=images]").select_option("test")
    page.locator("#expect [name=accuracy]").fill("88")
    assert told(page) == expected("tensorflow").place(88)


def test_without_scripts_a_table_has_where_runs_end(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/explorer.html")
    text = page.locator("body").text_content()
    assert all(one.range in text for one in everything())
    context.close()
