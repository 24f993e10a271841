"""What is to be done about a document, by comparing it with what is stored of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.int64 import Int64

from leafsearch.ingest.chunking.chunk import Chunk, same_vector
from leafsearch.ingest.document import Document
from leafsearch.vectors import Manifest, Stored
from leafsearch.vectors.store.digest import digest

_CHUNKER = "1"  # another one where the same document is cut otherwise than before

StoredChunks = Mapping[str, Stored]


@dataclass
class Plan:
    """`new` chunks are encoded and written; `changes` are fields of stored ones, by id.

    `stored` are the chunks that were seen of it, by id: a change or a deletion is made only where
    the chunk is still the one that was seen.
    `gone` ids are deleted when all else is done, so that a document that shrinks is never without
    an answer. `waiting` counts the new chunks that are not written yet; `refused` says why the
    server did not take one.
    """

    document: Document
    version: int
    new: list[Chunk]
    stored: StoredChunks
    changes: dict[str, dict[str, Any]]
    gone: list[str]
    chunks: int
    updated: int
    waiting: int = field(init=False)
    refused: str = ""

    def __post_init__(self) -> None:
        self.waiting = len(self.new)

    def refuse(self, reasons: Mapping[str, str], ids: Iterable[str]) -> None:
        """`reasons` by id; the first of these ids that has one counts."""
        self.refused = self.refused or next((reasons[i] for i in ids if i in reasons), "")

    def fields(self, chunk: Chunk, manifest: Manifest) -> dict[str, Any]:
        """The stored form of one of its chunks, without the vector."""
        return {
            **chunk.fields(),
            "_id": manifest.stored_id(chunk.id),
            "source": self.document.source,
            "version": self.version,
        }


def digest_of(document: Document, manifest: Manifest) -> bytes:
    """Of everything that its stored chunks depend on; in place only vectors are stored."""
    parts = (_CHUNKER, document.id, document.source, document.title, document.text)
    metadata = b"" if manifest.layout == "in_place" else document.encoded_metadata
    return digest("\0".join(parts).encode() + b"\0" + metadata)


def grouped(stored: StoredChunks) -> dict[str, StoredChunks]:
    """By document."""
    groups: dict[str, dict[str, Stored]] = defaultdict(dict)
    for id, chunk in stored.items():
        groups[chunk.document][id] = chunk
    return dict(groups)


def is_stored(stored: StoredChunks, content: bytes) -> bool:
    """Whether these are all the chunks of a document in this version: then it is not even cut."""
    whole = _version(content, len(stored))
    return bool(stored) and all(c.is_sound and c.version == whole for c in stored.values())


def plan(
    document: Document,
    content: bytes,
    chunks: Sequence[Chunk],
    stored: StoredChunks,
    manifest: Manifest,
) -> Plan:
    version = _version(content, len(chunks))
    if not stored:
        return Plan(document, version, list(chunks), {}, {}, [], len(chunks), 0)
    by_id = {manifest.stored_id(chunk.id): chunk for chunk in chunks}
    kept = {i: (c, stored[i]) for i, c in by_id.items() if _has_vector(stored.get(i), c)}
    changed = {i for i, (c, s) in kept.items() if c.hash != s.hash}
    changes = {
        i: {
            "version": version,
            "source": document.source,
            "text": c.text,  # may differ and be encoded the same, where a title moved into it
            **(_changed(c) if i in changed else {}),
        }
        for i, (c, s) in kept.items()
        if i in changed or s.version != version
    }
    return Plan(
        document=document,
        version=version,
        stored=stored,
        new=[c for i, c in by_id.items() if i not in kept],
        changes=changes,
        gone=[i for i in stored if i not in by_id],
        chunks=len(chunks),
        updated=len(changed),
    )


def _version(content: bytes, chunks: int) -> int:
    return Int64(int.from_bytes(digest(content + b"%d" % chunks), signed=True))


def _has_vector(stored: Stored | None, chunk: Chunk) -> bool:
    if stored is None or stored.hash is None or not stored.is_sound:
        return False
    return same_vector(stored.hash, chunk.hash)


def _changed(chunk: Chunk) -> dict[str, Any]:
    return {"metadata": dict(chunk.metadata), "hash": chunk.hash}
