"""A value is written alike everywhere; on dark pages pictures have their own colours."""

import io
import re

import dark_figures
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from fmnist_lab.pictures import style
from fmnist_lab.pictures.style import label
from fmnist_lab.pictures.verdicts import LOOKS
from tests.pictures.seen import entries


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (256, "256"),
        (0.05, "5e-2"),
        (2.05e-5, "2.05e-5"),
        (0.9, "0.9"),
        (0.0, "0"),
        ("cross_entropy", "cross-entropy"),
        ("mse", "MSE"),
    ],
)
def test_a_value_is_shown_as_it_is_written(value, shown):
    assert label(value) == shown


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, as WCAG 2.1 defines it."""

    def luminance(color: str) -> float:
        parts = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in to_rgb(color)
        )
        return sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)) + 0.05

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return high / low


PAGE = dark_figures.DARK["#FFFFFF"]


@pytest.mark.parametrize("color", [*style.COLORS, "#767676", "#595959"])
def test_lines_and_text_stand_out_from_a_dark_page(color):
    assert contrast(dark_figures.DARK.get(color, color), PAGE) >= 4.5


@pytest.mark.parametrize(("fill", "ink"), LOOKS.values(), ids=LOOKS)
def test_a_verdict_can_be_read_on_its_fill_on_either_page(fill, ink):
    light = [to_hex(color).upper() for color in (fill, ink)]
    assert contrast(*light) >= 4.5
    assert contrast(*(dark_figures.DARK.get(color, color) for color in light)) >= 4.5


def test_a_picture_is_drawn_in_dark_colours_and_its_images_stay():
    ax = style.axes()
    ax.plot([0, 1], color=style.COLORS[0])
    ax.imshow([[0.0, 1.0]], cmap="Blues")
    ax.set_title("black by default")
    file = io.StringIO()
    ax.figure.savefig(file, format="svg")
    light = file.getvalue()
    dark = dark_figures.dark(light)
    colors = set(re.findall(r"(?:fill|stroke): ?(#[\da-f]{6})", dark))
    assert not colors & {light.lower() for light in dark_figures.DARK}
    assert f'<svg fill="{dark_figures.DARK["#000000"].lower()}" ' in dark
    images = r'xlink:href="data:image[^"]+"'
    assert re.findall(images, dark) == re.findall(images, light) != []


def test_the_text_of_a_pages_picture_is_text_in_the_readers_own_font():
    ax = style.axes()
    ax.set(title="a title", xscale="log", xlim=(1e-9, 1))  # with powers of ten, set as formulas
    file = io.StringIO()
    ax.figure.savefig(file, format="svg")
    paged = dark_figures.paged(file.getvalue())
    fonts = set(re.findall(r"font[^;\"]*(system-ui|'[^']+')", paged))
    assert "a title</text>" in paged
    assert fonts == {"system-ui"}


# --- The names of lines


def named(curves, seeds=None):
    """Draw a curve (heights) a name, the names of settings of the width."""
    ax = style.axes()
    for n, (name, curve) in enumerate(curves.items()):
        ax.plot(range(1, len(curve) + 1), curve, label=str(name), **style.look(n))
    return style.name_lines(ax, "width", seeds or [3] * len(curves))


def test_names_stand_in_the_order_of_the_lines_ends():
    ax = named({1: [0.9, 0.2], 2: [0.1, 0.8, np.nan], 3: [np.nan], 4: [0.3]})
    assert entries(ax) == ["2", "4", "1", "3"]
    colors = [line.get_color() for line in ax.get_legend().get_lines()]
    assert colors == [style.COLORS[n] for n in (1, 3, 0, 2)]


@pytest.mark.parametrize("count", [1, 8])
def test_names_lie_on_no_line_and_nothing_of_them_is_cut_off(count):
    ax = named({10**n: [0.2, 0.6] for n in range(count)}, [10, *range(1, count)])
    ax.figure.canvas.draw()
    box, page = ax.get_legend().get_window_extent(), ax.figure.bbox
    assert ax.bbox.x1 <= box.x0 < box.x1 <= page.x1
    assert page.y0 <= box.y0 < box.y1 <= page.y1


@pytest.mark.parametrize(
    ("seeds", "heading", "names"),
    [
        ([3, 3], "3 seeds each", ["2", "1"]),
        ([1, 1], "1 seed each", ["2", "1"]),
        ([10, 3], "in brackets: seeds", ["2 (3)", "1 (10)"]),
    ],
)
def test_the_heading_says_what_is_compared_and_how_many_seeds_there_are(seeds, heading, names):
    ax = named({1: [0.1, 0.2], 2: [0.8, 0.9]}, seeds)
    assert entries(ax) == names
    assert ax.get_title("left") == f"width (neurons per layer), {heading}"
