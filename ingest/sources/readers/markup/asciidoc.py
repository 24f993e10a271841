"""AsciiDoc as Markdown, line by line, so that no line of text is lost.

Headings, lists, tables, code, notes and attributes are read; a macro that is unknown stays as it is
written. Comments and block attributes are left out. Nothing outside the file is read.
"""

import re
from typing import BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?\s*\Z")
_ATTRIBUTE = re.compile(r":(!?[\w][\w-]*!?):(?:[ \t]+(.*))?\Z")
_FENCES = re.compile(
    r"(-{4,}|\.{4,}|\+{4,}|={4,}|\*{4,}|_{4,}|--|/{4,}|```\w*|\"\"|[|,:!]={3,})\s*\Z"
)
_LITERAL = ("----", "....", "++++", "```")
_ITEM = re.compile(r"[ \t]*(\*{1,5}|-|\.{1,5}|\d+\.|<(?:\d+|\.)>)[ \t]+(\S.*)")
_TERM = re.compile(r"[ \t]*(\S.*?)(:{2,4}|;;)(?:[ \t]+(.*))?\Z")
_BLOCK_ATTRIBUTES = re.compile(r"\[.*\]\s*\Z")
_BLOCK_TITLE = re.compile(r"\.([^\s.].*)")
_BLOCK_MACRO = re.compile(
    r"(image|video|audio|include|toc|ifdef|ifndef|ifeval|endif|icon)::(\S*?)\[(.*)\]\s*\Z"
)
_CELL = re.compile(r"(?<!\\)(?:^|(?<=\s))(?:(\d+)?(?:\.\d+)?[+*])?(?:[<^>.]*)?[adehlmsv]?(?<!\\)\|")
_LANGUAGE = re.compile(r"\[source(?:%[\w,]+)?,\s*\"?([\w+#-]+)|\[,\s*(\w+)")
_NOTE = re.compile(r"footnote(?:ref)?:[\w-]*\[((?:[^\[\]]|\[[^\]]{0,500}\]){0,1000})\]")
_INLINE = (
    (
        re.compile(r"\b(?:link|xref|mailto):[^\s\[]{0,2000}\[([^\]]{0,500}?)(?:,[^\]]{0,500})?\]"),
        r"\1",
    ),
    (re.compile(r"\bhttps?://[^\s\[\]<>]{1,2000}\[([^\]]{1,500}?)(?:,[^\]]{0,500})?\]"), r"\1"),
    (re.compile(r"<<[^<>,]{1,300},\s*([^<>]{1,300})>>"), r"\1"),
    (re.compile(r"<<([^<>]{1,300})>>"), r"\1"),
    (
        re.compile(
            r"\b(?:kbd|btn|menu|pass|stem|latexmath|asciimath|footnote|indexterm2):\w*\[([^\]]*)\]"
        ),
        r"\1",
    ),
    (re.compile(r"\(\(\(.{0,200}?\)\)\)"), ""),
    (re.compile(r"\(\(([^()]{1,200})\)\)"), r"\1"),
    (re.compile(r"\[\[[^\]]{0,200}\]\]"), ""),
    (re.compile(r"\[[.#][\w. #-]+\](?=[#*_`])"), ""),
    (re.compile(r"(?<![\w`])(\*\*|__|``|##)(?=\S)(.{1,500}?)(?<=\S)\1"), r"\2"),
    (
        re.compile(r"(?<![\w*`])([*_`#])(?=[^\s*_`#])([^\n]{0,500}?[^\s*_`#])\1(?![\w*`])"),
        r"\2",
    ),
    (re.compile(r"(?<=\S)([~^])(\w+|[+-])\1"), r"\2"),
    (re.compile(r"\+{2,3}(.{1,500}?)\+{2,3}"), r"\1"),
    (re.compile(r"[ \t]+\+\Z"), ""),
)
_KNOWN = {
    **{"nbsp": " ", "amp": "&", "lt": "<", "gt": ">", "plus": "+", "vbar": "|", "empty": ""},
    **{"sp": " ", "zwsp": "", "apos": "'", "quot": '"', "lsquo": "‘", "rsquo": "’", "ldquo": "“"},
    **{"rdquo": "”", "deg": "°", "startsb": "[", "endsb": "]", "tilde": "~", "backslash": "\\"},
    **{"asterisk": "*", "caret": "^", "two-colons": "::", "blank": "", "cpp": "C++"},
}


def read_asciidoc(stream: BinaryIO, whole: Whole) -> Records:
    """The title is the document's, or its first heading."""
    try:
        text = decode(read_limited(stream))
        reader = _AsciiDoc(text.split("\n"))
        reader.read()
        if not reader.out.text.strip():
            raise UnusableRecord("empty file" if not text.strip() else "only comments in this file")
        yield whole.document(
            reader.out.text,
            reader.out.title,
            omissions=reader.out.omissions,
            words=reader.out.words,
            notes=reader.out.notes,
        )
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


class _AsciiDoc:
    def __init__(self, lines: list[str]) -> None:
        self.out = MarkdownText()
        self._lines = [line.rstrip() for line in lines]
        self._at = 0
        self._attributes = dict(_KNOWN)
        self._paragraph: list[str] = []
        self._language = ""
        self._notes: list[str] = []
        self._depths: list[str] = []  # signs of the lists that are open
        self._counts: list[int] = []  # of their items
        self._after_term = False
        self._open: list[str] = []  # fences of blocks that are read as text

    def read(self) -> None:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if not line.strip():
                self._end()
                continue
            if not self._block(line):
                self._paragraph.append(line)
        self._end()

    def _block(self, line: str) -> bool:
        """Whether the line is more than a line of a paragraph."""
        if line.startswith("//") and not line.startswith("///"):
            if self._depths:  # a comment between two lists parts them
                self._end()
                self._depths = []
            return True
        if self._underlined(line):
            return True
        if fence := _FENCES.match(line):
            self._end()
            self._fenced(fence[1])
            return True
        if self._paragraph and self._paragraph[-1].startswith((" ", "\t")):
            return False  # a literal paragraph
        if found := _ATTRIBUTE.match(line):
            self._attribute(found[1], found[2] or "")
            return True
        if found := _BLOCK_MACRO.match(line):
            self._macro(found[1], found[2], found[3])
            return True
        if line == "+":  # what follows belongs to the list item
            self._end(keep_lists=True)
            return True
        if self._after_term and line.startswith((" ", "\t")) and not _ITEM.match(line):
            self._paragraph.append(line.strip())
            return True
        if self._after_term or not self._paragraph or _ITEM.match(self._paragraph[0]):
            return self._beginning(line)
        return False

    def _beginning(self, line: str) -> bool:
        if found := _HEADING.match(line):
            self._end()
            self._depths = []
            self.out.heading(len(found[1]), self._inline(found[2]))
            self._follow()
            return True
        if _BLOCK_ATTRIBUTES.match(line) and not self._paragraph:
            language = _LANGUAGE.match(line)
            self._language = (language[1] or language[2]) if language else self._language
            return True
        if found := _ITEM.match(line):
            self._end(keep_lists=True)
            self._item(found[1], found[2])
            return True
        if (found := _TERM.match(line)) and not line.startswith(" ") and "::" in line:
            self._end()
            self.out.paragraph(self._inline(found[1]))
            self._after_term = True
            if found[3]:
                self._paragraph.append(found[3])
            return True
        if not self._paragraph and (found := _BLOCK_TITLE.match(line)):
            self.out.paragraph(self._inline(found[1]))
            return True
        return False

    def _underlined(self, line: str) -> bool:
        """A heading of two lines, the second about as long as the first."""
        level = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}.get(line[0])
        if level is None or len(self._paragraph) != 1 or line.strip(line[0]) or line in self._open:
            return False
        if abs(len(line) - len(self._paragraph[0])) > 2 or len(line) < 2:
            return False
        self.out.heading(level, self._inline(self._paragraph.pop()))
        self._follow()
        return True

    def _attribute(self, name: str, value: str) -> None:
        while value.endswith("\\") and self._at < len(self._lines):
            value = f"{value[:-1].rstrip()} {self._lines[self._at].strip()}"
            self._at += 1
        if not name.startswith("!"):
            self._attributes[name.strip("!").lower()] = value

    def _macro(self, name: str, target: str, said: str) -> None:
        self._end(keep_lists=True)
        if name == "include":
            self.out.notes.append(f"it includes {target}, which is not read")
            self.out.leave_out("a file that is included", target)
        elif name in ("ifdef", "ifndef", "ifeval") and said and name != "ifeval":
            self.out.paragraph(self._inline(said))

    def _fenced(self, fence: str) -> None:
        """A block between two lines like this one; one that is never closed ends with the text."""
        if fence.startswith("--") and len(fence) == 2:
            return  # an open block is read as if it had no fence
        closing = fence[:3] if fence.startswith("```") else fence
        language = fence[3:] if fence.startswith("```") else self._language
        self._language = ""
        if (fence[0] in "=*_" and fence[0] * 4 == fence[:4]) or fence == '""':
            # Examples, sidebars and quotes, likewise.
            if fence in self._open:
                self._open.remove(fence)
            else:
                self._open.append(fence)
            return
        end = self._at
        while end < len(self._lines) and self._lines[end] != closing:
            end += 1
        lines, self._at = self._lines[self._at : end], end + 1
        if fence.startswith("////"):
            return
        if fence.endswith("==="):
            self._table(fence[0], lines)
        elif fence.startswith("++++"):
            self.out.code("\n".join(lines))
        else:
            self.out.code("\n".join(lines), language)

    def _table(self, sign: str, lines: list[str]) -> None:
        if sign in ",:":
            rows = [[self._inline(cell) for cell in line.split(sign)] for line in lines if line]
            self.out.table(rows)
            return
        cells: list[list[str]] = []
        width = 0
        first: list[str] = []
        for line in lines:
            found = [line[: m.start()] if not i else "" for i, m in enumerate(_CELL.finditer(line))]
            if not found:
                first = first or ([line] if line.strip() and not cells else [])
                if cells and line.strip():
                    cells[-1].append(line)
                continue
            parts = _CELL.split(line)
            if parts[0].strip() and cells:
                cells[-1].append(parts[0])
            begun = [[text] for text in parts[2::2]]
            if not width and not cells:
                width = len(begun)
            cells.extend(begun)
        texts = [
            self._inline(" ".join(" ".join(cell).split()).replace("\\|", "|")) for cell in cells
        ]
        width = max(1, self._columns(lines, width))
        self.out.table([texts[at : at + width] for at in range(0, len(texts), width)])
        self._follow()

    def _columns(self, lines: list[str], first: int) -> int:
        """From `cols` above the table, else from its first line."""
        above = next(
            (
                line
                for line in reversed(self._lines[: self._at - len(lines) - 2])
                if line.startswith("[") and "cols" in line
            ),
            "",
        )
        near = self._lines[max(0, self._at - len(lines) - 5) : self._at - len(lines) - 2]
        found = re.search(r"cols=\"?([^\"\]]+)", above) if above in near else None
        if not found:
            return first
        total = 0
        for part in re.split(r"[,;]", found[1].rstrip()):
            times = re.match(r"\s*(\d+)\*", part)
            total += int(times[1]) if times else 1
        return total

    def _item(self, sign: str, text: str) -> None:
        kind = sign if not sign[0].isdecimal() else "1."
        if kind in self._depths:
            del self._depths[self._depths.index(kind) + 1 :]
            del self._counts[len(self._depths) :]
            self._counts[-1] += 1
        else:
            self._counts = [*self._counts[: len(self._depths)], 1]
            self._depths.append(kind)
        self._paragraph = [f"{sign} {text}"]

    def _end(self, *, keep_lists: bool = False) -> None:
        lines, self._paragraph = self._paragraph, []
        if not lines:
            return
        self._after_term = False
        item = _ITEM.match(lines[0]) if self._depths else None
        if item:
            depth = len(self._depths) - 1
            counted = item[1][0] in ".<" or item[1][0].isdecimal()
            sign = f"{self._counts[-1]}." if counted else "-"
            text = "\n".join([item[2], *(line.strip() for line in lines[1:])])
            self.out.item(self._inline(text), depth, sign)
        elif all(line.startswith((" ", "\t")) for line in lines):
            self.out.code("\n".join(lines))
        else:
            if not keep_lists:
                self._depths = []
            self.out.paragraph(self._inline("\n".join(lines)))
        self._follow()

    def _follow(self) -> None:
        for number, note in enumerate(self._notes, len(self._attributes.get("leaf-notes", "")) + 1):
            self.out.block(f"[^{number}]: {note}")
            self._attributes["leaf-notes"] = self._attributes.get("leaf-notes", "") + "."
        self._notes = []

    def _inline(self, text: str) -> str:
        def note(found: re.Match[str]) -> str:
            if not found[1].strip():
                return ""
            self._notes.append(self._inline(found[1]))
            return f"[^{len(self._attributes.get('leaf-notes', '')) + len(self._notes)}]"

        def attribute(found: re.Match[str]) -> str:
            return self._attributes.get(found[1].lower(), found[0])

        text = _NOTE.sub(note, text)
        text = re.sub(r"(?<!\\)\{([\w][\w-]*)\}", attribute, text)
        for pattern, instead in _INLINE:
            text = pattern.sub(instead, text)
        return text
