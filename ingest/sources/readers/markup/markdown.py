"""Text as Markdown: headings with their level, list items, tables as rows, code line by line.

What is written stays as it is but for the signs that would change its meaning here: emphasis and
links are not marked, so that a word is found as it is read.
"""

import re
from collections.abc import Sequence
from typing import Any

from leafsearch.ingest.document import Document, Mark, Omission
from leafsearch.ingest.sources.files.records import MAX_TEXT, UnusableRecord
from leafsearch.ingest.sources.readers.text import Whole

_LOOKS_LIKE_HEADING = re.compile(r"^(?=#{1,6}[ \t])", re.MULTILINE)
_TICKS = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)
_BLANKS = re.compile(r"[ \t\r\f\v\xa0]+")
_DEEPEST = 6  # level of a heading


class MarkdownText:
    """Blocks in their order. A mark, an omission or a note may be added between any two."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._in_list = False
        self.marks: list[Mark] = []
        self.omissions: list[Omission] = []
        self.notes: list[str] = []
        self.title = ""  # the first heading

    @property
    def text(self) -> str:
        return "".join(self._parts).strip("\n")

    @property
    def words(self) -> int:
        """Words of the source with those that are left out; 0 if nothing is."""
        left_out = sum(omission.words for omission in self.omissions)
        return left_out and left_out + len(self.text.split())

    def document(self, whole: Whole, title: str, form: str) -> Document:
        """The document of a file in the format `form`. Raises UnusableRecord without text."""
        text = self.text
        if not text.strip():
            raise UnusableRecord(f"no text in this {form}")
        return whole.document(
            text,
            title,
            marks=self.marks,
            omissions=self.omissions,
            words=self.words,
            notes=self.notes,
        )

    def mark(self, **place: Any) -> None:
        """From the next block on."""
        self.marks.append(Mark(self._next_offset(), place))

    def leave_out(self, reason: str, text: str) -> None:
        if words := len(text.split()):
            self.omissions.append(Omission(reason, words, " ".join(text[:400].split())[:200]))

    def heading(self, level: int, text: str) -> None:
        if text := " ".join(text.split()):
            self.title = self.title or text
            self._add(f"{'#' * max(1, min(level, _DEEPEST))} {text}")

    def paragraph(self, text: str) -> None:
        self._add(_LOOKS_LIKE_HEADING.sub(r"\\", clean(text)))

    def item(self, text: str, depth: int = 0, label: str = "-") -> None:
        """A list item; `depth` counts from 0, `label` is its sign or number."""
        if text := clean(text):
            indent = "    " * min(depth, 8)
            lines = text.replace("\n", f"\n{indent}  ")
            self._add(f"{indent}{label} {lines}", in_list=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """The first row is the head."""
        self._add(table_of(rows))

    def code(self, text: str, language: str = "") -> None:
        if text.strip():
            self._add(fenced(text, language))

    def block(self, text: str) -> None:
        """Markdown as it is."""
        self._add(text.strip("\n"))

    def _add(self, block: str, *, in_list: bool = False) -> None:
        if not block.strip():
            return
        if self._parts:
            self._append("\n" if in_list and self._in_list else "\n\n")
        self._append(block)
        self._in_list = in_list

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)
        if self._length > MAX_TEXT:
            raise UnusableRecord(f"text of more than {MAX_TEXT} characters")

    def _next_offset(self) -> int:
        return self._length + 2 if self._parts else 0


def clean(text: str) -> str:
    """Each line with single blanks, without empty lines."""
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one width; rows without text are left out."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    if width == 1 and len(cells) == 1:  # a frame around text
        return "\n".join(clean(cell) for cell in rows[0]) if len(rows) == 1 else cells[0][0]
    lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in cells]
    return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def fenced(text: str, language: str = "") -> str:
    """Code between fences that no line of it closes."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    lines = text.expandtabs(4).rstrip().lstrip("\n")
    return f"{fence}{language}\n{lines}\n{fence}"
