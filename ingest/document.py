"""What a reader yields: documents, and records that were rejected."""

from collections.abc import Iterator, Mapping
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
class Document:
    """`source` names the path of the command line that the document comes from, such as a
    folder's."""

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    place: Place = field(default=Place("?"), compare=False)
    source: str = ""
    stored: bytes = field(default=b"", compare=False, repr=False)  # metadata, as MongoDB holds it

    @property
    def encoded_metadata(self) -> bytes:
        return self.stored or bson.encode(self.metadata)


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
