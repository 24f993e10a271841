"""What a stored chunk records of itself, by which the next run knows whether it is unchanged."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

_DIGEST_BYTES = 8  # enough, because only contents under one id are ever compared


class StoredChunk(NamedTuple):
    """The fields of a chunk in the collection that decide whether it is encoded again.

    `is_sound`: its vector has the type and size that the manifest asks for. See docs/ingest.md.
    """

    document: str
    hash: bytes | None
    version: int | None
    is_sound: bool = True

    @classmethod
    def from_document(cls, chunk: Mapping[str, Any]) -> "StoredChunk":
        """`chunk` comes with `sound`, which the server computes."""
        hash = chunk.get("hash")
        is_sound = chunk["sound"] and isinstance(hash, bytes)
        return cls(chunk["document"], hash, chunk.get("version"), is_sound=is_sound)


def digest(content: bytes) -> bytes:
    """The first bytes of the content's SHA-256."""
    return hashlib.sha256(content).digest()[:_DIGEST_BYTES]


def encoded_digest(hash: bytes) -> bytes:
    """The part of a chunk's `hash` that covers the encoded text."""
    return hash[:_DIGEST_BYTES]
