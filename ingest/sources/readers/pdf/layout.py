"""Columns of running text and tables on a page, told from the gaps in consecutive rows.

PDFium reads in the order in which a page is drawn, which is the reading order in most files. Where
rows are drawn across two columns, they come interleaved; here such rows are read column by column.
Rows of short cells that stand in columns become rows of a Markdown table.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from leafsearch.ingest.sources.readers.pdf.lines import HYPHENS, Row, Segment
from leafsearch.ingest.sources.readers.pdf.tables import RuledTable, write_table

_FEWEST_ROWS = 4  # of running text in columns
_MOST_COLUMNS = 4  # of running text
_LONG = 18  # characters of a line of running text, in the middle of a column
_FILLED = 0.55  # of a column's width, by the line in the middle
_WIDE_PAIR = 2.0  # heights between the cells of a table with only two rows
_WITHIN_A_CELL = 0.7  # of the height, between two lines of a cell
_APART = 1.6  # times the usual gap between two rows of a table
_RIGHT_TO_LEFT = ("R", "AL")


def lay_out(rows: Sequence[Row]) -> Iterator[str]:
    """The lines of a page in reading order."""
    for block in _blocks(rows):
        if isinstance(block, Row):
            yield block.text
        else:
            yield from block.lines()


def rows_of_tables(rows: Sequence[Row]) -> set[int]:
    """The indexes of rows in tables of at least three rows, which stand close together."""
    found, at = set[int](), 0
    for block in _blocks(rows):
        size = 1 if isinstance(block, Row) else len(block.rows)
        if size > 2 and not isinstance(block, Row) and not block.is_running_text:
            gaps = [above.bottom - below.top for above, below in pairwise(block.rows)]
            usual = max(_APART * median(gaps), block.rows[0].height)
            begins, ends = gaps[0] > usual, gaps[-1] > usual  # the head or foot of the page
            found.update(range(at + begins, at + size - ends))
        at += size
    return found


def _blocks(rows: Sequence[Row]) -> Iterator["Row | _Grid | RuledTable"]:
    at = 0
    while at < len(rows):
        block: Row | _Grid | RuledTable = RuledTable.of(rows, at) or rows[at]
        if isinstance(block, Row) and len(block.segments) > 1:
            block = _Grid.of(rows, at) or block
        yield block
        at += 1 if isinstance(block, Row) else len(block.rows)


@dataclass
class _Grid:
    """Consecutive rows whose segments leave the same gaps free; `bounds` are the columns."""

    rows: list[Row]
    bounds: list[tuple[float, float]]

    @classmethod
    def of(cls, rows: Sequence[Row], start: int) -> "_Grid | None":
        """The grid that begins at a row; None if it is not worth one."""
        grid = cls([rows[start]], _merge(_intervals([rows[start]])))
        for row in rows[start + 1 :]:
            if not row.segments or not grid._takes(row):
                break
        grid._end()
        return grid if len(grid.rows) > 1 else None

    def _takes(self, row: Row) -> bool:
        """Add a row that leaves the gaps free."""
        gap = self.rows[-1].bottom - row.top
        if gap > 3 * row.height or self._is_higher(row):
            return False
        bounds = _merge([*self.bounds, *_intervals([row])])
        if len(bounds) != len(self.bounds):
            return False
        self.rows.append(row)
        self.bounds = bounds
        return True

    def _is_higher(self, row: Row) -> bool:
        """Whether a row stands above the one before it: another block of the page begins."""
        return row.bottom > self.rows[-1].top

    def _end(self) -> None:
        """Leave out last rows that belong to the text below rather than to the grid."""
        if not self.is_running_text:
            while self.rows and len(self.rows[-1].segments) < 2:
                self.rows.pop()
            is_close = self._narrowest_gap() < _WIDE_PAIR * self.rows[0].height
            if len(self.rows) == 2 and is_close and not all(row.is_ruled for row in self.rows):
                self.rows.pop()

    @property
    def is_running_text(self) -> bool:
        if sum(row.is_ruled for row in self.rows) > len(self.rows) / 2:
            return False
        columns = self._columns()
        if not 2 <= len(columns) <= _MOST_COLUMNS or len(self.rows) < _FEWEST_ROWS:
            return False
        return all(
            len(column) >= _FEWEST_ROWS
            and median(len(s.text) for s in column) >= _LONG
            and median(s.right - s.left for s in column) >= _FILLED * (right - left)
            for column, (left, right) in zip(columns, self.bounds, strict=True)
        )

    def lines(self) -> Iterator[str]:
        if self.is_running_text:
            columns = self._columns()
            if _is_right_to_left(columns):
                columns.reverse()
            for column in columns:
                yield from _unbroken([segment.text for segment in column])
        else:
            yield from self._table()

    def _table(self) -> Iterator[str]:
        table: list[list[str]] = []
        before: Row | None = None
        for row in self.rows:
            cells = [" ".join(s.text for s in cell) for cell in self._cells(row)]
            if before and _continues(row, cells, before, table[-1]):
                table[-1] = [f"{a} {b}".strip() for a, b in zip(table[-1], cells, strict=True)]
            else:
                table.append(cells)
            before = row
        yield from write_table(table)

    def _columns(self) -> list[list[Segment]]:
        cells = [self._cells(row) for row in self.rows]
        return [[s for cell in column for s in cell] for column in zip(*cells, strict=True)]

    def _cells(self, row: Row) -> list[list[Segment]]:
        cells: list[list[Segment]] = [[] for _ in self.bounds]
        for segment in row.segments:
            middle = (segment.left + segment.right) / 2
            index = next((i for i, (_, right) in enumerate(self.bounds) if middle <= right), -1)
            cells[index].append(segment)
        return cells

    def _narrowest_gap(self) -> float:
        pairs = pairwise(self.bounds)
        return min((after[0] - before[1] for before, after in pairs), default=0.0)


def _continues(row: Row, cells: Sequence[str], before: Row, above: Sequence[str]) -> bool:
    """Whether a row is the next line of one cell of the row above."""
    filled = [at for at, cell in enumerate(cells) if cell]
    is_next = before.bottom - row.top <= _WITHIN_A_CELL * row.height
    return len(filled) == 1 and filled[0] > 0 and bool(above[filled[0]]) and is_next


def _intervals(rows: Sequence[Row]) -> list[tuple[float, float]]:
    return [(s.left, s.right) for row in rows for s in row.segments]


def _merge(intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Intervals that overlap become one."""
    merged: list[tuple[float, float]] = []
    for left, right in sorted(intervals):
        if merged and left <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged


def _unbroken(lines: Sequence[str]) -> Iterator[str]:
    """Mark a hyphen that breaks a word at the end of a line as PDFium does."""
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        is_broken = line.endswith("-") and line[-2:-1].isalpha() and after[:1].islower()
        yield line[:-1] + HYPHENS[0] if is_broken else line


def _is_right_to_left(columns: Sequence[Sequence[Segment]]) -> bool:
    letters = [sign for column in columns for s in column[:8] for sign in s.text if sign.isalpha()]
    right = sum(unicodedata.bidirectional(sign) in _RIGHT_TO_LEFT for sign in letters)
    return 2 * right > len(letters)
