"""ODT and ODP: text documents and presentations of LibreOffice and others.

Kept: text boxes, footnotes and comments (after the paragraph that refers to them), formulas, nested
tables, notes of slides. Left out: deleted text; tables of contents, running heads and feet are
left out and reported.
"""

import posixpath
from collections.abc import Iterator
from typing import Any, BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean
from leafsearch.ingest.sources.readers.office.formula import formula_text
from leafsearch.ingest.sources.readers.office.package import (
    OfficePackage,
    attribute,
    child,
    descendants,
    local,
    open_package,
    title_of,
)
from leafsearch.ingest.sources.readers.text import Whole

_CODE = ("preformatted", "source code", "source_20_code", "source_5f", "code block")
_SKIPPED = {"tracked-changes", "forms", "sequence-decls", "variable-decls", "user-field-decls"}
_INDEXES = {"table-of-content", "illustration-index", "table-index", "alphabetical-index"}
_MOST_REPEATED = 100  # a repeated empty cell or row stands for the rest of the sheet
_BODIES = {"odt": "text", "odp": "presentation"}


def read_odt(stream: BinaryIO, whole: Whole) -> Records:
    return _read(stream, whole, "odt")


def read_odp(stream: BinaryIO, whole: Whole) -> Records:
    """Marks tell the number of each slide as its page."""
    return _read(stream, whole, "odp")


def _read(stream: BinaryIO, whole: Whole, form: str) -> Records:
    try:
        with open_package(stream, form) as package:
            written = _OpenDocument(package, form).written()
            title = title_of(package, "meta.xml") or written.title
        yield written.document(whole, title, form)
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


class _OpenDocument:
    def __init__(self, package: OfficePackage, form: str) -> None:
        self._package = package
        self._form = form
        if not package.has("content.xml"):
            raise package.other_format()
        self._require_readable()
        self._content = package.xml("content.xml")
        self._looks = package.optional_xml("styles.xml")
        self._parents = dict(self._style_parents())
        self._lists = dict(self._list_levels())
        self._out = MarkdownText()
        self._code: list[str] = []
        self._notes = 0

    def written(self) -> MarkdownText:
        office = child(self._content, "body")
        body = child(office, _BODIES[self._form]) if office is not None else None
        if body is None:
            raise self._package.other_format()
        self._blocks(body)
        self._end_code()
        self._leave_out_running()
        return self._out

    def _require_readable(self) -> None:
        manifest = self._package.optional_xml("META-INF/manifest.xml")
        if (
            manifest is not None
            and next(descendants(manifest, "encryption-data"), None) is not None
        ):
            raise UnusableRecord(
                f"encrypted {self._form}; expected one that opens without a password"
            )

    def _style_parents(self) -> Iterator[tuple[str, str]]:
        for root in (self._looks, self._content):
            for style in descendants(root, "style") if root is not None else ():
                yield attribute(style, "name"), attribute(style, "parent-style-name")

    def _list_levels(self) -> Iterator[tuple[tuple[str, int], bool]]:
        """Whether a level of a list style is numbered."""
        for root in (self._looks, self._content):
            for style in descendants(root, "list-style") if root is not None else ():
                for level in style:
                    depth = attribute(level, "level")
                    if depth.isdecimal():
                        numbered = local(level).endswith("number") and attribute(
                            level, "num-format"
                        )
                        yield (attribute(style, "name"), int(depth)), bool(numbered)

    def _names(self, style: str) -> Iterator[str]:
        """A style and those it is based on."""
        for _ in range(30):
            if not style:
                return
            yield style.lower()
            style = self._parents.get(style, "")

    def _blocks(self, parent: Any, depth: int = 0) -> None:
        pages = 0
        for block in parent:
            name = local(block)
            if name == "page":
                pages += 1
                self._page(block, pages)
            elif name in ("h", "p"):
                self._paragraph(block)
            elif name == "list":
                self._end_code()
                self._list(block, 0, attribute(block, "style-name"))
            elif name == "table":
                self._end_code()
                self._table(block)
            elif name in _INDEXES:
                self._end_code()
                self._out.leave_out("table of contents", _plain(block))
            elif name == "notes":
                self._slide_notes(block)
            elif name == "object":
                self._object(block)
            elif name == "annotation":
                self._follow([block])
            elif name not in _SKIPPED and name:
                self._blocks(block, depth + 1)

    def _page(self, page: Any, number: int) -> None:
        self._end_code()
        self._out.mark(page=number)
        frames = [(frame, attribute(frame, "class")) for frame in page]
        for frame, kind in sorted(frames, key=lambda found: found[1] != "title"):
            if kind == "title":
                self._out.heading(1, _plain(frame))
            elif kind in ("footer", "date-time", "page-number", "header"):
                self._out.leave_out("foot of a slide", _plain(frame))
            else:
                self._blocks([frame])
        self._end_code()

    def _slide_notes(self, notes: Any) -> None:
        texts = [
            clean(_plain(frame)) for frame in notes if attribute(frame, "class") in ("notes", "")
        ]
        if text := " ".join(filter(None, texts)):
            self._out.paragraph(f"Notes: {text}")

    def _paragraph(self, block: Any) -> None:
        pending: list[Any] = []
        text = "".join(self._inline(block, pending))
        names = list(self._names(attribute(block, "style-name")))
        if local(block) == "h":
            self._end_code()
            level = attribute(block, "outline-level")
            self._out.heading(int(level) if level.isdecimal() else 1, text)
        elif any(name.startswith(_CODE) for name in names):
            self._code.append(text)
        else:
            self._end_code()
            if "title" in names:
                self._out.heading(1, text)
            else:
                self._out.paragraph(text)
        self._follow(pending)

    def _end_code(self) -> None:
        if self._code:
            self._out.code("\n".join(self._code))
            self._code = []

    def _follow(self, pending: list[Any]) -> None:
        """Text boxes, notes, comments and objects of the paragraph before."""
        for item in pending:
            match local(item):
                case "note":
                    self._note(item)
                case "annotation":
                    self._comment(item)
                case _:
                    self._end_code()
                    self._blocks([item])

    def _note(self, note: Any) -> None:
        self._end_code()
        boxes: list[Any] = []
        body = child(note, "note-body")
        text = "\n".join(self._texts(body, boxes)) if body is not None else ""
        if text := clean(text):
            self._out.block(f"[^{_citation(note)}]: " + text.replace("\n", "\n    "))
        self._follow(boxes)

    def _comment(self, comment: Any) -> None:
        boxes: list[Any] = []
        author = child(comment, "creator")
        by = f" by {author.text}" if author is not None and author.text else ""
        if text := clean("\n".join(self._texts(comment, boxes))):
            self._end_code()
            self._out.paragraph(f"[Comment{by}: {text}]")

    def _texts(self, parent: Any, pending: list[Any]) -> Iterator[str]:
        for block in parent:
            if local(block) in ("p", "h"):
                yield "".join(self._inline(block, pending))
            elif local(block) not in ("creator", "date", "note-citation", ""):
                yield from self._texts(block, pending)

    def _list(self, block: Any, depth: int, style: str) -> None:
        number = 0
        numbered = self._lists.get((style, depth + 1), False)
        for item in block:
            if local(item) not in ("list-item", "list-header"):
                continue
            first = True
            for inner in item:
                name = local(inner)
                if name == "list":
                    self._list(inner, depth + 1, attribute(inner, "style-name") or style)
                elif name == "h":
                    self._paragraph(inner)
                elif name == "p":
                    pending: list[Any] = []
                    text = "".join(self._inline(inner, pending))
                    if first and text.strip() and local(item) == "list-item":
                        start = attribute(item, "start-value")
                        number = int(start) if start.isdecimal() else number + 1
                        self._out.item(text, depth, f"{number}." if numbered else "-")
                        first = False
                    else:
                        self._out.paragraph(text)
                    self._follow(pending)
                else:
                    self._blocks([inner])

    def _inline(self, parent: Any, pending: list[Any]) -> Iterator[str]:
        yield parent.text or ""
        for element in parent:
            name = local(element)
            if name == "s":
                count = attribute(element, "c")
                yield " " * (min(int(count), 1000) if count.isdecimal() else 1)
            elif name == "tab":
                yield "\t"
            elif name == "line-break":
                yield "\n"
            elif name == "note":
                yield f"[^{_citation(element)}]"
                pending.append(element)
            elif name in ("annotation", "custom-shape", "text-box", "table"):
                pending.append(element)
            elif name == "frame":
                yield self._frame(element, pending)
            elif name == "ruby":
                base = child(element, "ruby-base")
                yield from self._inline(base, pending) if base is not None else ()
            elif name and name not in _SKIPPED and name not in ("annotation-end", "change"):
                yield from self._inline(element, pending)
            yield element.tail or ""

    def _frame(self, frame: Any, pending: list[Any]) -> str:
        """A formula stands in its line, other objects after the paragraph."""
        found = child(frame, "object")
        if found is not None and (formula := self._formula(found)):
            return formula
        pending.append(frame)
        return ""

    def _object(self, element: Any) -> None:
        if formula := self._formula(element):
            self._out.paragraph(formula)
            return
        root = self._package.optional_xml(self._object_part(element))
        for table in descendants(root, "table") if root is not None else ():
            self._table(table)

    def _object_part(self, element: Any) -> str:
        return posixpath.normpath(posixpath.join(attribute(element, "href"), "content.xml"))

    def _formula(self, element: Any) -> str:
        inner = next(descendants(element, "math"), None)
        if inner is None:
            root = self._package.optional_xml(self._object_part(element))
            inner = root if root is not None and local(root) == "math" else None
        return formula_text(inner) if inner is not None else ""

    def _table(self, table: Any) -> None:
        pending: list[Any] = []
        rows = [self._row(row, pending) for row in _rows(table)]
        self._out.table(rows)
        self._follow(pending)

    def _row(self, row: Any, pending: list[Any]) -> list[str]:
        cells: list[str] = []
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                text = " ".join(" ".join(self._texts(cell, pending)).split())
                count = attribute(cell, "number-columns-repeated")
                cells.extend([text] * (min(int(count), _MOST_REPEATED) if count.isdecimal() else 1))
        while cells and not cells[-1]:
            cells.pop()
        return cells

    def _leave_out_running(self) -> None:
        found: dict[tuple[str, str], None] = {}
        for root in (self._looks,):
            for master in descendants(root, "master-page") if root is not None else ():
                for part in master:
                    kind = local(part)
                    if kind.startswith(("header", "footer")):
                        end = "head" if kind.startswith("header") else "foot"
                        found[f"running {end}", _plain(part)] = None
        for reason, text in found:
            self._out.leave_out(reason, text)


def _rows(table: Any) -> Iterator[Any]:
    for row in table:
        if local(row) == "table-row":
            yield row
        elif local(row) in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _rows(row)


def _citation(note: Any) -> str:
    found = child(note, "note-citation")
    return "".join(found.itertext()).strip() if found is not None else ""


def _plain(element: Any) -> str:
    lines = ["".join(p.itertext()) for p in element.iter() if local(p) in ("p", "h")]
    return " ".join(" ".join(lines).split())
