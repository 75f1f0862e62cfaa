"""What is cited is listed, and what is listed is cited; the reference has what is offered."""

import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from pybtex.database import parse_file
from pybtex.richtext import Text

import fmnist_lab

ROOT = Path(__file__).parents[1]
LISTED = set(re.findall(r"^@\w+\{(\w+),$", (ROOT / "book" / "references.bib").read_text(), re.M))
# "Holm 1979", "Guo et al. 2017", "Kingma & Ba (2015)", "Chow, Shao & Wang 2008"
CITATION = re.compile(r"([A-Z][a-z]+)(?:, [A-Z]\w+)*(?: & [A-Z]\w+| et al\.)? \(?((?:19|20)\d\d)\b")


def cited_in_the_package() -> list[tuple[str, str]]:
    """Return the module and the key of every work that a docstring or a comment cites."""
    found: set[tuple[str, str]] = set()
    for module in sorted((ROOT / "fmnist_lab").rglob("*.py")):
        text = re.sub(r"\s+#?\s*", " ", module.read_text())  # a citation may be broken over lines
        found |= {(module.name, f"{name.lower()}{year}") for name, year in CITATION.findall(text)}
    return sorted(found)


@pytest.mark.parametrize(("module", "key"), cited_in_the_package())
def test_a_work_that_the_package_cites_is_among_the_books_references(module, key):
    assert key in LISTED


def test_citations_of_all_shapes_are_found():
    found = {key for _, key in cited_in_the_package()}
    assert {"holm1979", "guo2017", "kingma2015", "chow2008", "davison1997"} <= found


# [Kingma and Ba (2015)](https://…/references.html#kingma2015): plain Markdown, for JupyterLab too.
LINK = re.compile(r"\[([^][]+)\]\([^\s)]*references\.html#(\w+)\)")
PAGES = [*(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]


def linked() -> set[tuple[str, str]]:
    """Return the words and the key of every citation on a page."""
    return {found for page in PAGES for found in LINK.findall(page.read_text())}


def test_every_reference_is_cited_on_a_page_and_every_citation_is_listed():
    assert {key for _, key in linked()} == LISTED


@pytest.mark.parametrize(("words", "key"), sorted(linked()))
def test_a_citation_names_the_authors_and_the_year_of_the_work_it_leads_to(words, key):
    entry = parse_file(ROOT / "book" / "references.bib").entries[key]
    named = [" ".join(p.prelast_names + p.last_names) for p in entry.persons["author"]]
    first, *others = [Text.from_latex(name).render_as("text") for name in named]
    more = "" if not others else " et al." if len(others) > 1 or "others" in others else " and "
    names = first + more + (others[0] if more == " and " else "")
    assert words in (f"{names} ({entry.fields['year']})", f"{names}, {entry.fields['year']}")


def test_the_appendix_has_what_the_package_offers():
    text = (ROOT / "book" / "appendix.md").read_text()
    listed = re.findall(r"^\.\. auto(?:function|class):: (\S+)$", text, re.MULTILINE)
    found = {pkgutil.resolve_name(name) for name in listed}
    offered = [getattr(fmnist_lab, name) for name in dir(fmnist_lab)]
    missing = {one for one in offered if inspect.isclass(one) or inspect.isfunction(one)} - found
    assert not {one.__qualname__ for one in missing}
