"""RTF: paragraphs, headings by their outline level or style, lists, tables, notes, text boxes.

Footnotes and comments follow the paragraph that refers to them. Left out: hidden and deleted text;
running heads and feet are left out and reported.
"""

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean
from leafsearch.ingest.sources.readers.office.charsets import FontTable, decoder_of
from leafsearch.ingest.sources.readers.office.control_words import (
    ESCAPES,
    RUNNING,
    SHOWN,
    SIGNS,
    SKIPPED,
)
from leafsearch.ingest.sources.readers.text import Whole, read_limited

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z'])|([{}])|[\r\n]+"
    r"|([^\\{}\r\n]+)",
    re.DOTALL,
)
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_CODE = re.compile(r"source ?code|preformatted|verbatim|\bcode\b", re.IGNORECASE)
_LABEL = re.compile(r"([•–◦▪·‣●○■-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[\t ]")
_NUMBER = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z])[.)]\Z")
_STEP = 360  # twips by which lists are indented


def read_rtf(stream: BinaryIO, whole: Whole) -> Records:
    """The title is that of the document's properties, else its first heading."""
    try:
        raw = read_limited(stream)
        if not raw.strip():
            raise UnusableRecord("empty file")
        if not raw.lstrip(b"\xef\xbb\xbf \r\n\t\0").startswith(b"{\\rtf"):
            raise UnusableRecord("not RTF: it does not begin with {\\rtf")
        reader = _RichText()
        reader.read(raw.decode("latin-1"))
        written = reader.out
        if not written.text.strip():
            raise UnusableRecord("no text in this RTF")
        yield whole.document(
            written.text,
            " ".join(reader.title.split()) or written.title,
            omissions=written.omissions,
            words=written.words,
            notes=written.notes,
        )
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


@dataclass
class _Paragraph:
    """What was read of a paragraph, and what its control words say about it."""

    text: list[str] = field(default_factory=list)
    level: int | None = None
    style: int = 0
    label: str = ""
    depth: int = 0
    indent: int = 0
    in_table: int = 0
    fixed: int = 0  # characters in a font of fixed width
    size: int = 0


@dataclass
class _State:
    """What a group inherits and what ends with it."""

    into: str = "text"
    font: int = 0
    skip: int = 1  # characters after \\u that are for older readers
    hidden: bool = False
    starred: bool = False
    opened: bool = True  # nothing of the group was read yet


class _RichText:
    def __init__(self) -> None:
        self.out = MarkdownText()
        self.title = ""
        self._states = [_State()]
        self._fonts = FontTable()
        self._styles: dict[int, str] = {}
        self._style = 0
        self._style_name = ""
        self._bytes = bytearray()
        self._unskipped = 0
        self._high = 0
        self._p = _Paragraph()
        self._rows: list[list[str]] = []
        self._row: list[str] = []
        self._cell: list[str] = []
        self._nested: list[str] = []
        self._code: list[str] = []
        self._aside: list[tuple[str, list[str], _Paragraph]] = []
        self._pending: list[tuple[str, str]] = []
        self._table_pending: list[tuple[str, str]] = []
        self._author = ""
        self._notes = 0

    def read(self, text: str) -> None:
        at = 0
        while found := _TOKEN.match(text, at):
            at = found.end()
            word, value, code, sign, brace, plain = found.groups()
            if code:
                self._byte(int(code, 16))
            elif plain:
                self._plain(plain)
            elif brace == "{":
                self._flush()
                self._unskipped = 0
                now = self._states[-1]
                self._states.append(_State(now.into, now.font, now.skip, now.hidden))
                if len(self._states) > 10_000:
                    raise UnusableRecord("damaged RTF: groups are nested more than 10,000 deep")
            elif brace:
                self._flush()
                self._close()
            elif sign:
                self._escape(sign)
            elif word:
                if word == "bin" and value:
                    at += max(0, int(value))
                else:
                    self._flush()
                    self._word(word, int(value) if value else None)
        self._flush()
        self._end_paragraph()
        self._end_table()
        self._end_code()
        if len(self._states) > 1:
            self.out.notes.append("the RTF is cut off; what comes before is read")

    def _byte(self, code: int) -> None:
        if self._unskipped:
            self._unskipped -= 1
        else:
            self._bytes.append(code)

    def _plain(self, plain: str) -> None:
        if self._unskipped:
            skipped = min(self._unskipped, len(plain))
            self._unskipped -= skipped
            plain = plain[skipped:]
        if plain:
            self._bytes.extend(plain.encode("latin-1"))

    def _escape(self, sign: str) -> None:
        if sign == "*":
            self._states[-1].starred = True
        elif sign in ESCAPES:
            self._flush()
            self._text(ESCAPES[sign])
        elif sign in "\r\n":
            self._flush()
            self._end_paragraph()

    def _flush(self) -> None:
        if self._bytes:
            charset = self._fonts.charset(self._states[-1].font)
            raw, self._bytes = bytes(self._bytes), bytearray()
            self._text(decoder_of(charset)(raw))

    def _text(self, text: str) -> None:
        state = self._states[-1]
        state.opened = False
        match state.into:
            case "text":
                if state.hidden:
                    self.out.leave_out("hidden text", text)
                    return
                self._p.text.append(text)
                self._p.size += len(text.strip())
                if self._fonts.is_fixed(state.font):
                    self._p.fixed += len(text.strip())
            case "title":
                self.title += text
            case "style":
                self._style_name += text
            case "font":
                self._fonts.name(text)
            case "label":
                self._p.label += text
            case "author":
                self._author += text

    def _word(self, word: str, value: int | None) -> None:
        state = self._states[-1]
        if state.into == "skip":
            return
        if state.opened and (word in SKIPPED or (state.starred and word not in SHOWN)):
            state.into = "skip"
            return
        if self._destination(word, state):
            return
        state.opened = state.opened and state.starred
        if word == "u" and value is not None:
            self._unicode(value % 0x10000, state)
        elif word in SIGNS:
            self._text(SIGNS[word])
        elif state.into == "font":
            self._fonts.word(word, value)
        elif state.into == "style":
            self._style = value or 0 if word == "s" else self._style
        else:
            self._format(word, value, state)

    def _unicode(self, code: int, state: _State) -> None:
        self._unskipped = state.skip
        if 0xD800 <= code < 0xDC00:
            self._high = code
        elif 0xDC00 <= code < 0xE000:
            if self._high:
                self._text(chr(0x10000 + ((self._high - 0xD800) << 10) + code - 0xDC00))
            self._high = 0
        elif not 0xE000 <= code <= 0xF8FF:  # of a symbol font, such as a bullet
            self._text(chr(code))
        elif state.into == "label":
            self._text("•")

    def _destination(self, word: str, state: _State) -> bool:
        """Whether the word tells what the group is."""
        match word:
            case "fonttbl":
                state.into = "font"
            case "stylesheet":
                state.into = "style"
            case "info":
                state.into = "info"
            case "title" if state.into == "info":
                state.into = "title"
            case "listtext" | "pntext":
                state.into = "label"
            case "atnauthor":
                state.into, self._author = "author", ""
            case "footnote" | "annotation" | "shptxt" if state.into == "text":
                self._begin_aside(word, state)
            case _ if word in RUNNING and state.into == "text":
                self._begin_aside(RUNNING[word], state)
            case _:
                return False
        state.opened = False
        return True

    def _begin_aside(self, kind: str, state: _State) -> None:
        """The text of a note, a box or a running head is collected beside that around it."""
        state.starred = True
        if kind == "footnote":
            self._notes += 1
            self._p.text.append(f"[^{self._notes}]")
            kind = f"note {self._notes}"
        self._aside.append((kind, [], self._p))
        self._p = _Paragraph()
        state.into, state.hidden = "text", False
        self._states[-1] = _AsideState("text", state.font, state.skip)

    def _close(self) -> None:
        state = self._states.pop() if len(self._states) > 1 else self._states[0]
        if isinstance(state, _AsideState):
            self._end_paragraph()
            kind, lines, self._p = self._aside.pop()
            text = clean("\n".join(lines))
            if kind.startswith("running"):
                self.out.leave_out(kind, text)
            elif text:
                self._pending.append((kind, text))
        elif state.into == "style" and self._style_name:
            self._styles[self._style] = self._style_name.strip(" ;")
            self._style, self._style_name = 0, ""
        elif state.into == "skip" or self._states[-1].into == "text":
            self._unskipped = 0

    def _format(self, word: str, value: int | None, state: _State) -> None:
        match word:
            case "par" | "sect" | "page" | "column":
                self._end_paragraph()
            case "cell" | "nestcell":
                self._end_cell(nested=word == "nestcell")
            case "row" | "nestrow":
                self._end_row(nested=word == "nestrow")
            case "pard":
                kept = self._p
                self._p = _Paragraph(kept.text, label=kept.label, fixed=kept.fixed, size=kept.size)
            case "intbl":
                self._p.in_table = 1
            case "s":
                self._p.style = value or 0
            case "outlinelevel":
                self._p.level = value if value is not None and value < 9 else None
            case "ilvl":
                self._p.depth = value or 0
            case "li":
                self._p.indent = value or 0
            case "f":
                state.font = value or 0
            case "deff":
                state.font = value or 0
            case "ansicpg":
                self._fonts.page = value or 1252
            case "mac" | "pc" | "pca":
                self._fonts.page = {"mac": 10000, "pc": 437, "pca": 850}[word]
            case "uc":
                state.skip = max(0, min(value if value is not None else 1, 100))
            case "v" | "deleted":
                state.hidden = value != 0
            case "plain":
                state.hidden = False

    def _end_cell(self, *, nested: bool) -> None:
        text = "".join(self._p.text)
        self._p = _Paragraph(in_table=1)
        if nested:
            self._nested.append(" ".join(text.split()))
            return
        self._row.append(" ".join(" ".join([*self._cell, text]).split()))
        self._cell = []

    def _end_row(self, *, nested: bool) -> None:
        if nested:
            self._cell.append("; ".join(filter(None, self._nested)))
            self._nested = []
        elif self._row:
            self._rows.append(self._row)
            self._table_pending.extend(self._pending)
            self._pending = []
            self._row = []
            self._p = _Paragraph()

    def _end_table(self) -> None:
        if self._row:
            self._rows.append(self._row)
        if self._rows:
            self._end_code()
            self.out.table(self._rows)
        self._rows, self._row = [], []
        self._table_pending, own = [], [*self._table_pending]
        later, self._pending = self._pending, own
        self._follow()
        self._pending = later

    def _end_paragraph(self) -> None:
        p, text = self._p, "".join(self._p.text)
        self._p = _Paragraph(
            level=p.level, style=p.style, depth=p.depth, indent=p.indent, in_table=p.in_table
        )
        if self._aside:
            self._aside[-1][1].append(text)
            return
        if p.in_table:
            self._cell.append(text)
            return
        if self._rows or self._row:
            self._end_table()
        self._write(p, text)
        self._follow()

    def _write(self, p: _Paragraph, text: str) -> None:
        style = self._styles.get(p.style, "")
        if _CODE.search(style) or (text.strip() and p.fixed >= p.size > 0):
            self._code.append(text)
            return
        if not text.strip():
            if self._code and not text:
                self._code.append("")
            return
        self._end_code()
        heading = _HEADING.match(style)
        label = _LABEL.match(text)
        if p.level is not None or heading:
            level = p.level + 1 if p.level is not None else int(heading[1]) if heading else 1
            shown = p.label.strip() if _NUMBER.match(p.label.strip()) else ""
            self.out.heading(level, f"{shown} {text}")
        elif style.lower() == "title":
            self.title = self.title or text
            self.out.heading(1, text)
        elif p.label.strip():
            self.out.item(text, p.depth, _shown(p.label))
        elif label and "\t" in text[: label.end() + 1]:
            depth = max(0, p.indent // _STEP - 1)
            self.out.item(text[label.end() :], depth, _shown(label[1]))
        else:
            self.out.paragraph(text)

    def _end_code(self) -> None:
        self.out.code("\n".join(self._code))
        self._code = []

    def _follow(self) -> None:
        for kind, text in self._pending:
            self._end_code()
            if kind.startswith("note"):
                number = kind.rpartition(" ")[2]
                self.out.block(f"[^{number}]: " + text.replace("\n", "\n    "))
            elif kind == "annotation":
                by = f" by {self._author.strip()}" if self._author.strip() else ""
                self.out.paragraph(f"[Comment{by}: {text}]")
            else:
                self.out.paragraph(text)
        self._pending = []


@dataclass
class _AsideState(_State):
    """The group that began a text beside the text."""


def _shown(label: str) -> str:
    label = label.strip()
    return label if _NUMBER.match(label) else "-"
