"""mbox: one document a message, read one after another.

A message begins with a line `From ` after an empty line. Its id is that of the file and its
Message-ID, or its number where it has none; a message that comes again gets its number too.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected, cut_record
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import MAX_TEXT, UnusableRecord
from leafsearch.ingest.sources.readers.mail.message import decoded, message_document, parse
from leafsearch.ingest.sources.readers.text import Whole

_BEGIN = re.compile(rb"From (?:\S+|\"[^\"]*\"\S*|\S.*?)\s+.*\d{4}|From \S+\s*\Z|From -")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS_LOOKED_AT = 64 * 2**10
_LONGEST_ID = 600  # bytes


def read_mbox(stream: BinaryIO, whole: Whole) -> Records:
    """The place of a message is its number. Raises SourceError if the file is no mbox."""
    met: Counter[str] = Counter()
    for number, raw in enumerate(_messages(stream), 1):
        place = Place(whole.file, number)
        if raw is None:
            yield Rejected(place, f"message of more than {MAX_TEXT} bytes")
            continue
        own = _id(raw, number)
        met[own] += 1
        id = f"{whole.id}#{own}" if met[own] == 1 else f"{whole.id}#{own}#{number}"
        try:
            found = message_document(_QUOTED.sub(rb"\1", raw), replace(whole, id=id))
            yield replace(found, place=place)
        except UnusableRecord as error:
            yield Rejected(place, str(error), cut_record(raw))


def _id(raw: bytes, number: int) -> str:
    found = decoded(parse(raw[:_HEADERS_LOOKED_AT]), "Message-ID").strip("<> ")
    return found if found and len(found.encode("utf-8", "replace")) <= _LONGEST_ID else str(number)


def _messages(stream: BinaryIO) -> Iterator[bytes | None]:
    """The bytes of each message; None for one that is too long."""
    lines: list[bytes] = []
    size, begun, after_blank = 0, False, True
    for line in stream:
        if after_blank and line.startswith(b"From ") and _BEGIN.match(line):
            if begun:
                yield _joined(lines, size)
            lines, size, begun = [], 0, True
        elif begun:
            size += len(line)
            if size <= MAX_TEXT:
                lines.append(line)
        elif line.strip():
            raise SourceError("not an mbox: it does not begin with a line 'From '")
        after_blank = not line.strip()
    if begun:
        yield _joined(lines, size)


def _joined(lines: list[bytes], size: int) -> bytes | None:
    return None if size > MAX_TEXT else b"".join(lines)
