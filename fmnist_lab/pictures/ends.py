"""The names of a picture's lines, at the lines' ends where there is room, else in a legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import LineCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .style import ABOVE, NAMES, TEXT, label

SIZE = 9  # points
GAP = 5  # points between a line's end and its name: a marker has a radius of 2.5
# Where a name may stand from its line's end, best first: its left edge and its middle, in its own
# width and height, and how often the gap is added to either.
PLACES = (
    *((0.0, middle, 1, 0) for middle in (0.0, 0.5, -0.5, 1.0, -1.0)),  # beside
    *((left, 0.5, 0, 1) for left in (-0.5, -1.0, 0.0)),  # above
    *((left, -0.5, 0, -1) for left in (-0.5, -1.0, 0.0)),  # below
)
INSIDE = 6  # names of a legend within the axes; one of more would lie on lines, and stands above
FINE = 20  # points in which a line's stretch is looked at: it may leave the view on its way


def name_lines(
    ax: Axes, by: str, seeds: Mapping[Any, int], grey: Mapping[Line2D, str] | None = None
) -> Axes:
    """Return `ax` with the names of its labelled lines, which are settings of `by`.

    `seeds`: how many runs each setting rests on, in the order of the lines; `grey`: lines behind,
    which are named where there is room for it.
    """
    handles = ax.get_legend_handles_labels()[0]
    if by in NAMES and handles:
        same = len(set(seeds.values())) == 1
        count = next(iter(seeds.values()))
        told = f"{count} seed{'s' * (count > 1)} each" if same else "in brackets: seeds"
        names = [label(value) if same else f"{label(value)} ({n})" for value, n in seeds.items()]
        ax.add_artist(LineEnds(ax, handles, names, title=f"{NAMES[by]}, {told}", grey=grey))
    return ax


class LineEnds(Legend):
    """A legend that puts its names at the ends of the lines if there is room for all of them.

    A name has room where it covers no line and no other name. This is checked whenever the
    picture is drawn, because limits and sizes change until then. A line out of sight needs no name.
    """

    def __init__(
        self,
        ax: Axes,
        handles: list[Any],
        names: list[str],
        *,
        title: str | None = None,
        grey: Mapping[Line2D, str] | None = None,
    ) -> None:
        super().__init__(
            ax, handles, names, title=title, fontsize=SIZE, title_fontsize=SIZE, frameon=False,
            **(ABOVE | {"alignment": "left"} if len(names) > INSIDE else {}),
        )  # fmt: skip
        lines = [handle if isinstance(handle, Line2D) else handle[0] for handle in handles]
        self.named = dict(zip(lines, names, strict=True))
        self.grey = dict(grey or {})
        self.heading = title
        self.set_clip_on(False)  # names beside the axes count in the figure's layout

    def draw(self, renderer: RendererBase) -> None:
        if texts := self.texts_at_ends(renderer):
            for text in texts:
                text.draw(renderer)
        else:
            super().draw(renderer)

    def get_tightbbox(self, renderer: RendererBase) -> Bbox:
        if texts := self.texts_at_ends(renderer):
            return Bbox.union([text.get_window_extent(renderer) for text in texts])
        return super().get_tightbbox(renderer)

    def texts_at_ends(self, renderer: RendererBase) -> list[Text]:
        """Return the names where they stand, in pixels, and the heading; none without room."""
        room = Room(self.axes, renderer, behind=self.grey)
        texts: list[Text] = []
        for line, name in (self.named | self.grey).items():
            if (end := room.end(line)) is None:
                continue
            text = self.text(name, TEXT.get(str(line.get_color()), str(line.get_color())))
            if room.place(text, end):
                texts.append(text)
            elif line in self.named:
                return []
        if self.heading:
            top = max([room.view.y1, *(box.y1 for box in room.taken)]) + room.gap / 2
            text = self.text(self.heading, "#595959")
            text.set(x=room.view.x0, y=top, va="bottom")
            texts.append(text)
        return texts

    def text(self, words: str, color: str) -> Text:
        """Return words, not placed yet."""
        text = Text(0, 0, words, color=color, fontsize=SIZE, va="center")
        text.set_figure(self.axes.figure)
        return text


class Room:
    """What space in a view is taken, by lines and by the names placed so far; all in pixels."""

    def __init__(self, ax: Axes, renderer: RendererBase, behind: Iterable[Line2D]) -> None:
        self.renderer = renderer
        self.view: Bbox = ax.bbox
        self.titled = bool(ax.get_title())
        lines = {line for line in ax.get_lines() if line.get_linestyle() != "None"} - {*behind}
        bars = [part for part in ax.collections if isinstance(part, LineCollection)]
        self.paths = [
            part.get_transform().transform_path(path)
            for part, paths in [*((line, [line.get_path()]) for line in lines),
                                *((bar, bar.get_paths()) for bar in bars)]
            for path in paths
        ]  # fmt: skip
        self.taken: list[Bbox] = []
        self.gap: float = renderer.points_to_pixels(GAP)

    def end(self, line: Line2D) -> np.ndarray | None:
        """Return the last point (2,) of a line that is in view, None if none is."""
        points = line.get_transform().transform(line.get_xydata())  # (points, 2)
        place = np.arange(len(points))
        between = np.linspace(0, len(points) - 1, FINE * (len(points) - 1) + 1)
        points = np.stack([np.interp(between, place, part) for part in points.T], axis=1)
        low, high = self.view.padded(0.5).get_points()
        seen = points[((points >= low) & (points <= high)).all(axis=1)]  # NaN never is
        return seen[-1] if len(seen) else None

    def place(self, text: Text, end: np.ndarray) -> bool:
        """Put a name at the first free place at its line's end, and say if there is one."""
        size = text.get_window_extent(self.renderer)
        for left, middle, across, up in PLACES:
            x = end[0] + left * size.width + across * self.gap
            y = end[1] + middle * size.height + up * self.gap
            box = Bbox.from_bounds(x, y - size.height / 2, size.width, size.height)
            if self.free(box):
                text.set(x=x, y=y)
                self.taken.append(box)
                return True
        return False

    def free(self, box: Bbox) -> bool:
        """Say whether a box (pixels) lies where names may be and nothing else is."""
        top = self.view.y1 + (0 if self.titled else box.height)
        within = self.view.x0 <= box.x0 and self.view.y0 <= box.y0 and box.y1 <= top
        seen = Bbox.intersection(box.padded(self.gap / 2), self.view)  # lines have markers
        crossed = seen and any(path.intersects_bbox(seen, filled=False) for path in self.paths)
        wide = Bbox.from_extents(box.x0 - self.gap / 2, box.y0, box.x1 + self.gap / 2, box.y1)
        taken = any(map(wide.overlaps, self.taken))
        return within and not crossed and not taken
