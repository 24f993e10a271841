"""Jupyter notebooks: the cells in their order, Markdown as it is, code and its text output fenced.

Of an output only text is kept, and of a long one its beginning; images, attachments and HTML beside
text are left out.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html import to_markdown
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

MOST_OUTPUT = 2_000  # characters of one cell
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_DATA_URI = re.compile(r"!\[([^\]]*)\]\((?:data:|attachment:)[^)]*\)")
_TEXTS = ("text/markdown", "text/latex", "text/plain")


def read_notebook(stream: BinaryIO, whole: Whole) -> Records:
    """The title is the notebook's own, or its first heading."""
    try:
        notebook = _parsed(decode(read_limited(stream)))
        reader = _Notebook(notebook)
        reader.read()
        if not reader.out.text.strip():
            raise UnusableRecord("a notebook whose cells are all empty")
        metadata = notebook.get("metadata")
        title = str(metadata.get("title") or "") if isinstance(metadata, dict) else ""
        yield whole.document(
            reader.out.text,
            title or reader.title,
            marks=reader.out.marks,
            omissions=reader.out.omissions,
            words=reader.out.words,
            notes=reader.out.notes,
        )
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _parsed(text: str) -> Mapping[str, Any]:
    if not text.strip():
        raise UnusableRecord("empty file")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableRecord(f"not a notebook, or a damaged one: {error}") from error
    if not isinstance(found, dict) or not ({"cells", "worksheets"} & set(found)):
        raise UnusableRecord("JSON, but not a notebook: it has no cells")
    return found


class _Notebook:
    def __init__(self, notebook: Mapping[str, Any]) -> None:
        self._notebook = notebook
        self._language = _language(notebook)
        self.out = MarkdownText()
        self.title = ""

    def read(self) -> None:
        for number, cell in enumerate(self._cells(), 1):
            if not isinstance(cell, dict):
                self.out.notes.append(f"cell {number} is no object and is left out")
                continue
            source = _joined(cell.get("source", cell.get("input")))
            match cell.get("cell_type"):
                case "markdown":
                    self._markdown(source)
                case "heading":  # of notebooks before version 4
                    level = cell.get("level")
                    self._markdown(f"{'#' * (level if isinstance(level, int) else 1)} {source}")
                case "code":
                    self._code(cell, source)
                case _:
                    self.out.code(source)

    def _cells(self) -> Iterator[Any]:
        if isinstance(cells := self._notebook.get("cells"), list):
            yield from cells
            return
        sheets = self._notebook.get("worksheets")
        for sheet in sheets if isinstance(sheets, list) else []:
            cells = sheet.get("cells") if isinstance(sheet, dict) else None
            yield from cells if isinstance(cells, list) else []

    def _markdown(self, source: str) -> None:
        if not self.title and (found := _HEADING.search(_FENCED.sub("", source))):
            self.title = found[2].strip()
        self.out.block(_DATA_URI.sub(r"\1", source).strip())

    def _code(self, cell: Mapping[str, Any], source: str) -> None:
        self.out.code(source, self._language)
        outputs = cell.get("outputs")
        texts = (
            [_output(o) for o in outputs if isinstance(o, dict)]
            if isinstance(outputs, list)
            else []
        )
        text = "\n".join(filter(str.strip, texts))
        kept, rest = text[:MOST_OUTPUT], text[MOST_OUTPUT:]
        if rest:
            self.out.leave_out("the rest of a long output", rest)
            kept = f"{kept.rpartition(chr(10))[0] or kept}\n…"
        if kept.strip():
            self.out.paragraph("Output:")
            self.out.code(kept)


def _output(output: Mapping[str, Any]) -> str:
    """The text of an output; a table of pandas has its text beside its HTML."""
    if output.get("output_type") in ("error", "pyerr"):
        return f"{output.get('ename', '')}: {_plain(output.get('evalue'))}"
    data = output.get("data", output)
    if not isinstance(data, dict):
        return ""
    for kind in _TEXTS:
        if text := _plain(data.get(kind)):
            return text
    if page := _joined(data.get("text/html", data.get("html"))):
        return to_markdown(page)
    return _plain(data.get("text"))


def _plain(value: object) -> str:
    return _ESCAPES.sub("", _joined(value))


def _joined(value: object) -> str:
    """Text, which a notebook holds as one string or as a list of lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "".join(part for part in value if isinstance(part, str))
    return ""


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, dict):
        return "python"
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        found = metadata.get(key)
        if isinstance(found, dict) and isinstance(found.get(name), str):
            return str(found[name]).lower()
    return "python"
