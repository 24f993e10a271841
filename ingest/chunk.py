"""A passage as it is encoded and stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson

from vectors.digest import digest


@dataclass(frozen=True)
class Chunk:
    """Stored as `{_id: "<document>#<position>", document, position, text, metadata, hash}`.

    `hash` is `<of what is encoded>-<of the metadata>`: equal first halves mean equal vectors.
    """

    document: str
    position: int
    text: str
    title: str
    metadata: Mapping[str, Any]
    tokens: int = 0

    @property
    def id(self) -> str:
        return f"{self.document}#{self.position}"

    @property
    def encoded_text(self) -> str:
        """The title goes before a passage that does not begin with it."""
        if not self.title or self.text.startswith(self.title):
            return self.text
        return f"{self.title} {self.text}"

    @property
    def hash(self) -> str:
        return f"{digest(self.encoded_text.encode())}-{digest(bson.encode(self.metadata))}"

    def fields(self) -> dict[str, Any]:
        """The stored document without the vector."""
        return {
            "_id": self.id,
            "document": self.document,
            "position": self.position,
            "text": self.text,
            "metadata": dict(self.metadata),
            "hash": self.hash,
        }


def same_vector(one: str, other: str) -> bool:
    """Whether two hashes are of chunks with the same vector."""
    return one.partition("-")[0] == other.partition("-")[0]
