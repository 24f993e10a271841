"""What a reader yields: documents, and records that were rejected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson

from leafsearch.config.text import shorten

KEPT = 10_000  # characters of a rejected record


@dataclass(frozen=True)
class Place:
    """The origin of a record; `line` counts from 1, None for a whole file."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Mark:
    """From `offset` in a text on, the keys of `place` hold until another mark sets them; None
    ends one.

    Keys: page (counts from 1), sheet, row (counts from 1), anchor, symbol, time.
    """

    offset: int
    place: Mapping[str, Any]


@dataclass(frozen=True)
class Omission:
    """A visible part of a source that its text leaves out: the rule that applied, the number of
    words, and the beginning of the part."""

    reason: str
    words: int
    text: str


@dataclass(frozen=True)
class Document:
    """`source` names the path of the command line that the document comes from, such as a
    folder's.

    `marks`, in the order of their offsets, tell where in the source each part of the text stands;
    with `has_lines` the text is that of the file, line by line. `words` counts the visible words
    of the whole source, the `omissions` included; 0 if nothing is left out. Code is cut at the
    offsets of `cuts` first, at which its definitions begin, and is not searched for Markdown.
    `notes` are sentences for the user, such as the pages of a PDF that hold no text.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    place: Place = field(default=Place("?"), compare=False)
    source: str = ""
    stored: bytes = field(default=b"", compare=False, repr=False)  # metadata, as MongoDB holds it
    marks: Sequence[Mark] = ()
    has_lines: bool = False
    is_code: bool = False
    cuts: Sequence[int] = ()
    omissions: Sequence[Omission] = field(default=(), compare=False, repr=False)
    words: int = field(default=0, compare=False, repr=False)
    notes: Sequence[str] = field(default=(), compare=False)

    @property
    def encoded_metadata(self) -> bytes:
        return self.stored or bson.encode(self.metadata)

    @property
    def words_left_out(self) -> int:
        return sum(omission.words for omission in self.omissions)


@dataclass(frozen=True)
class Rejected:
    """`record` is the raw text as far as it could be read, so that it can be repaired."""

    place: Place
    reason: str
    record: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shorten(self.reason))


Records = Iterator[Document | Rejected]


def cut_record(raw: bytes) -> str:
    """A raw record as its reject keeps it."""
    return raw[: 4 * KEPT].decode(errors="replace").rstrip("\r\n")[:KEPT]
