"""Source code: the text of a file as it is, with the borders of its functions and types.

Each function, method and type is a chunk of its own, or several that are cut between lines, with
its symbol in the place. A language without a grammar is cut between lines. Minified code is
rejected: it has no lines to find anything in.
"""

import re
from typing import BinaryIO

from leafsearch.ingest.document import Mark, Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.code.definitions import Part, find_parts
from leafsearch.ingest.sources.readers.code.languages import language_of
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

_CODING = re.compile(rb"\A(?:[^\n]*\n)?[ \t\f]*(?:#|//|/\*|--)[^\n]*?coding[:=][ \t]*([-\w.]+)")
_GENERATED = re.compile(
    r"@generated\b|\bdo not edit\b|\bauto(?:matically)?[- ]?generated\b", re.IGNORECASE
)
_LOOKED_AT = 1_000  # characters in which a generated file says so
_MINIFIED = 500  # characters of an average line of code
_LONG_ENOUGH = 5_000  # characters of a file that may be minified
_MOST_PARSED = 8 * 2**20  # characters


def read_code(stream: BinaryIO, whole: Whole) -> Records:
    """The path is the title; the language is metadata."""
    try:
        raw = read_limited(stream)
        text = _decoded(raw)
        if not text.strip():
            raise UnusableRecord("empty file")
        _require_lines(text)
        language = language_of(whole.id)
        has_grammar = language.module and len(text) <= _MOST_PARSED
        parts = find_parts(text, language) if has_grammar else [Part(0, "")]
        starts = _line_starts(text)
        notes = ["says that it is generated"] if _GENERATED.search(text[:_LOOKED_AT]) else []
        yield whole.document(
            text,
            whole.id,
            marks=[Mark(starts[p.line], {"symbol": p.symbol or None}) for p in parts],
            cuts=[starts[part.line] for part in parts],
            has_lines=True,
            is_code=True,
            notes=notes,
            metadata={"language": language.name} if language.name else {},
        )
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _decoded(raw: bytes) -> str:
    """In the charset that a comment declares, else UTF-8."""
    declared = _CODING.match(raw[:1_000])
    name = declared[1].decode("ascii", "replace") if declared else "utf-8"
    name = re.sub(r"-(?:unix|dos|mac)\Z", "", name)
    try:
        text = decode(raw, name)
    except UnusableRecord:
        if name.lower() in ("utf-8", "utf8"):
            raise
        text = decode(raw)
    if (at := text.find("\0")) >= 0:
        raise UnusableRecord(f"binary, not code: it has a NUL at character {at}")
    return text.replace("\r", "\n")


def _require_lines(text: str) -> None:
    lines = text.count("\n") + 1
    if len(text) > _LONG_ENOUGH and len(text) / lines > _MINIFIED:
        raise UnusableRecord(
            f"minified or data: {lines} lines of {len(text) // lines} characters on average; "
            "leave it out with --exclude, or read it with --format text"
        )


def _line_starts(text: str) -> list[int]:
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts
