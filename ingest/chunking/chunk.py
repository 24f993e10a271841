"""A passage as it is encoded and stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bson

from leafsearch.ingest.chunking.borders import begins_with
from leafsearch.vectors.encoders import TokenCount
from leafsearch.vectors.store import digest, encoded_digest


@dataclass(frozen=True)
class Chunk:
    """Stored as `{_id: "<document>#<position>", document, position, text, metadata, place, hash}`.

    `trail` holds the headings above the passage, if it is encoded with them. `tokens` counts the
    encoded text without prompt and special tokens; `is_unknown` says that the teacher does not know
    most of them. `place` tells where in its source the passage
    stands. `hash` joins a digest of the encoded text and one of metadata and place: equal first
    halves mean equal vectors.
    """

    document: str
    position: int
    text: str
    title: str
    metadata: Mapping[str, Any]
    trail: str = ""
    tokens: int = field(default=0, compare=False)
    stored: bytes = field(default=b"", compare=False, repr=False)  # metadata, if encoded already
    place: Mapping[str, Any] = field(default_factory=dict)
    is_unknown: bool = field(default=False, compare=False)

    @property
    def id(self) -> str:
        return f"{self.document}#{self.position}"

    @property
    def encoded_text(self) -> str:
        """The passage after its title, unless it begins with the title, and after its trail."""
        title, trail, text = self.title, self.trail, self.text
        if not title or text.startswith(title) or (trail and begins_with(trail, title)):
            return f"{trail} {text}" if trail else text
        return f"{title} {trail} {text}" if trail else f"{title} {text}"

    @property
    def hash(self) -> bytes:
        beside = self.stored or bson.encode(self.metadata)
        if self.place:
            beside += bson.encode(self.place)
        return digest(self.encoded_text.encode()) + digest(beside)

    def counted(self, count: TokenCount) -> "Chunk":
        return Chunk(
            self.document,
            self.position,
            self.text,
            self.title,
            self.metadata,
            self.trail,
            count.tokens,
            self.stored,
            self.place,
            count.is_mostly_unknown,
        )

    def fields(self) -> dict[str, Any]:
        """The stored document without the vector."""
        return {
            "_id": self.id,
            "document": self.document,
            "position": self.position,
            "text": self.text,
            "metadata": dict(self.metadata),
            "place": dict(self.place),
            "hash": self.hash,
        }


def same_vector(one: bytes, other: bytes) -> bool:
    """Whether two hashes belong to chunks with the same vector."""
    return encoded_digest(one) == encoded_digest(other)
