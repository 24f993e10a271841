"""Running heads and page numbers: what stands in the same place at the edge of many pages."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from leafsearch.ingest.document import Omission
from leafsearch.ingest.sources.readers.pdf.layout import rows_of_tables
from leafsearch.ingest.sources.readers.pdf.lines import Row

FEWEST_PAGES = 3  # on which a row is repeated, of those around it
_AROUND = 4  # pages before and after
_ROWS = 3  # at the top and at the bottom of a page
_ZONE = 0.14  # of the page's height
_NEAR = 6.0  # points by which the place of a repeated row may differ
_LONGEST = 200  # characters
_NUMBER = re.compile(r"\d+")
_ROMAN = re.compile(r"[ivxlcdm]+|[IVXLCDM]+")
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A segment of a row at the edge of a page: the row's index in the page, and the segment's text
    with `#` for numbers."""

    index: int
    shape: str
    place: float  # points from the nearer edge
    is_top: bool
    numbers: tuple[int, ...]


@dataclass
class RunningHeads:
    """Finds the rows of a document that are repeated from page to page."""

    _edges: list[list[_Candidate]] = field(default_factory=list)

    def look_at(self, rows: Sequence[Row], bottom: float, top: float) -> None:
        """Look at the next page, which reaches from `bottom` to `top`."""
        tables = rows_of_tables(rows)
        there = [(i, row) for i, row in enumerate(rows) if i not in tables]
        self._edges.append(list(_edge_rows(there, bottom, top)))

    def drop(self, pages: Sequence[list[Row]]) -> list[Omission]:
        """Remove the repeated rows from the pages that were looked at; return what they said."""
        dropped: Counter[str] = Counter()
        first: dict[str, str] = {}
        repeated = self._repeated()
        for number, (rows, edge) in enumerate(zip(pages, self._edges, strict=True)):
            gone = {c.index: c.shape for c in edge[::-1] if (number, c.index) in repeated}
            for index, shape in gone.items():
                dropped[shape] += len(rows[index].text.split())
                first.setdefault(shape, rows[index].text)
            rows[:] = [row for index, row in enumerate(rows) if index not in gone]
        return [
            Omission("running head or page number", words, first[shape][:_SHOWN])
            for shape, words in dropped.items()
        ]

    def _repeated(self) -> set[tuple[int, int]]:
        """Pages and rows of repeated texts, and of numbers that count the pages."""
        groups: dict[tuple[str, bool], list[tuple[int, _Candidate]]] = defaultdict(list)
        for number, edge in enumerate(self._edges):
            for candidate in edge:
                groups[candidate.shape, candidate.is_top].append((number, candidate))
        return {
            (number, candidate.index)
            for group in groups.values()
            for near in _by_place(group)
            for number, candidate in near
            if _is_repeated(number, candidate, near)
        }


def _edge_rows(rows: Sequence[tuple[int, Row]], bottom: float, top: float) -> Iterator[_Candidate]:
    """The outermost rows of a page, if they stand near its edge."""
    zone = _ZONE * (top - bottom)
    by_height = sorted((pair for pair in rows if pair[1].segments), key=lambda pair: -pair[1].top)
    for is_top, edge in ((True, by_height[:_ROWS]), (False, by_height[::-1][:_ROWS])):
        for index, row in edge:
            place = top - row.top if is_top else row.bottom - bottom
            if place <= zone and len(row.text) <= _LONGEST:
                # A book's title may be repeated beside the title of each chapter.
                for segment in row.segments:
                    yield _candidate(index, segment.text, place, is_top)


def _candidate(index: int, text: str, place: float, is_top: bool) -> _Candidate:
    numbers = tuple(int(found) for found in _NUMBER.findall(text) if len(found) < 9)
    shape = _NUMBER.sub("#", text)
    if not numbers and _ROMAN.fullmatch(shape):
        shape = "roman"
    return _Candidate(index, shape, place, is_top, numbers)


def _by_place(
    group: Sequence[tuple[int, _Candidate]],
) -> Iterator[list[tuple[int, _Candidate]]]:
    """Candidates of one shape, in groups that stand equally far from the edge."""
    near: list[tuple[int, _Candidate]] = []
    for number, candidate in sorted(group, key=lambda pair: pair[1].place):
        if near and candidate.place - near[-1][1].place > _NEAR:
            yield near
            near = []
        near.append((number, candidate))
    if near:
        yield near


def _is_repeated(
    number: int, candidate: _Candidate, group: Sequence[tuple[int, _Candidate]]
) -> bool:
    """Whether the row stands on enough pages around this one; numbers in it have to stay the same
    or to grow with the pages, else they are content."""
    around = [c for c in group if abs(c[0] - number) <= _AROUND]
    same = [(n, c) for n, c in around if len(c.numbers) == len(candidate.numbers)]
    return len({n for n, _ in same}) >= FEWEST_PAGES and all(
        sum(c.numbers[at] == value or c.numbers[at] - n == value - number for n, c in same)
        >= FEWEST_PAGES
        for at, value in enumerate(candidate.numbers)
    )
