"""Rules on a PDF page: the borders of a table and its cells.

A vertical rule cuts a line however narrow the gap is; rules on all four sides make a cell.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

_THIN = 4.0  # points; a path that is no thicker is a line
_SHORTEST = 5.0  # points
_MOST = 5_000  # paths of a page; one with more is a drawing
_LEAN = 1.0  # points by which a word may reach over a rule

Rule = tuple[float, float, float]  # where it stands, where it begins and ends


class Rules:
    """`vertical` ones are x, bottom and top; `horizontal` ones y, left and right."""

    def __init__(self, vertical: Sequence[Rule] = (), horizontal: Sequence[Rule] = ()) -> None:
        self._vertical = _Sorted(vertical)
        self._horizontal = _Sorted(horizontal)

    def __bool__(self) -> bool:
        return bool(self._vertical.rules)

    def between(self, left: float, right: float, y: float) -> bool:
        """Whether a rule stands between two words, at the height `y`."""
        return self._vertical.any(left, right, y)

    def cell(
        self, left: float, right: float, bottom: float, top: float
    ) -> tuple[float, float] | None:
        """The upper and the left end of the cell around a box; None without rules on all sides."""
        x, y = (left + right) / 2, (bottom + top) / 2
        ends = (
            self._horizontal.after(y, x),
            self._vertical.before(x, y),
            self._horizontal.before(y, x),
            self._vertical.after(x, y),
        )
        return None if None in ends else (ends[0] or 0.0, ends[1] or 0.0)


class _Sorted:
    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = sorted(rules)
        self._places = [place for place, _, _ in self.rules]

    def any(self, low: float, high: float, at: float) -> bool:
        first = bisect_left(self._places, low - _LEAN)
        last = bisect_right(self._places, high + _LEAN)
        return any(begin <= at <= end for _, begin, end in self.rules[first:last])

    def before(self, place: float, at: float) -> float | None:
        """The place of the nearest rule that stands before another place."""
        return _first(reversed(self.rules[: bisect_left(self._places, place)]), at)

    def after(self, place: float, at: float) -> float | None:
        return _first(self.rules[bisect_right(self._places, place) :], at)


def _first(rules: Iterable[Rule], at: float) -> float | None:
    return next((place for place, begin, end in rules if begin <= at <= end), None)


def read_rules(page: Any) -> Rules:
    """The straight lines of a page, and the sides of its boxes."""
    from pypdfium2 import raw

    vertical, horizontal = list[Rule](), list[Rule]()
    paths = page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=3)
    for count, path in enumerate(paths):
        if count == _MOST:
            return Rules()
        left, bottom, right, top = path.get_bounds()
        if top - bottom >= _SHORTEST:
            vertical += _sides(left, right, bottom, top)
        if right - left >= _SHORTEST:
            horizontal += _sides(bottom, top, left, right)
    return Rules(vertical, horizontal)


def _sides(low: float, high: float, begin: float, end: float) -> list[Rule]:
    if high - low <= _THIN:
        return [((low + high) / 2, begin, end)]
    return [(low, begin, end), (high, begin, end)]
