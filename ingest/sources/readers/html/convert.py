"""Turn a tree into Markdown: headings, lists, tables, code and definitions; links as their text.

html-to-markdown writes the Markdown. Before it, the tree is brought into a form that Markdown can
express without loss (headings outside lists and tables, code as plain lines, one table per run of
rows), and signs that it would escape are hidden from it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from leafsearch.ingest.document import Mark
from leafsearch.ingest.sources.readers.html.elements import BLOCKS, CODE, HEADINGS, PLAIN, names

# Noncharacters, which no page contains: they mark where an anchor stands and hide signs.
_FIRST, _LAST, _SHIELD, _PIPE, _TABLE_END = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"
_ANCHOR = re.compile(f"{_FIRST}([0-9]+){_LAST} ?")
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef]")
_AFTER_TABLE = re.compile(rf" *{_TABLE_END}([^\n]*\n(?:[|][ |-]+\n)?+)(?!\n)")
_SIGN_OF_TABLE = re.compile(f" *{_TABLE_END}")
_ESCAPED_AT_START = re.compile(r"\s*(?:[0-9]{1,9}[.)]|[-+*>=~|]|#(?!#{0,5}[ \t]))")
_DROPPED = ("img", "source", "track", "area", "map", "audio", "video", "canvas", "hr", "rp")
# What a heading may stand in without losing its line.
_AROUND_HEADINGS = names(
    "html body div main article section header footer aside nav form details fieldset"
)
_BLANKS = re.compile("[\xa0\u2000-\u200a\u202f\u205f\u3000\t\r\f]")
_INVISIBLE = re.compile("[\xad\u200b\u2060\ufeff]")
_LINE_END = re.compile(r"[ \t]+$", re.MULTILINE)
_LANGUAGE = re.compile(
    r"(?:^|\s)(?:language|lang|highlight(?:-source)?|brush:?)[- ]([\w+#.-]{1,20})"
)
_LONG_CELL = 600  # letters; what is longer is a part of the page's layout


@dataclass(frozen=True)
class Converted:
    text: str
    marks: Sequence[Mark] = ()


def convert(root: Any, *, with_anchors: bool = True) -> Converted:
    """Changes the tree."""
    import html_to_markdown
    from lxml import etree

    _clean_texts(root)
    anchors = _mark_anchors(root) if with_anchors else []
    _write_formulas(root)
    _write_code(root)
    etree.strip_elements(root, *_DROPPED, with_tail=False)
    _space_notes(root)
    for element in root.iter(*CODE):
        element.tag = "code"
    for element in root.iter(*PLAIN):
        element.tag = "span"  # stripping tags takes time that grows with the square of a parent
    for element in root.iter("figcaption", "summary", "legend"):
        element.tag = "div"  # they would be emphasised
    _free_headings(root)
    _cut_tables(root)
    _shield(root)
    page = etree.tostring(root, encoding="unicode", method="html", with_tail=False)
    found = html_to_markdown.convert(page, _options())
    return _finish(found.content or "", anchors)


@cache
def _options() -> Any:
    from html_to_markdown import ConversionOptions, PreprocessingOptions

    return ConversionOptions(
        bullets="-",
        autolinks=False,
        expand_abbreviations=False,
        extract_metadata=False,
        skip_images=True,
        compact_tables=True,
        hidden_content="all",
        preprocessing=PreprocessingOptions(enabled=False),
    )


def _clean_texts(root: Any) -> None:
    for element in root.iter():
        if (text := element.text) and not (text.isascii() and "\t" not in text):
            element.text = _cleaned(text, element.tag == "pre")
        if (text := element.tail) and not (text.isascii() and "\t" not in text):
            element.tail = _cleaned(text, False)


def _cleaned(text: str, is_code: bool) -> str:
    text = _INVISIBLE.sub("", _NONCHARACTERS.sub("", text))
    return text.replace("\xa0", " ") if is_code else _BLANKS.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\t\r\f\u3000" else " "


def _mark_anchors(root: Any) -> list[str]:
    """Put a number before the text of each heading that has an id; the ids by number."""
    anchors: list[str] = []
    for heading in root.iter(*HEADINGS):
        if anchor := _anchor_of(heading):
            sign = f"{_FIRST}{len(anchors)}{_LAST}"
            heading.text = sign + (heading.text or "")
            anchors.append(anchor)
    return anchors


def _anchor_of(heading: Any) -> str:
    """Its own id, else that of a link target in or before it, else of the part that it begins."""
    if anchor := heading.get("id"):
        return str(anchor)
    for target in heading.iter("a", "span"):
        if anchor := target.get("id") or (target.tag == "a" and target.get("name")):
            return str(anchor)
    element = heading
    while (parent := element.getparent()) is not None and parent.tag not in ("body", "main"):
        before = element.getprevious()
        while before is not None and before.tag == "a" and not (before.tail or "").strip():
            if anchor := before.get("id") or before.get("name"):
                return str(anchor)
            before = before.getprevious()
        if before is not None or (parent.text or "").strip():
            break
        if parent.tag in ("section", "div", "article", "header", "li", "dt") and parent.get("id"):
            return str(parent.get("id"))
        element = parent
    before = element.getprevious()
    if before is not None and before.tag == "a" and not (before.tail or "").strip():
        return str(before.get("id") or before.get("name") or "")
    if link := heading.xpath("following-sibling::*[1][self::a][starts-with(@href, '#')]"):
        return str(link[0].get("href")[1:])  # GitHub's sign of a permalink
    return ""


def _write_formulas(root: Any) -> None:
    """A formula is its TeX source where the page has one, else its letters."""
    for formula in list(root.iter("math")):
        source = formula.xpath(".//*[local-name()='annotation'][contains(@encoding, 'tex')]")
        text = f"${source[0].text.strip()}$" if source and source[0].text else _joined(formula)
        _replace_by_text(formula, text)


def _joined(element: Any) -> str:
    for hidden in element.xpath(".//*[starts-with(local-name(), 'annotation')]"):
        hidden.text = None
    return " ".join("".join(element.itertext()).split())


def _replace_by_text(element: Any, text: str) -> None:
    span = element.makeelement("span")
    span.text, span.tail = text, element.tail
    element.getparent().replace(element, span)


def _write_code(root: Any) -> None:
    """`pre` elements as their lines, whatever elements the lines were built of."""
    for block in list(root.iter("pre", "listing", "xmp")):
        if block.getparent() is None or any(a.tag == "pre" for a in block.iterancestors()):
            continue
        lines = "".join(_lines(block)).strip("\n")
        language = _language(block)
        tail = block.tail
        block.clear()
        block.tag, block.tail = "pre", tail
        if not lines.strip():
            block.tag = "div"
            continue
        code = block.makeelement("code", {"class": f"language-{language}"} if language else {})
        code.text = lines
        block.append(code)


def _lines(block: Any) -> Iterator[str]:
    """The text of a code block, with the ends of lines that elements stand for."""
    line = block.text or ""
    yield line
    for child in block:
        ends = child.tag in BLOCKS
        if child.tag == "br":
            line = "\n"
            yield line
        else:
            if ends and line and not line.endswith("\n"):
                yield "\n"
            for line in _lines(child):
                yield line
            if ends and line and not line.endswith("\n"):
                line = "\n"
                yield line
        if tail := child.tail:
            # Blanks between two lines that are elements are only the page's own indentation.
            if ends and not tail.strip() and "\n" in tail:
                continue
            line = tail
            yield line


def _language(block: Any) -> str:
    for element in (block, *block.iter("code"), *list(block.iterancestors())[:2]):
        if found := _LANGUAGE.search(element.get("class") or ""):
            return found[1] if found[1] not in ("default", "none", "text") else ""
    return ""


def _space_notes(root: Any) -> None:
    """Keep the sign of a footnote off the word before it."""
    for note in root.iter("sup"):
        link = next(note.iter("a"), None)
        if link is not None and "".join(note.itertext()).strip().isdigit():
            link.text = f"[{link.text or ''}"
            note.tail = f"]{note.tail or ''}"


def _free_headings(root: Any) -> None:
    """Open what stands around a heading, so that it begins a line; drop empty ones."""
    for heading in list(root.iter(*HEADINGS)):
        if not _ANCHOR.sub("", "".join(heading.itertext())).strip():
            heading.tag = "div"
            heading.text = _ANCHOR.sub("", heading.text or "")
            continue
        for inner in heading.iter(*BLOCKS):
            if inner is not heading:
                inner.tag = "span"
        for line in heading.iter("br"):
            line.tag = "span"
            line.tail = f" {line.tail or ''}"
        for around in heading.iterancestors():
            if around.tag in ("td", "th"):
                break  # _cut_tables takes its row out
            if around.tag not in _AROUND_HEADINGS:
                around.tag = "div"


def _cut_tables(root: Any) -> None:
    """Take the rows that are layout (with headings, code or tables in them) out of their tables."""
    for table in reversed(list(root.iter("table"))):
        rows = [row for row in table.iter("tr") if _table_of(row) is table]
        blocks = [_is_layout(row) for row in rows]
        caption = next((c for c in table.iter("caption") if _table_of(c) is table), None)
        parts: list[Any] = []
        if caption is not None:
            caption.tag = "div"
            caption.tail = None
            parts.append(caption)
        single = all(sum(1 for _ in _cells(row)) < 2 for row in rows)
        data = None
        for row, is_block in zip(rows, blocks, strict=True):
            if is_block or single or table.get("role") == "presentation":
                data = None
                for cell in list(_cells(row)):
                    cell.tag = "div"
                    parts.append(cell)
                continue
            if not any(True for _ in _cells(row)):
                continue
            if data is None:
                data = table.makeelement("table")
                parts.append(data)
            for cell in _cells(row):
                _flatten(cell)
            row.tail = None
            data.append(row)
        for part in parts:
            if part.tag == "table":
                _mark_end(part)
        # What stands between rows without being one.
        strays = [
            e for e in table if e.tag not in ("tr", "tbody", "thead", "tfoot", "colgroup", "col")
        ]
        parts += [stray for stray in strays if stray not in parts and stray is not caption]
        tail = table.tail
        table.clear()
        table.tag, table.tail = "div", tail
        for part in parts:
            table.append(part)


def _mark_end(table: Any) -> None:
    *_, last = table.iter("td", "th")
    if len(last):
        last[-1].tail = f"{last[-1].tail or ''}{_TABLE_END}"
    else:
        last.text = f"{last.text or ''}{_TABLE_END}"


def _table_of(element: Any) -> Any:
    return next(element.iterancestors("table"), None)


def _cells(row: Any) -> Iterator[Any]:
    yield from (cell for cell in row if cell.tag in ("td", "th"))


def _is_layout(row: Any) -> bool:
    if next(row.iter("pre", "table", "blockquote", "dl", *HEADINGS), None) is not None:
        return True
    for cell in row:
        if len(cell) and next(cell.iter("p", "li", "div"), None) is not None:
            size = sum(map(len, cell.itertext()))
            if size > _LONG_CELL:
                return True
    return False


def _flatten(cell: Any) -> None:
    """The items and lines of a cell, divided by signs, since a row is one line."""
    for element in list(cell.iter("li", "br", "p", "div", "dt", "dd")):
        before = element.getprevious()
        divided = ";" if element.tag == "li" else ""
        if element.tag == "br":
            element.tag = "span"
            element.tail = f" {element.tail or ''}"
        elif before is not None:
            last = (before.tail or "").rstrip()
            before.tail = f"{last}{divided} " if not last.endswith((";", ",")) else f"{last} "
        element.tag = "span"
    for element in cell.iter("ul", "ol", "dl", "details", "summary", "section"):
        element.tag = "span"
        element.text = f" {element.text or ''}"
        element.tail = f" {element.tail or ''}"


def _shield(root: Any) -> None:
    """Hide signs that would be escaped, and begin no line with the sign of a code block."""
    for element in root.iter():
        if element.tag == "pre" or element.tag == "code":
            if element.tag == "code" and element.tail:
                element.tail = _shielded(element.tail)
            continue
        if element.text:
            element.text = _shielded(element.text)
        if element.tail:
            element.tail = _shielded(element.tail)
    for cell in root.iter("td", "th"):
        for element in cell.iter():
            if element.text and "|" in element.text:
                element.text = element.text.replace("|", _PIPE)
            if element is not cell and element.tail and "|" in element.tail:
                element.tail = element.tail.replace("|", _PIPE)


def _shielded(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", f"\\{_SHIELD}")
    if _ESCAPED_AT_START.match(text):
        inner = text.lstrip()
        return f"{text[: len(text) - len(inner)]}{_SHIELD}{inner}"
    return text


def _finish(text: str, anchors: Sequence[str]) -> Converted:
    """Lines without blanks at their ends, hidden signs shown again, and where the anchors are."""
    text = _AFTER_TABLE.sub("\\1\n", text)
    text = _SIGN_OF_TABLE.sub("", text)
    text = text.replace(_SHIELD, "").replace(_PIPE, "|")
    text = _LINE_END.sub("", text).strip("\n")
    marks: list[Mark] = []
    pieces: list[str] = []
    at = length = 0
    for found in _ANCHOR.finditer(text):
        piece = text[at : found.start()]
        pieces.append(piece)
        length += len(piece)
        at = found.end()
        line = piece.rfind("\n") + 1
        marks.append(Mark(length - (len(piece) - line), {"anchor": anchors[int(found[1])]}))
    pieces.append(text[at:])
    return Converted("".join(pieces), marks)
