"""What a run says at its end that the collection holds, kept to be looked at again.

On disk where there is much of it: a corpus may have more documents than memory holds.
"""

import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from threading import Lock
from typing import IO, NamedTuple

from ingest.plan import grouped
from vectors import Collection, InPlace

_IN_MEMORY = 2**24  # bytes
_TOGETHER = 512  # documents of one request


class Claim(NamedTuple):
    """A document whose `chunks` chunks are stored, all with this version."""

    document: str
    version: int
    chunks: int


class Claims:
    """Threads may add at once. Of a document that is claimed twice, the later claim counts from
    `renew` on."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._lock = Lock()
        self._renewed: dict[str, Claim | None] = {}

    def add(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        with self._lock:
            if self._renewed:
                known = self._renewed.keys() & {claim.document for claim in claims}
                self._renewed.update((c.document, c) for c in claims if c.document in known)
                claims = [claim for claim in claims if claim.document not in known]
            if isinstance(self._file, BytesIO) and self._file.tell() > _IN_MEMORY:
                small, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115
                self._file.write(small.getvalue())
            pickle.dump([tuple(claim) for claim in claims], self._file)

    def renew(self, documents: Iterable[str]) -> None:
        """Forget what was claimed of these; what is claimed of them from now on counts."""
        with self._lock:
            self._renewed.update(dict.fromkeys(documents))

    def clear(self) -> None:
        with self._lock:
            self._file.seek(0)
            self._file.truncate()
            self._renewed.clear()

    def all(self) -> Iterator[list[Claim]]:
        """In groups that are looked up together. While it is read, none may be added."""
        self._file.seek(0)
        group = [claim for claim in self._renewed.values() if claim is not None]
        while True:
            while len(group) >= _TOGETHER:
                yield group[:_TOGETHER]
                del group[:_TOGETHER]
            try:
                read = map(Claim._make, pickle.load(self._file))
            except EOFError:
                break
            group += [claim for claim in read if claim.document not in self._renewed]
        if group:
            yield group

    def broken(self, collection: Collection) -> Iterator[str]:
        """Ids of the documents of which something else is stored now."""
        if isinstance(collection, InPlace):
            return  # a vector is written only beside the text that it was made of
        for group in self.all():
            stored = grouped(collection.stored([claim.document for claim in group]))
            for claim in group:
                there = stored.get(claim.document, {})
                if len(there) != claim.chunks or any(
                    chunk.version != claim.version for chunk in there.values()
                ):
                    yield claim.document

    def close(self) -> None:
        self._file.close()
