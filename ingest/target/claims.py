"""What a run claims to have stored, kept so that its end can check it against the collection.

A large corpus has more documents than fit in memory, so claims move to disk once there are many.
"""

import marshal
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from threading import Lock
from typing import IO, NamedTuple

from leafsearch.vectors import Collection, InPlace, StoredChunk

_IN_MEMORY = 2**24  # bytes
_TOGETHER = 512  # documents of one request


StoredChunks = Mapping[str, StoredChunk]


class Claim(NamedTuple):
    """A document whose `chunks` chunks are all stored with this version."""

    document: str
    version: int
    chunks: int


class Claims:
    """Safe to use from several threads. If a document is claimed twice, the later claim counts
    once `renew` was called for it."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._lock = Lock()
        self._renewed: dict[str, Claim | None] = {}

    def add(self, documents: Sequence[str], versions: Sequence[int], chunks: Sequence[int]) -> None:
        """Claim documents, given as columns: ids, versions and numbers of chunks.

        Columns are packed in a tenth of the time, and every document comes through here.
        """
        if not documents:
            return
        with self._lock:
            if self._renewed:
                for claim in map(Claim, documents, versions, chunks):
                    if claim.document in self._renewed:
                        self._renewed[claim.document] = claim
            if isinstance(self._file, BytesIO) and self._file.tell() > _IN_MEMORY:
                small, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115
                self._file.write(small.getvalue())
            columns = list(documents), array("q", versions).tobytes(), list(chunks)
            marshal.dump(columns, self._file)

    def renew(self, documents: Iterable[str]) -> None:
        """Drop the claims on these documents; later claims on them count."""
        with self._lock:
            self._renewed.update(dict.fromkeys(documents))

    def clear(self) -> None:
        with self._lock:
            self._file.seek(0)
            self._file.truncate()
            self._renewed.clear()

    def all(self) -> Iterator[list[Claim]]:
        """All claims, in groups that are looked up together. Nothing may be added meanwhile."""
        self._file.seek(0)
        group = [claim for claim in self._renewed.values() if claim is not None]
        while True:
            while len(group) >= _TOGETHER:
                yield group[:_TOGETHER]
                del group[:_TOGETHER]
            try:
                documents, versions, chunks = marshal.load(self._file)
            except EOFError:
                break
            read = map(Claim, documents, array("q", versions), chunks)
            group += [claim for claim in read if claim.document not in self._renewed]
        if group:
            yield group

    def broken(self, collection: Collection) -> Iterator[str]:
        """Ids of documents that are no longer stored as claimed."""
        if isinstance(collection, InPlace):
            return  # a vector is written only beside the text that it was computed from
        for group in self.all():
            stored = group_by_document(collection.stored([claim.document for claim in group]))
            for claim in group:
                there = stored.get(claim.document, {})
                if len(there) != claim.chunks or not all(
                    chunk.is_sound and chunk.version == claim.version for chunk in there.values()
                ):
                    yield claim.document

    def close(self) -> None:
        self._file.close()


def group_by_document(stored: StoredChunks) -> dict[str, StoredChunks]:
    """Stored chunks by their documents."""
    groups: dict[str, dict[str, StoredChunk]] = defaultdict(dict)
    for id, chunk in stored.items():
        groups[chunk.document][id] = chunk
    return dict(groups)
