"""Text and Markdown: the whole file is one document."""

import re
from typing import BinaryIO

from ingest.corpus.readers.records import Records
from ingest.corpus.readers.whole import Whole, decoded, limited
from ingest.corpus.records import UnusableRecord
from ingest.document import Place, Rejected

_TITLE = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def read_text(stream: BinaryIO, whole: Whole, *, markdown: bool) -> Records:
    """A Markdown file's first `#` heading is its title."""
    try:
        text = decoded(limited(stream))
        heading = _TITLE.search(_FENCE.sub("", text)) if markdown else None
        yield whole.document(text, heading[1] if heading else "")
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))
