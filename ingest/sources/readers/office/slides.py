"""PPTX: the slides in their order, each with its title as heading, its page number and its notes.

Kept: text in groups, tables, the numbers of charts, diagrams, speaker's notes, comments, hidden
slides. Left out and reported: footers, dates and slide numbers.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean
from leafsearch.ingest.sources.readers.office.charsets import FIXED_WIDTH
from leafsearch.ingest.sources.readers.office.formula import formula_text
from leafsearch.ingest.sources.readers.office.graphics import write_graphics
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
from leafsearch.ingest.sources.readers.text import Whole

_MAIN = "ppt/presentation.xml"
# What PowerPoint writes where no title was given, in the languages it speaks.
_DEFAULT_TITLE = re.compile(r"\A.{0,20}PowerPoint.{0,20}\Z", re.IGNORECASE)
_TITLES = {"title", "ctrTitle"}
_FEET = {"dt", "ftr", "sldNum", "hdr"}
_LISTS = {"body", "obj", ""}  # placeholders whose paragraphs are list items


def read_pptx(stream: BinaryIO, whole: Whole) -> Records:
    """The title is that of the presentation's properties, else of the first slide that has one."""
    try:
        with open_package(stream, "pptx") as package:
            written = _Slides(package).written()
            title = title_of(package)
            if _DEFAULT_TITLE.search(title):
                title = ""
            title = title or written.title
        yield written.document(whole, title, "pptx")
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


class _Slides:
    def __init__(self, package: OfficePackage) -> None:
        self._package = package
        self._main = package.main_part(_MAIN)
        self._out = MarkdownText()

    def written(self) -> MarkdownText:
        for number, part in enumerate(self._parts(), 1):
            self._out.mark(page=number)
            if not self._package.has(part):
                self._out.notes.append(f"slide {number} is missing in the file")
                continue
            self._slide(part)
        return self._out

    def _parts(self) -> list[str]:
        listed = child(self._package.xml(self._main), "sldIdLst")
        relations = self._package.relations(self._main)
        ids = [_relation(slide) for slide in listed] if listed is not None else []
        return [relations[id][1] for id in ids if id in relations]

    def _slide(self, part: str) -> None:
        relations = self._package.relations(part)
        tree = next(descendants(self._package.xml(part), "spTree"), None)
        shapes = [] if tree is None else list(_shapes(tree))
        for shape in sorted(shapes, key=lambda shape: _placeholder(shape) not in _TITLES):
            self._shape(shape, relations)
        for kind, target in relations.values():
            if kind == "notesSlide" and self._package.has(target):
                self._notes(target)
            elif kind == "comments" and self._package.has(target):
                self._comments(target)

    def _shape(self, shape: Any, relations: dict[str, tuple[str, str]]) -> None:
        kind = _placeholder(shape)
        body = child(shape, "txBody")
        if local(shape) == "graphicFrame":
            self._graphic(shape, relations)
        elif body is None:
            return
        elif kind in _TITLES:
            self._out.heading(1, " ".join(_lines(body)))
        elif kind in _FEET:
            self._out.leave_out("foot of a slide", " ".join(_lines(body)))
        else:
            self._paragraphs(body, is_list=kind in _LISTS)

    def _paragraphs(self, body: Any, *, is_list: bool) -> None:
        found = [p for p in children(body, "p") if _text(p).strip()]
        for is_code, group in groupby(found, _is_code):
            if is_code:
                self._out.code("\n".join(map(_text, group)))
                continue
            for paragraph in group:
                self._paragraph(paragraph, is_item=is_list and len(found) > 1)

    def _paragraph(self, paragraph: Any, *, is_item: bool) -> None:
        properties = child(paragraph, "pPr")
        level = attribute(properties, "lvl") if properties is not None else ""
        depth = int(level) if level.isdecimal() else 0
        signs = {local(e) for e in properties} if properties is not None else set()
        is_item = is_item or depth > 0 or bool(signs & {"buChar", "buAutoNum", "buBlip"})
        if is_item and "buNone" not in signs:
            self._out.item(_text(paragraph), depth)
        else:
            self._out.paragraph(_text(paragraph))

    def _graphic(self, frame: Any, relations: dict[str, tuple[str, str]]) -> None:
        for table in descendants(frame, "tbl"):
            self._out.table([_row(row) for row in children(table, "tr")])
        write_graphics(frame, self._package, relations, self._out)

    def _notes(self, part: str) -> None:
        for shape in descendants(self._package.xml(part), "sp"):
            body = child(shape, "txBody")
            if body is not None and _placeholder(shape) not in _FEET | {"sldImg"}:
                self._out.paragraph("\n".join(_said("Notes", _lines(body))))

    def _comments(self, part: str) -> None:
        for comment in descendants(self._package.xml(part), "cm"):
            texts = [text.text or "" for text in comment.iter() if local(text) in ("text", "t")]
            if text := " ".join(" ".join(texts).split()):
                self._out.paragraph(f"[Comment: {text}]")


def _said(what: str, lines: list[str]) -> list[str]:
    lines = [line for line in lines if line.strip()]
    return [f"{what}: {lines[0]}", *lines[1:]] if lines else []


def _relation(element: Any) -> str:
    """The id of a relation; the element has an `id` of its own, without a namespace."""
    return next((str(v) for k, v in element.attrib.items() if re.match(r"\{.*\}id$", k)), "")


def _shapes(tree: Any) -> Iterator[Any]:
    for shape in tree:
        match local(shape):
            case "sp" | "graphicFrame" | "cxnSp":
                yield shape
            case "grpSp":
                yield from _shapes(shape)
            case "AlternateContent":
                chosen = child(shape, "Choice")
                yield from _shapes(chosen if chosen is not None else ())


def _placeholder(shape: Any) -> str | None:
    """The kind of placeholder that a shape is; None for other shapes."""
    found = next(descendants(shape, "ph"), None) if local(shape) == "sp" else None
    return None if found is None else attribute(found, "type")


def _is_code(paragraph: Any) -> bool:
    """Whether all of it is in a font of fixed width."""
    runs = [run for run in descendants(paragraph, "r") if "".join(run.itertext()).strip()]
    faces = [next(descendants(run, "latin"), None) for run in runs]
    return bool(runs) and all(
        face is not None and FIXED_WIDTH.search(attribute(face, "typeface")) for face in faces
    )


def _row(row: Any) -> list[str]:
    return [" ".join(_text(p) for p in descendants(cell, "p")) for cell in children(row, "tc")]


def _lines(body: Any) -> list[str]:
    return [line for p in children(body, "p") if (line := clean(_text(p)))]


def _text(paragraph: Any) -> str:
    return "".join(_inline(paragraph))


def _inline(parent: Any) -> Iterator[str]:
    for element in parent:
        match local(element):
            case "t":
                yield element.text or ""
            case "br":
                yield "\n"
            case "tab":
                yield "\t"
            case "oMath":
                yield formula_text(element)
            case "AlternateContent":
                chosen = child(element, "Choice")
                yield from _inline(chosen if chosen is not None else ())
            case "pPr" | "rPr" | "endParaRPr" | "":
                pass
            case _:
                yield from _inline(element)
