"""DOCX: everything that Word shows in the body, in its order.

Kept: text boxes, content controls, fields, inserted text, footnotes and comments (after the
paragraph that refers to them), formulas, nested tables. Left out: deleted and hidden text, the
table of contents; running heads and feet are left out and reported.
"""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html import to_markdown
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean
from leafsearch.ingest.sources.readers.office.formula import formula_text
from leafsearch.ingest.sources.readers.office.graphics import write_graphics
from leafsearch.ingest.sources.readers.office.numbering import Numbering
from leafsearch.ingest.sources.readers.office.package import (
    OfficePackage,
    attribute,
    child,
    children,
    descendants,
    local,
    open_package,
    title_of,
)
from leafsearch.ingest.sources.readers.office.styles import WordStyle, WordStyles
from leafsearch.ingest.sources.readers.text import Whole, decode

_MAIN = "word/document.xml"
_SKIPPED = {"del", "moveFrom", "rPr", "pPr", "sdtPr", "instrText", "delText", "proofErr", "rt"}
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "‑", "ptab": "\t"}
_HEX = re.compile(r"[0-9a-fA-F]{1,5}")
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}


def read_docx(stream: BinaryIO, whole: Whole) -> Records:
    """The title is that of the document's properties, else its title paragraph or first heading."""
    try:
        with open_package(stream, "docx") as package:
            reader = _WordReader(package)
            written = reader.written()
            title = title_of(package) or reader.title or written.title
        yield written.document(whole, title, "docx")
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


class _WordReader:
    def __init__(self, package: OfficePackage) -> None:
        self._package = package
        self._main = package.main_part(_MAIN)
        self._relations = package.relations(self._main)
        self._styles = WordStyles(self._optional("styles"))
        self._numbers = Numbering(self._optional("numbering"))
        self._notes = {
            **_by_id(self._optional("footnotes"), "footnote", "footnotes"),
            **_by_id(self._optional("endnotes"), "endnote", "endnotes"),
            **_by_id(self._optional("comments"), "comment", "comments"),
        }
        self._numbered: dict[tuple[str, str], int] = {}
        self._out = MarkdownText()
        self._code: list[str] = []
        self.title = ""

    def written(self) -> MarkdownText:
        body = child(self._package.xml(self._main), "body")
        if body is None:
            raise UnusableRecord("damaged docx: it has no body")
        self._blocks(body)
        self._end_code()
        self._unreferenced()
        for kind in ("header", "footer"):
            self._leave_out(kind)
        return self._out

    def _optional(self, kind: str) -> Any:
        parts = self._package.related(self._main, kind)
        return self._package.optional_xml(parts[0]) if parts else None

    def _blocks(self, parent: Any) -> None:
        for block in parent:
            match local(block):
                case "p":
                    self._paragraph(block)
                case "tbl":
                    self._end_code()
                    self._table(block)
                case "sdt" if _is_contents(block):
                    self._end_code()
                    self._out.leave_out("table of contents", _plain(block))
                case "sdt" | "customXml" | "ins" | "moveTo" | "sdtContent" | "smartTag":
                    self._blocks(block)
                case "AlternateContent":
                    self._blocks(_chosen(block))
                case "altChunk":
                    self._end_code()
                    self._foreign(attribute(block, "id"))

    def _foreign(self, id: str) -> None:
        """A document of another format that stands inside this one, as converters from HTML write
        it."""
        part = self._relations.get(id, ("", ""))[1]
        ending = part.lower().rpartition(".")[2]
        if not self._package.has(part):
            return
        if ending in ("htm", "html", "xhtml"):
            self._out.block(to_markdown(_decoded(self._package.bytes(part))))
        elif ending == "txt":
            self._out.paragraph(_decoded(self._package.bytes(part)))
        else:
            self._out.notes.append(f"it embeds {part}, which is not read")

    def _paragraph(self, paragraph: Any) -> None:
        style = self._styles.of(paragraph)
        pending: list[Any] = []
        text = "".join(self._inline(paragraph, pending))
        if style.is_code:
            self._code.append(text)
        else:
            self._end_code()
            self._write(paragraph, style, text)
        self._follow(pending)

    def _write(self, paragraph: Any, style: WordStyle, text: str) -> None:
        if style.is_contents:
            self._out.leave_out("table of contents", text)
            return
        label = self._numbers.label(paragraph, style) if text.strip() else None
        if style.is_title:
            self.title = self.title or " ".join(text.split())
            self._out.heading(1, text)
        elif style.level:
            shown = label.text if label and not label.is_bullet else ""
            self._out.heading(style.level, f"{shown} {text}")
        elif label:
            self._out.item(text, label.depth, "-" if label.is_bullet else label.text)
        else:
            self._out.paragraph(text)

    def _end_code(self) -> None:
        if self._code:
            self._out.code("\n".join(self._code))
            self._code = []

    def _follow(self, pending: list[Any]) -> None:
        """Text boxes, notes and comments of the paragraph or table before. A note may bring its
        own."""
        for kind, item in pending:
            self._end_code()
            if kind == "box":
                self._blocks(item)
            elif kind == "graphic":
                write_graphics(item, self._package, self._relations, self._out)
            else:
                self._note(kind, item)

    def _note(self, kind: str, id: str) -> None:
        note = self._notes.pop((kind, id), None)
        if note is None:
            return
        boxes: list[Any] = []
        text = clean("\n".join("".join(self._inline(p, boxes)) for p in descendants(note, "p")))
        if not text:
            return
        if kind == "comments":
            author = attribute(note, "author")
            self._out.paragraph(f"[Comment{f' by {author}' if author else ''}: {text}]")
        else:
            self._out.block(f"[^{self._number(kind, id)}]: " + text.replace("\n", "\n    "))
        self._follow(boxes)

    def _number(self, kind: str, id: str) -> int:
        return self._numbered.setdefault((kind, id), len(self._numbered) + 1)

    def _unreferenced(self) -> None:
        """Comments to which no run refers, as some programs write them."""
        for kind, id in [key for key in self._notes if key[0] == "comments"]:
            self._note(kind, id)

    def _inline(self, parent: Any, pending: list[Any]) -> Iterator[str]:
        for element in parent:
            name = local(element)
            if name == "t":
                yield element.text or ""
            elif name in _SIGNS:
                yield _SIGNS[name]
            elif name in _NOTES:
                yield from self._reference(_NOTES[name], attribute(element, "id"), pending)
            elif name == "commentReference":
                pending.append(("comments", attribute(element, "id")))
            elif name == "oMath":
                yield formula_text(element)
            elif name == "sym":
                yield _symbol(element)
            elif name == "textpath":  # text along a line
                yield attribute(element, "string")
            elif name in ("chart", "relIds"):
                pending.append(("graphic", element))
            elif name in ("txbxContent", "textbox"):
                box = element if name == "txbxContent" else child(element, "txbxContent")
                if box is not None:
                    pending.append(("box", box))
            elif name == "AlternateContent":
                yield from self._inline(_chosen(element), pending)
            elif name == "r" and _is_hidden(element):
                self._out.leave_out("hidden text", _plain(element))
            elif name not in _SKIPPED and name:
                yield from self._inline(element, pending)

    def _reference(self, kind: str, id: str, pending: list[Any]) -> Iterator[str]:
        if (kind, id) in self._notes:
            pending.append((kind, id))
            yield f"[^{self._number(kind, id)}]"

    def _table(self, table: Any) -> None:
        pending: list[Any] = []
        rows = [self._row(row, pending) for row in _rows(table)]
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            for cell in _cells(next(_rows(table))):
                self._blocks(cell)
            return
        self._out.table(rows)
        self._follow(pending)

    def _row(self, row: Any, pending: list[Any]) -> list[str]:
        cells: list[str] = []
        for cell in _cells(row):
            properties = child(cell, "tcPr")
            span = child(properties, "gridSpan") if properties is not None else None
            width = attribute(span, "val") if span is not None else "1"
            cells.append(" ".join(" ".join(self._cell(cell, pending)).split()))
            cells.extend([""] * (min(int(width), 100) - 1 if width.isdecimal() else 0))
        return cells

    def _cell(self, cell: Any, pending: list[Any]) -> Iterator[str]:
        for block in cell:
            name = local(block)
            if name == "p":
                text = "".join(self._inline(block, pending))
                label = self._numbers.label(block, self._styles.of(block)) if text.strip() else None
                yield f"{label.text} {text}" if label and not label.is_bullet else text
            elif name == "tbl":
                for row in _rows(block):
                    yield "; ".join(filter(None, self._row(row, pending)))
            elif name in ("sdt", "sdtContent", "customXml", "ins"):
                yield from self._cell(block, pending)

    def _leave_out(self, kind: str) -> None:
        texts = (
            _plain(root)
            for part in self._package.related(self._main, kind)
            if (root := self._package.optional_xml(part)) is not None
        )
        for text in dict.fromkeys(filter(str.strip, texts)):
            self._out.leave_out(f"running {'head' if kind == 'header' else 'foot'}", text)


def _decoded(raw: bytes) -> str:
    try:
        return decode(raw)
    except UnusableRecord:
        return raw.decode("cp1252", "replace")


def _by_id(root: Any, name: str, kind: str) -> dict[tuple[str, str], Any]:
    if root is None:
        return {}
    notes = (note for note in children(root, name) if "eparator" not in attribute(note, "type"))
    return {(kind, attribute(note, "id")): note for note in notes}


def _rows(table: Any) -> Iterator[Any]:
    for row in table:
        if local(row) == "tr":
            properties = child(row, "trPr")
            if properties is None or child(properties, "del") is None:
                yield row
        elif local(row) in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _rows(row)


def _cells(row: Any) -> Iterator[Any]:
    for cell in row:
        if local(cell) == "tc":
            yield cell
        elif local(cell) in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _cells(cell)


def _chosen(alternatives: Any) -> Any:
    """One of the forms in which the same content is written."""
    found = child(alternatives, "Choice")
    if found is None:
        found = child(alternatives, "Fallback")
    return found if found is not None else ()


def _is_contents(control: Any) -> bool:
    gallery = next(descendants(control, "docPartGallery"), None)
    return gallery is not None and attribute(gallery, "val") == "Table of Contents"


def _is_hidden(run: Any) -> bool:
    properties = child(run, "rPr")
    sign = child(properties, "vanish") if properties is not None else None
    return sign is not None and attribute(sign, "val") not in ("0", "false")


def _plain(element: Any) -> str:
    return " ".join(text.text or "" for text in descendants(element, "t"))


def _symbol(element: Any) -> str:
    """A sign of a symbol font has no meaning without the font."""
    given = attribute(element, "char")
    code = int(given, 16) if _HEX.fullmatch(given) else 0
    return "" if 0xE000 <= code <= 0xF8FF or not code else chr(code)
