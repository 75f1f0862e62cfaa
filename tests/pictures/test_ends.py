"""A name stands at its line's end, covers nothing, and goes to a legend if there is no room."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.transforms import Bbox

from fmnist_lab.pictures import style
from fmnist_lab.pictures.ends import LineEnds, name_lines
from tests.pictures.seen import entries
from tests.pictures.test_style import PAGE, contrast


def drawn(curves, *, seeds=None, grey=()):
    """Draw a curve (y values) a name, the names of settings of the width."""
    ax = style.axes()
    for n, (name, curve) in enumerate(curves.items()):
        ax.plot(range(1, len(curve) + 1), curve, label=str(name), **style.look(n))
    behind = {ax.plot(curve, color=style.BACKDROP)[0]: "behind" for curve in grey}
    return name_lines(ax, "width", seeds or dict.fromkeys(curves, 3), behind)


def at_ends(ax):
    """Return the names that stand at lines' ends as they are drawn: the box of each, in pixels."""
    ax.figure.canvas.draw()
    (ends,) = ax.findobj(LineEnds)
    renderer = ax.figure.canvas.get_renderer()
    texts = ends.texts_at_ends(renderer)
    return {text.get_text(): text.get_window_extent(renderer) for text in texts}


def end_of(ax, n):
    return ax.transData.transform(ax.get_lines()[n].get_xydata()[-1])


def test_a_name_stands_beside_the_end_of_its_line():
    ax = drawn({128: [0.5, 0.6], 256: [0.6, 0.9]})
    boxes = at_ends(ax)
    for n, name in enumerate(("128", "256")):
        x, y = end_of(ax, n)
        assert 0 < boxes[name].x0 - x < 20
        assert boxes[name].y0 < y < boxes[name].y1


@pytest.mark.parametrize("ends", [(0.6, 0.6), (0.6, 0.602, 0.61), (0.6, 0.62, 0.64, 0.66, 0.68)])
def test_names_of_lines_that_end_near_each_other_are_kept_apart(ends):
    boxes = at_ends(drawn({n: [0.2, end] for n, end in enumerate(ends)}))
    assert {str(n) for n in range(len(ends))} < set(boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes.values(), 2))


def test_a_name_covers_no_line():
    rising = np.linspace(0.2, 0.9, 40)
    ax = drawn({1: rising[:20], 2: rising + 0.1, 3: rising - 0.1})
    boxes = at_ends(ax)
    for name, line in itertools.product("123", ax.get_lines()):
        path = line.get_transform().transform_path(line.get_path())
        assert not path.intersects_bbox(boxes[name], filled=False)


def test_without_room_at_the_ends_there_is_a_legend():
    ax = drawn({n: [0.2, 0.6] for n in range(8)})
    assert at_ends(ax) == {}
    assert entries(ax) == [str(n) for n in range(8)]


@pytest.mark.parametrize(("count", "above"), [(6, False), (7, True)])
def test_a_legend_of_many_names_stands_above_the_lines(count, above):
    ax = drawn({n: [0.2, 0.6] for n in range(count)})
    assert at_ends(ax) == {}
    (legend,) = ax.findobj(LineEnds)
    assert bool(legend.get_window_extent().y0 >= ax.bbox.y1) is above


def test_names_are_placed_when_the_picture_is_drawn():
    ax = drawn({1: [0.1, 0.2, 0.3], 2: [0.1, 0.5, 0.8]})
    before = at_ends(ax)["1"]
    ax.set(ylim=(0, 0.4))  # as a page may: the second line leaves the view on its way
    after = at_ends(ax)
    assert after["1"].y0 > before.y0
    assert after["2"].x0 < after["1"].x0


def test_a_line_out_of_sight_has_no_name():
    ax = drawn({1: [0.1, 0.2], 2: [0.8, 0.9]})
    ax.set_ylim(0, 0.3)
    assert "2" not in at_ends(ax)


def test_the_whole_of_every_name_is_in_the_picture():
    ax = drawn({1: [0.1, 0.2], 2: [0.8, 0.9]}, seeds={1: 10, 2: 3})
    boxes = at_ends(ax)
    page = ax.figure.bbox
    assert Bbox.union([*boxes.values(), page]).bounds == page.bounds


@pytest.mark.parametrize(
    ("seeds", "heading", "names"),
    [
        ({1: 3, 2: 3}, "3 seeds each", ["1", "2"]),
        ({1: 1, 2: 1}, "1 seed each", ["1", "2"]),
        ({1: 10, 2: 3}, "in brackets: seeds", ["1 (10)", "2 (3)"]),
    ],
)
def test_the_heading_says_what_is_compared_and_how_many_seeds_there_are(seeds, heading, names):
    ax = drawn({1: [0.1, 0.2], 2: [0.8, 0.9]}, seeds=seeds)
    assert [*at_ends(ax)] == [*names, f"width (neurons a hidden layer), {heading}"]


def test_lines_behind_are_named_where_there_is_room():
    assert "behind" in at_ends(drawn({1: [0.1, 0.2]}, grey=[[0.8, 0.9]]))
    crowded = drawn({1: [0.5] * 9, 2: [0.52] * 9}, grey=[[0.505] * 9, [0.51] * 9, [0.515] * 9])
    assert {"1", "2"} < set(at_ends(crowded))


@pytest.mark.parametrize("color", [*style.COLORS, style.BACKDROP])
def test_a_name_in_its_lines_colour_can_be_read_on_either_page(color):
    text = style.TEXT.get(color, color)
    assert contrast(text, "white") >= 4.5
    assert contrast(style.DARK.get(to_hex(text).upper(), text), PAGE) >= 4.5
