"""Where in its source a chunk stands: page, sheet and row, headings, anchor, lines."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from leafsearch.ingest.chunking.borders import parse_heading
from leafsearch.ingest.document import Document, Mark

_BETWEEN = " > "
_COUNTED = ("page", "row")  # a chunk that ends on another one says so, as `last_page`


class PlaceFinder:
    """The places of a document's chunks, in the order of the chunks.

    `shift` is the number of characters that stand before the document's own text.
    """

    def __init__(self, document: Document, text: str, shift: int = 0) -> None:
        self._text = text
        self._shift = shift
        self._offsets = [mark.offset for mark in document.marks]
        self._states = _accumulate(document.marks)
        self._has_lines = document.has_lines
        self._is_code = document.is_code
        self._line, self._counted_to = 1, shift

    def at(self, start: int, end: int, trail: Sequence[str]) -> dict[str, Any]:
        """The place of `text[start:end]` below the headings of `trail`."""
        place = dict(self._state(start))
        last = self._state(max(start, end - 1))
        for key in _COUNTED:
            if key in place and last.get(key, place[key]) != place[key]:
                place[f"last_{key}"] = last[key]
        if trail:
            place["heading"] = _BETWEEN.join(trail)
        if self._has_lines:
            place["lines"] = self._lines(start, end)
        return place

    def whole(self, text: str) -> dict[str, Any]:
        """The place of a text that is one chunk; its heading is the one that it begins with."""
        start = len(text) - len(text.lstrip())
        trail = () if self._is_code else _first_heading(text, start)
        return self.at(start, len(text.rstrip()), trail)

    def symbol(self, start: int) -> tuple[str, ...]:
        """The symbol of the part of a program that `start` is in; empty outside definitions."""
        found = self._state(start).get("symbol")
        return (str(found),) if found else ()

    def _state(self, at: int) -> Mapping[str, Any]:
        index = bisect_right(self._offsets, max(0, at - self._shift)) - 1
        return self._states[index] if index >= 0 else {}

    def _lines(self, start: int, end: int) -> list[int]:
        start = max(start, self._shift)
        if start < self._counted_to:  # the overlap begins before the end of the chunk before
            self._line -= self._text.count("\n", start, self._counted_to)
        else:
            self._line += self._text.count("\n", self._counted_to, start)
        self._counted_to = start
        return [self._line, self._line + self._text.count("\n", start, max(start, end))]


def _accumulate(marks: Sequence[Mark]) -> list[Mapping[str, Any]]:
    """What holds from each mark on."""
    states: list[Mapping[str, Any]] = []
    state: Mapping[str, Any] = {}
    for mark in marks:
        state = {k: v for k, v in {**state, **mark.place}.items() if v is not None}
        states.append(state)
    return states


def _first_heading(text: str, start: int) -> Sequence[str]:
    end = text.find("\n", start)
    if end >= 0 and text[start] != "#":  # an underlined heading takes two lines
        end = text.find("\n", end + 1)
    found = parse_heading(text, start, len(text) if end < 0 else end)
    return (found.text,) if found and found.text else ()
