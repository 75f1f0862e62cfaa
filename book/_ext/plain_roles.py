"""Drop ARIA roles and names that stand in the way of what can be read.

docutils gives a bibliography's entries the role "doc-biblioentry", deprecated in DPUB-ARIA 1.1, in
a "list" that then has no items: what a screen reader makes of it is anyone's guess, while a plain
block is clear. myst-nb names folded parts "Toggle hidden content", not by the words that are seen:
a reader who speaks those words to a browser opens nothing (WCAG 2.5.3).
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

DROPPED = re.compile(
    r' role="(?:doc-biblioentry|doc-backlink|list)"'
    r'|(?<=<summary) aria-label="Toggle hidden content"'
)


def clean(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Drop them from a page's body (handler of ``html-page-context``)."""
    if "body" in context:
        context["body"] = DROPPED.sub("", context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("html-page-context", clean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
