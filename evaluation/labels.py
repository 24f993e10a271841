"""Where marks and their labels stand in a picture, so that none hides another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox, Transform

Point = tuple[float, float]

_GAP = 7  # points between a mark and its label
_RINGS = (_GAP, 13, 20, 28, 38, 50)  # points; from the second one on, a line joins mark and label
_ROUNDS = 200
_SIZE = 8  # points, of the text


@dataclass(frozen=True)
class Label:
    """The text of one or several neighbouring marks, at `places` in pixels."""

    text: str
    colour: str
    places: Sequence[Point]
    is_first: bool = False  # it is placed before the others


def spread_marks(places: Sequence[Point], apart: float) -> list[Point]:
    """Marks in pixels, moved sideways until they are `apart`; those that do not touch stay."""
    moved = np.array(places, dtype=float).reshape(-1, 2)
    order = sorted(range(len(moved)), key=lambda n: (moved[n, 0], -moved[n, 1], n))
    for _ in range(_ROUNDS):
        is_settled = True
        for at, left in enumerate(order):
            for right in order[at + 1 :]:
                height = abs(moved[left, 1] - moved[right, 1])
                missing = apart - (moved[right, 0] - moved[left, 0])
                if height < apart and missing > 0.1:
                    moved[left, 0] -= missing / 2
                    moved[right, 0] += missing / 2
                    is_settled = False
        if is_settled:
            break
    return [(float(x), float(y)) for x, y in moved]


def group_neighbours(places: Sequence[Point], near: float) -> list[list[int]]:
    """Numbers of the marks that stand side by side, each in one group."""
    groups: list[list[int]] = []
    for number, (x, y) in enumerate(places):
        touching = [
            group
            for group in groups
            if any(abs(x - places[n][0]) < near and abs(y - places[n][1]) < near for n in group)
        ]
        groups = [group for group in groups if group not in touching]
        groups.append([n for group in touching for n in group] + [number])
    return sorted(sorted(group) for group in groups)


def place_labels(
    figure: Figure,
    axes: Axes,
    labels: Sequence[Label],
    marks: Sequence[Point],
    lines: Sequence[Sequence[Point]],
    radius: float,
) -> None:
    """Write each label beside its marks, or leave it out where there is no room.

    A label covers no mark and no other label, and crosses `lines` only where it has to. All places
    are in pixels; `radius` is that of a mark.
    """
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    pixels = figure.transFigure.inverted()
    taken = [Bbox.from_extents(x - radius, y - radius, x + radius, y + radius) for x, y in marks]
    paths = [Path(np.array(line)) for line in lines if len(line) > 1]
    for label in sorted(labels, key=lambda each: not each.is_first):
        text = figure.text(0, 0, label.text, color=label.colour, fontsize=_SIZE)
        found: list[tuple[int, Bbox, Spot]] = []
        for spot in _spots(label.places, figure.dpi / 72):
            box = _moved(text, spot, pixels, renderer)
            is_inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
            if is_inside and not any(box.overlaps(other) for other in taken):
                crossed = sum(path.intersects_bbox(box, filled=False) for path in paths)
                found.append((crossed + spot.ring, box, spot))
        if not found:
            text.remove()
            continue
        _, box, spot = min(found, key=lambda each: each[0])
        _moved(text, spot, pixels, renderer)
        taken.append(box.padded(1))
        if spot.ring:
            ends = pixels.transform([spot.mark, _nearest(box, spot.mark)])
            line = Line2D(ends[:, 0], ends[:, 1], color=label.colour, linewidth=0.6)
            figure.add_artist(line)


@dataclass(frozen=True)
class Spot:
    """A place for a text in pixels, and how it is aligned there."""

    ring: int
    at: Point
    mark: Point
    side: str
    height: str


def _moved(text: Text, spot: Spot, pixels: Transform, renderer: Any) -> Bbox:
    text.set(position=pixels.transform(spot.at), ha=spot.side, va=spot.height)
    return text.get_window_extent(renderer)


def _spots(places: Sequence[Point], scale: float) -> Iterator[Spot]:
    """The nearest first."""
    left, right = min(places), max(places)
    middle = (sum(x for x, _ in places) / len(places), sum(y for _, y in places) / len(places))
    for ring, points in enumerate(_RINGS):
        gap, slant = points * scale, 0.75 * points * scale
        for mark, dx, dy in (
            (right, gap, 0.0),
            (middle, 0.0, gap),
            (middle, 0.0, -gap),
            (left, -gap, 0.0),
            (right, slant, slant),
            (right, slant, -slant),
            (left, -slant, slant),
            (left, -slant, -slant),
        ):
            side = "left" if dx > 0 else "right" if dx < 0 else "center"
            height = "bottom" if dy > 0 else "top" if dy < 0 else "center"
            yield Spot(ring, (mark[0] + dx, mark[1] + dy), mark, side, height)


def _nearest(box: Bbox, point: Point) -> Point:
    """The place on the box that is nearest to the point."""
    return (
        float(np.clip(point[0], box.x0, box.x1)),
        float(np.clip(point[1], box.y0, box.y1)),
    )
