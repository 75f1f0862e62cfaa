"""Give figures the page's font, and a second file in dark colours that dark pages show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# What a cell has drawn, named by its content.
FIGURE = re.compile(r'<img ([^>]*)src="([^"]*/[\da-f]{64})\.svg"([^>]*)>')
WIDTH = re.compile(r'<svg [^>]*width="([^"]+)"')
# In their own box: the theme hides a caption that follows a hidden picture. The box scrolls on a
# telephone, where a keyboard reaches it by its link, which opens the picture alone.
BOTH = "".join(
    rf'<a class="only-{theme}" href="\2{suffix}.svg">'
    rf'<img class="only-{theme}" \1src="\2{suffix}.svg"\3></a>'
    for theme, suffix in (("light", ""), ("dark", "-dark"))
)
# A picture of the class "dark-light" (cell metadata mystnb.image.classes), such as one of clothes.
SAME = r'<a href="\2.svg">\g<0></a>'


def pair(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Put figures into boxes, with both images (handler of ``html-page-context``)."""
    if "body" in context:
        sources = {name: Path(app.srcdir, path) for path, name in app.builder.images.items()}

        def shown(found: re.Match[str]) -> str:
            drawn = sources[found[2].rpartition("/")[2] + ".svg"].read_text()
            width = WIDTH.findall(drawn)[0]
            images = found.expand(SAME if "dark-light" in found[0] else BOTH)
            return f'<span class="chart" style="--width: {width}">{images}</span>'

        context["body"] = FIGURE.sub(shown, context["body"])


def draw(app: Sphinx, failure: Exception | None) -> None:
    """Give figures the page's font, and dark files beside them (handler of ``build-finished``)."""
    drawn = re.compile(r"[\da-f]{64}").fullmatch
    figures = [path for path in Path(app.outdir, "_images").glob("*.svg") if drawn(path.stem)]
    if failure is None and app.builder.format == "html" and figures:
        # Here, because it takes three seconds, which a build that fails does not need.
        from fmnist_lab.pictures.style import dark, paged

        for path in figures:
            light = paged(path.read_text())
            path.write_text(light)
            path.with_stem(f"{path.stem}-dark").write_text(dark(light))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handlers."""
    app.connect("html-page-context", pair)
    app.connect("build-finished", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
