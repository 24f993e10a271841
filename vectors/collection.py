"""A collection of chunks with their vectors.

Chunks are upserted by id, so writing the same thing twice changes nothing; what a server that
restarts or an election interrupts is tried again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeVar

import bson
from bson.binary import Binary
from pymongo import InsertOne, ReadPreference, ReplaceOne, UpdateMany, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from vectors.connection import explained
from vectors.errors import DeploymentError, IndexNotReady
from vectors.index import nearest_stage
from vectors.index_spec import IndexSpec
from vectors.manifest import Manifest
from vectors.patience import Patience
from vectors.search_index import SearchIndex, wait_for

BY_DOCUMENT = [("document", 1), ("position", 1)]
BY_GENERATION = "generation_1"  # index of a collection that has, or had, several
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries
# What the server says of one document and not of all: it fails a validator, is too large, collides.
_OF_ONE_DOCUMENT = {121, 10334, 17280, 17419, 17420, 11000}
_OF_SOURCES = [("source", 1), ("document", 1)]
_PAGE = 5000  # chunks

Done = TypeVar("Done")
Operation = InsertOne[Any] | ReplaceOne[Any] | UpdateOne | UpdateMany


class Stored(NamedTuple):
    """What a chunk in the collection says of itself: see docs/ingest.md."""

    document: str
    hash: bytes
    version: int | None


class Collection:
    """`outrun`: ids of documents that others changed between the reading and the writing.

    `announce` is called before each write; see vectors.writers.
    """

    def __init__(
        self, mongo: MongoCollection[Any], manifest: Manifest, patience: Patience | None = None
    ) -> None:
        # Acknowledged by a majority, or it does not count as done.
        self.mongo = mongo.with_options(write_concern=WriteConcern("majority"))
        # What an election could undo does not count as stored, nor what a secondary still has.
        self._settled = self.mongo.with_options(
            read_concern=ReadConcern("majority"), read_preference=ReadPreference.PRIMARY
        )
        self.manifest = manifest
        self.outrun: set[str] = set()
        self._page = _PAGE
        self.announce: Callable[[], None] = lambda: None
        self.patience = patience or Patience()
        spec = IndexSpec.of_vectors(manifest, mongo.full_name)
        self.indexes = [SearchIndex(mongo, spec)]
        if manifest.hybrid:
            text = IndexSpec.of_text(manifest, mongo.full_name)
            self.indexes.append(SearchIndex(mongo, text))

    def create(self) -> None:
        """The collection and its indexes, ordinary and of search, unless they are there.

        Does not wait until these can be searched.
        """
        self._patiently(lambda: self.mongo.create_index(BY_DOCUMENT))
        if self.manifest.generation > 1:
            # Before its first chunk, so that a collection without it has one generation only.
            self._patiently(lambda: self.mongo.create_index([("generation", 1)]))
        for index in self.indexes:
            self._patiently(index.ensure)

    def stored(self, documents: Sequence[str]) -> dict[str, Stored]:
        """Every stored chunk of these documents, by id."""
        if not documents:
            return {}
        wanted = {"document": {"$in": list(documents)}, **self.manifest.chosen}
        fields = {"document": 1, "hash": 1, "version": 1}
        found = self._patiently(lambda: list(self._settled.find(wanted, fields)))
        return {c["_id"]: Stored(c["document"], c["hash"], c.get("version")) for c in found}

    def is_empty(self) -> bool:
        """Whether there is no chunk of this generation."""
        found = self._patiently(lambda: self.mongo.find_one(self.manifest.chosen, {"_id": 1}))
        return found is None

    def write(
        self,
        chunks: Iterable[Mapping[str, Any]],
        vectors: Iterable[Binary],
        *,
        fresh: AbstractSet[str] = frozenset(),
    ) -> dict[str, str]:
        """Upsert; `chunks` come without the vector. Of `fresh` ids none was there a moment ago.

        Ids and reasons of those that the server refuses for what they are; the others are written.
        """
        marks = {k: v for k, v in self.manifest.chosen.items() if v is not None}
        documents = {
            str(chunk["_id"]): {**chunk, **marks, self.manifest.path: vector}
            for chunk, vector in zip(chunks, vectors, strict=True)
        }
        # To insert is five times faster than to replace what may be there.
        refused = self._bulk(
            {id: InsertOne(d) if id in fresh else _replace(d) for id, d in documents.items()}
        )
        # Another ingest, or a first try that was interrupted, has written some of them.
        again = {id: _replace(documents[id]) for id in refused if id in fresh}
        return {i: why for i, why in refused.items() if i not in fresh} | self._bulk(again)

    def size_of(self, chunk: Mapping[str, Any], vector: Binary) -> int:
        """Bytes of BSON that the server is given for it."""
        marks = {k: v for k, v in self.manifest.chosen.items() if v is not None}
        return len(bson.encode({**chunk, **marks, self.manifest.path: vector}))

    def update(
        self, changes: Mapping[str, Mapping[str, Any]], *, seen: Mapping[str, bytes]
    ) -> dict[str, str]:
        """Set fields of stored chunks, by id, keeping their vectors; see `write`.

        Only where a chunk still has the hash that was `seen`: fields of one text must not come
        beside the vector of another, which another run has written meanwhile.
        """
        return self._bulk(
            {
                i: UpdateOne({"_id": i, "hash": seen[i]}, {"$set": dict(change)})
                for i, change in changes.items()
            }
        )

    def missed(self, changes: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Those of these chunks that do not have the version of their change."""
        if not changes:
            return set()
        wanted = {"_id": {"$in": list(changes)}}
        found = self._patiently(lambda: list(self._settled.find(wanted, {"version": 1})))
        versions = {chunk["_id"]: chunk.get("version") for chunk in found}
        return {i for i, change in changes.items() if versions.get(i) != change["version"]}

    def delete(self, ids: Sequence[str], *, versions: Iterable[int | None]) -> int:
        """How many were there in one of these versions. An empty list deletes nothing.

        A chunk that another run has written meanwhile has another version, and stays.
        """
        if not ids:
            return 0
        wanted = {"_id": {"$in": list(ids)}, "version": {"$in": list(set(versions))}}
        return self._changing(lambda: self.mongo.delete_many(wanted).deleted_count)

    def documents_of(self, sources: Sequence[str]) -> Iterator[str]:
        """Ids of the documents that were ingested from these sources, once for each source."""
        for source in sources:
            last: str | None = None
            while page := self._page_of(source, last):
                yield from dict.fromkeys(page)
                last = page[-1]

    def _page_of(self, source: str, last: str | None) -> list[str]:
        """In the order of their ids, behind `last`, so that any page can be asked for again."""
        wanted: dict[str, Any] = {"source": source, **self.manifest.chosen}
        if last is not None:
            wanted["document"] = {"$gt": last}

        def read() -> list[str]:
            found = self._settled.find(wanted, {"document": 1, "_id": 0}, allow_disk_use=True)
            return [chunk["document"] for chunk in found.sort(_OF_SOURCES).limit(self._page)]

        return self._patiently(read)

    def index_sources(self) -> None:
        """For `documents_of`, which else looks at every chunk."""
        self._patiently(lambda: self.mongo.create_index(_OF_SOURCES))

    def delete_documents(self, documents: Sequence[str], sources: Sequence[str]) -> int:
        """What of them is from these sources; how many chunks. Empty lists delete nothing."""
        if not (documents and sources):
            return 0
        of_these = {"document": {"$in": list(documents)}, "source": {"$in": list(sources)}}
        wanted = {**of_these, **self.manifest.chosen}
        return self._changing(lambda: self.mongo.delete_many(wanted).deleted_count)

    def count(self) -> int:
        """Of this generation; of the only one by what the server knows without counting."""
        if self.manifest.generation > 1:
            return self._patiently(lambda: self.mongo.count_documents(self.manifest.chosen))
        everything = self._patiently(self.mongo.estimated_document_count)
        if BY_GENERATION not in self._patiently(self.mongo.index_information):
            return everything
        later = {"generation": {"$gt": 1}}
        return everything - self._patiently(lambda: self.mongo.count_documents(later))

    def wait_until_ready(
        self, chunk: str | None, *, seconds: float, told: Callable[[str], None]
    ) -> None:
        """Until the indexes are READY and, unless None, this chunk is found: search lags behind.

        Raises IndexFailed, IndexDiffers or IndexMissing at once, IndexNotReady after `seconds`.
        """
        started = time.monotonic()
        wait_for(self.indexes, seconds=seconds, told=told, patience=self.patience)
        left = max(seconds - (time.monotonic() - started), 1)
        if chunk is not None and not self._finds(chunk, seconds=left):
            raise IndexNotReady(
                f"everything is written, but a search does not find chunk {chunk} yet (waited "
                f"{seconds:.0f} s); search again in a moment"
            )

    def _finds(self, chunk: str, *, seconds: float) -> bool:
        stored = self._patiently(lambda: self.mongo.find_one({"_id": chunk}))
        if stored is None:
            return True
        nearest = nearest_stage(
            stored[self.manifest.path],
            index=self.manifest.index,
            path=self.manifest.path,
            limit=1000,
            num_candidates=None,
            filter={"document": stored["document"]},
        )
        pipeline = [nearest, {"$project": {"hash": 1}}]

        def found() -> bool:
            hits = self.mongo.aggregate(pipeline)
            if any(c["_id"] == chunk and c["hash"] == stored["hash"] for c in hits):
                return True
            # Where another run has replaced or removed it, there is nothing to wait for.
            return self.mongo.find_one({"_id": chunk, "hash": stored["hash"]}) is None

        return is_found(lambda: self.patience.ask(found), seconds=seconds)

    def _bulk(self, operations: Mapping[str, Operation]) -> dict[str, str]:
        if not operations:
            return {}
        asked = list(operations.values())
        try:
            self._changing(lambda: self.mongo.bulk_write(asked, ordered=False))
        except DeploymentError as error:
            refused = _refused(error.__cause__, list(operations))
            if refused is None:
                raise
            return refused
        return {}

    def _changing(self, work: Callable[[], Done]) -> Done:
        """A write, each try of which is announced to other runs."""

        def announced() -> Done:
            self.announce()
            return work()

        return self._patiently(announced)

    def _patiently(self, work: Callable[[], Done]) -> Done:
        with explained():
            return self.patience.ask(work)


def _replace(document: Mapping[str, Any]) -> ReplaceOne[Any]:
    return ReplaceOne({"_id": document["_id"]}, document, upsert=True)


def is_found(found: Callable[[], bool], *, seconds: float) -> bool:
    """Asks again and again, since search follows writes after a moment."""
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        with explained():
            if found():
                return True
        if time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _refused(error: BaseException | None, ids: Sequence[str]) -> dict[str, str] | None:
    """None if something else went wrong than that some documents were refused."""
    if not isinstance(error, BulkWriteError) or error.details.get("writeConcernErrors"):
        return None
    refusals = error.details["writeErrors"]
    if any(refusal["code"] not in _OF_ONE_DOCUMENT for refusal in refusals):
        return None
    return {ids[refusal["index"]]: str(refusal["errmsg"]) for refusal in refusals}
