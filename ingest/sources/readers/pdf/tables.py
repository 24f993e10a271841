"""Tables with rules around their cells, and tables as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leafsearch.ingest.sources.readers.pdf.lines import Row

_SAME = 4.0  # points between the borders that two neighbours draw


@dataclass
class RuledTable:
    """Consecutive rows of text of which every segment stands in a cell. A cell may have several
    lines, and those of one row of cells need not stand level."""

    rows: list[Row]
    is_running_text = False

    @classmethod
    def of(cls, rows: Sequence[Row], start: int) -> "RuledTable | None":
        """The table of several columns that begins at a row, if one does."""
        end = start
        while end < len(rows) and _is_in_cells(rows[end]):
            end += 1
        table = cls(list(rows[start:end]))
        return table if len(table._lefts()) > 1 else None

    def lines(self) -> Iterator[str]:
        tops, lefts = self._ends(0)[::-1], self._lefts()
        table = [["" for _ in lefts] for _ in tops]
        for row in self.rows:
            for segment in row.segments:
                top, left = segment.cell or (0.0, 0.0)
                cells = table[_nearest(tops, top)]
                column = _nearest(lefts, left)
                cells[column] = f"{cells[column]} {segment.text}".strip()
        yield from write_table(table)

    def _lefts(self) -> list[float]:
        return self._ends(1)

    def _ends(self, axis: int) -> list[float]:
        """Different upper (0) or left (1) ends of cells, in rising order."""
        ends = sorted(s.cell[axis] for row in self.rows for s in row.segments if s.cell)
        return [end for at, end in enumerate(ends) if not at or end - ends[at - 1] > _SAME]


def write_table(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table; the first row is its head."""
    for number, cells in enumerate(table):
        inner = " | ".join(cell.replace("|", "\\|") for cell in cells)
        yield f"| {inner} |"
        if not number:
            yield "|" + "---|" * len(cells)


def _is_in_cells(row: Row) -> bool:
    return bool(row.segments) and all(segment.cell for segment in row.segments)


def _nearest(ends: Sequence[float], end: float) -> int:
    return min(range(len(ends)), key=lambda at: abs(ends[at] - end))
