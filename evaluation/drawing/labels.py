"""Labels beside points, so that none covers another label or a point."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_GAP = 7  # points between a mark and its label
_ROW = 13  # points from one label to the next when they are stacked
_MARK = 5  # pixels around a point that stay free


def place_labels(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float, str]],
    colours: Sequence[str],
) -> None:
    """Each at the nearest free place, from the highest point down; `points`: x, y and the text."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # or nothing has a place yet
    marks = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [Bbox.from_extents(*(at - _MARK), *(at + _MARK)) for at in marks]
    for (x, y, text), colour in sorted(
        zip(points, colours, strict=True), key=lambda labelled: -labelled[0][1]
    ):
        label = axes.annotate(
            text,
            (x, y),
            xytext=(0, 0),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 4},
        )
        label.set_in_layout(False)
        taken.append(_settled(label, axes, taken, canvas.get_renderer()))


def _settled(label: Any, axes: Axes, taken: Sequence[Bbox], renderer: Any) -> Bbox:
    for dx, dy, side in _places():
        label.set_position((dx, dy))
        label.set(ha=side, va="center")
        label.arrow_patch.set_visible(abs(dy) > 2 * _ROW)  # a line only where it is needed
        label.update_positions(renderer)
        box: Bbox = Text.get_window_extent(label, renderer)  # of the text, without the line
        inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
        if inside and not any(box.overlaps(other) for other in taken):
            break
    return box


def _places() -> list[tuple[float, float, str]]:
    """Offsets in points, the nearest first; down before up, since higher points come first."""
    beside = [(_GAP, 0, "left"), (-_GAP, 0, "right"), (0, _ROW, "center"), (0, -_ROW, "center")]
    stacked = [
        (dx, sign * n * _ROW / 2, side)
        for n in range(1, 18)
        for sign in (-1, 1)
        for dx, side in ((2 * _GAP, "left"), (-2 * _GAP, "right"))
    ]
    return [*beside, *stacked]
