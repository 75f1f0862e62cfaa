"""Let notebooks be written in Markdown that JupyterLab, VS Code and Colab show as well.

A paragraph that begins with **Figure.** becomes the caption of the figure, or of the image, before
it. A link to the published site leads to the same page of the site that is built.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

MARK = "Figure."


class Captions(SphinxTransform):
    """Move captions into their figures, before Sphinx numbers those that have one."""

    default_priority = 200

    def apply(self, **options: Any) -> None:
        """Take the paragraph after each figure, if it is marked."""
        for image in list(self.document.findall(nodes.image)):
            if isinstance(image.parent, nodes.paragraph) and len(image.parent) == 1:
                image.parent.replace_self(nodes.figure("", image))
        for figure in list(self.document.findall(nodes.figure)):
            text = figure.next_node(nodes.paragraph, descend=False, siblings=True, ascend=True)
            parts = [part for part in text or () if part.astext()]  # MyST adds empty ones
            if parts and isinstance(parts[0], nodes.strong) and parts[0].astext() == MARK:
                text.parent.remove(text)
                words = nodes.Text(parts[1].astext().lstrip())
                figure += nodes.caption(text.rawsource, "", words, *parts[2:])


class Links(SphinxTransform):
    """Make links to the published site relative: all pages lie side by side."""

    default_priority = 200

    def apply(self, **options: Any) -> None:
        """Cut the site's address off; other builders than HTML's keep it."""
        base = self.config.html_baseurl
        for link in self.document.findall(nodes.reference):
            if self.app.builder.format == "html" and link.get("refuri", "").startswith(base):
                link["refuri"] = link["refuri"].removeprefix(base)
                link["internal"] = True


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transforms."""
    app.add_transform(Captions)
    app.add_transform(Links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
