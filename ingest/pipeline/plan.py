"""The second stage: compare each document with what is stored of it, and plan the rest."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.int64 import Int64

from leafsearch.ingest.chunking.chunk import Chunk, same_vector
from leafsearch.ingest.document import Document
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.target.claims import StoredChunks, group_by_document
from leafsearch.ingest.target.target import Target
from leafsearch.vectors import Manifest, StoredChunk
from leafsearch.vectors.store import digest

_CHUNKER = "1"  # changes when the same document is cut differently than before
_WITH_PLACES = "2"  # documents whose chunks have a place, which version 0.1 did not store
_HEADING = re.compile(r"^#{1,6}[ \t]", re.MULTILINE)


@dataclass
class Plan:
    """What to do about a document.

    `new` chunks are encoded and written; `changes` are fields of stored chunks, by id. `stored`
    are the chunks that were found, by id: a chunk is changed or deleted only if it is still the
    one that was found. `gone` ids are deleted last, so that a document that shrinks is never
    without hits. `waiting` counts new chunks that are not written yet; `refused` is the server's
    reason for refusing one.
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
        """Keep the reason of the first of these ids that has one."""
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
    """A digest of everything that the stored chunks depend on; in place only vectors are stored."""
    in_place = manifest.layout == "in_place"
    kind = _WITH_PLACES if not in_place and _has_places(document) else _CHUNKER
    parts = (kind, document.id, document.source, document.title, document.text)
    beside = b"" if in_place else document.encoded_metadata
    if kind == _WITH_PLACES and document.marks:
        marks = [[mark.offset, dict(mark.place)] for mark in document.marks]
        beside += bson.encode({"marks": marks})
    if document.is_code:
        beside += bson.encode({"cuts": list(document.cuts)})
    return digest("\0".join(parts).encode() + b"\0" + beside)


def _has_places(document: Document) -> bool:
    return bool(
        document.marks
        or document.has_lines
        or ("#" in document.text and _HEADING.search(document.text))
    )


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
            "text": c.text,  # may differ while its encoding is equal, if a title moved into it
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


def _has_vector(stored: StoredChunk | None, chunk: Chunk) -> bool:
    if stored is None or stored.hash is None or not stored.is_sound:
        return False
    return same_vector(stored.hash, chunk.hash)


def _changed(chunk: Chunk) -> dict[str, Any]:
    return {"metadata": dict(chunk.metadata), "place": dict(chunk.place), "hash": chunk.hash}


def plan_windows(
    windows: Iterable[Sequence[Document]], target: Target, tally: Tally
) -> Iterator[Sequence[Plan]]:
    """Plans for the documents of each window that are not stored as they are, in order."""
    # An empty collection stores nothing of documents that this run has not met yet.
    is_empty: bool | None = None
    for documents in windows:
        if documents:
            is_empty = target.collection.is_empty() if is_empty is None else is_empty
            stored = {} if is_empty else target.collection.stored([d.id for d in documents])
            yield _planned(documents, stored, target, tally)


def _planned(
    documents: Sequence[Document], there: StoredChunks, target: Target, tally: Tally
) -> Sequence[Plan]:
    found = group_by_document(there)
    manifest = target.manifest
    digests = [digest_of(document, manifest) for document in documents]
    changed = []
    ids, versions, counts = list[str](), list[int](), list[int]()
    unchanged = unchanged_chunks = 0
    for document, content in zip(documents, digests, strict=True):
        stored = found.get(document.id, {})
        if is_stored(stored, content):
            unchanged += 1
            ids.append(document.id)
            versions.append(next(iter(stored.values())).version or 0)
            counts.append(len(stored))
            unchanged_chunks += len(stored)
        else:
            changed.append((document, content, stored))
    target.claims.add(ids, versions, counts)
    chunks = target.chunker.split_many([document for document, _, _ in changed])
    planned = [
        plan(document, content, cut, stored, manifest)
        for (document, content, stored), cut in zip(changed, chunks, strict=True)
    ]
    tally.add(
        documents=unchanged,
        chunks=unchanged_chunks,
        unchanged=unchanged_chunks,
        planned=unchanged_chunks + sum(p.chunks for p in planned),
    )
    return planned
