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

# Colours on a dark page, by those on a light one: lines have at least 4.5 : 1 on its #121212; grey
# and pale areas are as far from the background as before. Colours not listed stay the same.
DARK = {
    "#FFFFFF": "#121212",
    "#000000": "#D8D8D8",
    "#0072B2": "#4A9FD8",
    "#D55E00": "#EE7A2C",
    "#009E73": "#22B98D",
    "#CC79A7": "#D78FB6",
    "#7F7F7F": "#9A9A9A",
    "#767676": "#A0A0A0",
    "#595959": "#B8B8B8",
    "#B0B0B0": "#565656",
    "#E5E5E5": "#333333",
    "#E8E8E8": "#3A3A3A",
    "#EDEDED": "#2C2C2C",
    "#F0F0F0": "#2A2A2A",
    "#E8F1F8": "#1C2C3A",
    "#A6D0EC": "#1F4A66",
    "#F5D9A8": "#5A4418",
}


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
        for path in figures:
            light = paged(path.read_text())
            path.write_text(light)
            path.with_stem(f"{path.stem}-dark").write_text(dark(light))


def paged(svg: str) -> str:
    """Return one of Matplotlib's SVG pictures with its text in the font of the reader's system.

    The book's theme uses that font too (`system-ui`).
    """
    return svg.replace("'DejaVu Sans'", "system-ui")


def dark(svg: str) -> str:
    """Return one of Matplotlib's SVG pictures in the colours of a dark page; images stay."""
    colors = {light.lower(): other.lower() for light, other in DARK.items()}
    recolored = re.sub(r"#[\da-f]{6}\b", lambda found: colors.get(found[0], found[0]), svg)
    # Matplotlib writes no fill for what is black.
    return recolored.replace("<svg ", f'<svg fill="{DARK["#000000"].lower()}" ', 1)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handlers."""
    app.connect("html-page-context", pair)
    app.connect("build-finished", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
