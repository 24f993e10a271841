"""Text and Markdown: the whole file is one document."""

import re
from typing import BinaryIO

from leafsearch.ingest.document import Place, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.records import Records
from leafsearch.ingest.sources.readers.whole import Whole, decoded, limited

_TITLE = re.compile(r"^#[ \t]+([^\n]*)$", re.MULTILINE)
_CLOSING = re.compile(r"(?:^|[ \t])#+$")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def read_text(stream: BinaryIO, whole: Whole, *, markdown: bool) -> Records:
    """A Markdown file's first `#` heading is its title."""
    try:
        text = decoded(limited(stream))
        yield whole.document(text, _title(text) if markdown else "")
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _title(text: str) -> str:
    """Of the first heading of the first level that says something."""
    for heading in _TITLE.finditer(_FENCE.sub("", text)):
        if title := _CLOSING.sub("", heading[1].strip()).strip():
            return title
    return ""
