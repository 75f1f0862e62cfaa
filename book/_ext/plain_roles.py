"""Drop ARIA roles that docutils writes and no standard knows any more.

A bibliography's entries carry "doc-biblioentry", deprecated in DPUB-ARIA 1.1, in a "list" that then
has no items: what a screen reader makes of it is anyone's guess, of a plain block it is clear.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ROLES = re.compile(r' role="(?:doc-biblioentry|doc-backlink|list)"')


def clean(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Drop the roles from a page's body (handler of ``html-page-context``)."""
    if "body" in context and "citation" in context["body"]:
        context["body"] = ROLES.sub("", context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("html-page-context", clean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
