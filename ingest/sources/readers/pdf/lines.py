"""The words of a PDF page, gathered into rows of segments.

PDFium puts what stands on one baseline into one line, also across the gutter between two columns
or the cells of a table. Here a line is cut into segments where the gap between two words is wide.
"""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from leafsearch.ingest.sources.readers.pdf.rules import Rules

HYPHENS = ("\x02", "\ufffe")  # PDFium's signs for a hyphen that breaks a word across lines
_WIDE = 1.2  # of the height of the letters; no space within a justified line is often wider
_ON_ONE_ROW = 0.4  # of the height, by which two segments of one row overlap
_LEADER = re.compile(r"\s*(?:[.·…][ ]?){4,}\s*")  # dots between a title and its page number
_BULLET = re.compile(r"[-\u2010-\u2015\u2022\u2023\u25a0-\u25ff\u2219*·]|\(?\w{1,3}[.)]")
_INDENT = 40.0  # points between the sign of a list item and its text
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a line, in points from the page's lower left corner; `cell` is the upper and the
    left end of the ruled cell that it stands in."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    cell: tuple[float, float] | None = None

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 1.0)

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def is_level_with(self, other: "Segment") -> bool:
        """Whether it stands on the same row."""
        shared = min(self.top, other.top) - max(self.bottom, other.bottom)
        return shared > _ON_ONE_ROW * min(self.height, other.height)

    def follows(self, other: "Segment", rules: Rules) -> bool:
        """Whether it stands to the right of another segment, on the same row."""
        wide = _WIDE * min(self.height, other.height)
        return self.is_level_with(other) and (
            self.left >= other.right + wide
            or (self.left >= other.right and rules.between(other.right, self.left, self.middle))
        )


@dataclass(slots=True)
class Row:
    """`is_ruled` if a rule stands between two of its segments."""

    segments: list[Segment] = field(default_factory=list)
    is_ruled: bool = False

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @property
    def top(self) -> float:
        return max((segment.top for segment in self.segments), default=0.0)

    @property
    def bottom(self) -> float:
        return min((segment.bottom for segment in self.segments), default=0.0)

    @property
    def height(self) -> float:
        return max((segment.height for segment in self.segments), default=1.0)


def read_rows(textpage: Any, rules: Rules) -> Iterator[Row]:
    """The rows of a page, in the order in which PDFium reads it; a Row without segments is a
    blank line."""
    row = Row()
    for line in _lines(textpage, rules):
        if not line:
            if row.segments:
                yield row
            yield (row := Row())
            row = Row()
        for segment in line:
            if row.segments and not segment.follows(row.segments[-1], rules):
                yield row
                row = Row()
            if row.segments and not row.is_ruled:
                before = row.segments[-1]
                row.is_ruled = rules.between(before.right, segment.left, segment.middle)
            row.segments.append(segment)
    if row.segments:
        yield row


def join_bullets(rows: list[Row]) -> list[Row]:
    """Put the sign of a list item before its text: across the wide gap after it, and where a
    program draws all signs at the end."""
    for row in rows:
        _close_gap(row)
    bullets = [row for row in rows if len(row.segments) == 1 and _BULLET.fullmatch(row.text)]
    if not bullets:
        return rows
    joined = {id(bullet) for bullet in bullets if _join_bullet(bullet.segments[0], rows)}
    return [row for row in rows if id(row) not in joined]


def _close_gap(row: Row) -> None:
    if len(row.segments) < 2 or row.is_ruled:
        return
    sign, text = row.segments[:2]
    if _BULLET.fullmatch(sign.text) and 0 <= text.left - sign.right <= _INDENT:
        joined = f"{sign.text} {text.text}"
        row.segments[:2] = [replace(text, text=joined, left=sign.left)]


def _join_bullet(bullet: Segment, rows: list[Row]) -> bool:
    for row in rows:
        first = row.segments[0] if row.segments else bullet
        gap = first.left - bullet.right
        if 0 <= gap <= _INDENT and first.is_level_with(bullet):
            text = f"{bullet.text} {first.text}"
            row.segments[0] = replace(first, text=text, left=bullet.left)
            return True
    return False


def _lines(textpage: Any, rules: Rules) -> Iterator[list[Segment]]:
    """The segments of each line."""
    boxes = _Boxes(textpage)
    line: list[Segment] = []
    words: list[_Word] = []
    start = None
    for at, sign in enumerate([*_signs(textpage), "\n"]):
        if sign.isspace() or sign == "\0":
            if start is not None:
                words.append(_Word("".join(boxes.text[start:at]), boxes.of(start, at - 1)))
                start = None
            if sign == "\n":
                line = list(_cut(words, rules))
                yield line
                words = []
            continue
        if start is None:
            start = at
        boxes.text.extend([""] * (at - len(boxes.text)) + [sign])


def _signs(textpage: Any) -> Iterator[str]:
    from pypdfium2 import raw

    for at in range(raw.FPDFText_CountChars(textpage)):
        code = raw.FPDFText_GetUnicode(textpage, at)
        yield "\ufffd" if code in _SURROGATES or code > 0x10FFFF else chr(code)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    box: tuple[float, float, float, float]


class _Boxes:
    """Boxes of characters; only those at the ends of words are looked up."""

    def __init__(self, textpage: Any) -> None:
        self._page = textpage
        self._values = [ctypes.c_double() for _ in range(4)]
        self._pointers = [ctypes.byref(value) for value in self._values]
        self.text: list[str] = []

    def of(self, first: int, last: int) -> tuple[float, float, float, float]:
        """Left, right, bottom and top around two characters."""
        a, b = self._of(first), self._of(last)
        return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])

    def _of(self, at: int) -> tuple[float, float, float, float]:
        from pypdfium2 import raw

        raw.FPDFText_GetCharBox(self._page, at, *self._pointers)
        left, right, bottom, top = (value.value for value in self._values)
        return left, right, bottom, top


def _cut(words: list[_Word], rules: Rules) -> Iterator[Segment]:
    """Cut a line where the gap between two words is wide, or has a rule in it, or goes up or down
    by a line."""
    some: list[_Word] = []
    # A full stop is low, but the space around it is that of its line.
    height = max((word.box[3] - word.box[2] for word in words), default=1.0)
    for word in words:
        if some and _is_apart(some[-1], word, height, rules):
            yield _joined(some, rules)
            some = []
        some.append(word)
    if some:
        yield _joined(some, rules)


def _is_apart(before: _Word, word: _Word, height: float, rules: Rules) -> bool:
    _, right, lower, upper = before.box
    left, _, bottom, top = word.box
    if left - right >= _WIDE * max(height, 1.0):
        return True
    if top < lower - height / 2 or bottom > upper + height / 2:
        return True
    return bool(rules) and left > right and rules.between(right, left, (bottom + top) / 2)


def _joined(words: list[_Word], rules: Rules) -> Segment:
    left, right, bottom, top = zip(*(word.box for word in words), strict=True)
    text = _LEADER.sub(" ... ", " ".join(word.text for word in words)).strip()
    box = min(left), max(right), min(bottom), max(top)
    return Segment(text, *box, rules.cell(*box) if rules else None)
