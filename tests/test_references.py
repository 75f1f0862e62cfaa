"""What is cited is listed, and what is listed is cited; the reference has what is offered."""

import inspect
import pkgutil
import re
from pathlib import Path

import pytest

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


def test_every_reference_is_cited_on_a_page_and_every_citation_is_listed():
    pages = [*(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
    cited = {
        key
        for page in pages
        for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", page.read_text())
        for key in keys.split(",")
    }
    assert cited == LISTED


def test_the_appendix_has_what_the_package_offers():
    text = (ROOT / "book" / "appendix.md").read_text()
    listed = re.findall(r"^\.\. auto(?:function|class):: (\S+)$", text, re.MULTILINE)
    found = {pkgutil.resolve_name(name) for name in listed}
    offered = [getattr(fmnist_lab, name) for name in dir(fmnist_lab)]
    missing = {one for one in offered if inspect.isclass(one) or inspect.isfunction(one)} - found
    assert not {one.__qualname__ for one in missing}
