"""The words of a PDF page, gathered into rows of segments.

PDFium puts what stands on one baseline into one line, also across the gutter between two columns
or the cells of a table. Here a line is cut into segments where the gap between two words is wide.
"""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HYPHENS = ("\x02", "\ufffe")  # PDFium's signs for a hyphen that breaks a word across lines
_WIDE = 1.2  # of the height of the letters; no space within a justified line is often wider
_ON_ONE_ROW = 0.4  # of the height, by which two segments of one row overlap
_LEADER = re.compile(r"\s*(?:[.·…][ ]?){4,}\s*")  # dots between a title and its page number
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a line; `y` grows upwards, in points."""

    text: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 1.0)

    def follows(self, other: "Segment") -> bool:
        """Whether it stands to the right of another segment, on the same row."""
        shared = min(self.top, other.top) - max(self.bottom, other.bottom)
        height = min(self.height, other.height)
        return self.left >= other.right + _WIDE * height and shared > _ON_ONE_ROW * height


@dataclass(slots=True)
class Row:
    segments: list[Segment] = field(default_factory=list)

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


def read_rows(textpage: Any) -> Iterator[Row]:
    """The rows of a page, in the order in which PDFium reads it; a Row without segments is a
    blank line."""
    row = Row()
    for line in _lines(textpage):
        if not line:
            if row.segments:
                yield row
            yield (row := Row())
            row = Row()
        for segment in line:
            if row.segments and not segment.follows(row.segments[-1]):
                yield row
                row = Row()
            row.segments.append(segment)
    if row.segments:
        yield row


def _lines(textpage: Any) -> Iterator[list[Segment]]:
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
                line = list(_cut(words))
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


def _cut(words: list[_Word]) -> Iterator[Segment]:
    """Cut a line where the gap between two words is wide."""
    some: list[_Word] = []
    # A full stop is low, but the space around it is that of its line.
    height = max((word.box[3] - word.box[2] for word in words), default=1.0)
    for word in words:
        if some and word.box[0] - some[-1].box[1] >= _WIDE * max(height, 1.0):
            yield _joined(some)
            some = []
        some.append(word)
    if some:
        yield _joined(some)


def _joined(words: list[_Word]) -> Segment:
    left, right, bottom, top = zip(*(word.box for word in words), strict=True)
    text = _LEADER.sub(" ... ", " ".join(word.text for word in words)).strip()
    return Segment(text, min(left), max(right), min(bottom), max(top))
