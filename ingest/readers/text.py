"""Text and Markdown: the whole file is one document."""

import re
from typing import BinaryIO

from ingest.document import Place, Rejected
from ingest.readers.records import Records
from ingest.records import MAX_TEXT, Fields, UnusableRecord, to_document

_TITLE = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def read_text(stream: BinaryIO, source: str, id: str, *, markdown: bool) -> Records:
    """A Markdown file's first `#` heading is its title."""
    place = Place(source)
    raw = stream.read(MAX_TEXT + 1)
    if len(raw) > MAX_TEXT:
        yield Rejected(place, f"file of more than {MAX_TEXT} bytes")
        return
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        yield Rejected(place, f"not UTF-8 at byte {error.start}")
        return
    heading = _TITLE.search(_FENCE.sub("", text)) if markdown else None
    record = {"id": id, "text": text, "title": heading[1] if heading else "", "path": id}
    try:
        yield to_document(record, Fields(), place)
    except UnusableRecord:
        yield Rejected(place, "empty file")
