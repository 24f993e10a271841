"""A collection of chunks with their vectors.

Chunks are upserted by id, so a second write of the same chunk changes nothing; requests that a
restart or an election interrupts are retried.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import bson
from bson.errors import InvalidDocument
from pymongo import InsertOne, ReadPreference, ReplaceOne, UpdateMany, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from leafsearch.config.hint import rebuild_hint
from leafsearch.config.storage import quantizes_int8
from leafsearch.config.text import shorten
from leafsearch.vectors.errors import DeploymentError, IndexNotReady, IndexSkips
from leafsearch.vectors.store.chunk import StoredChunk
from leafsearch.vectors.store.connection import explain_errors, short
from leafsearch.vectors.store.indexes.pipelines import nearest_stage
from leafsearch.vectors.store.indexes.search_index import IndexSpec, SearchIndex, wait_for
from leafsearch.vectors.store.manifest import Manifest, StoredVectors
from leafsearch.vectors.store.retry import RetryBudget, is_transient

BY_DOCUMENT = [("document", 1), ("position", 1)]
BY_GENERATION = "generation_1"  # index of a collection that has, or had, several
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries
_LONGEST_LAG = 60.0  # seconds of a server that indexes such vectors at all
# Nested too deeply, not BSON, too large.
_DOCUMENT_CODES = {15, 22, 10334, 17419, 17420}
# Errors that are not about the document: no right, no space, no such command or namespace.
# Transient ones (`is_transient`) have been retried before.
_REQUEST_CODES = {1, 8, 11, 13, 18, 20, 26, 31, 50, 59, 61, 73, 115, 146, 166, 292, 8000, 14031}
MOST_ALIKE = 1000  # hits among which a chunk must be found by its own vector
_SAME_SCORE = 1e-5  # equal scores differ less, by rounding
_OF_SOURCES = [("source", 1), ("document", 1)]
_PAGE = 5000  # chunks

Done = TypeVar("Done")
Operation = InsertOne[Any] | ReplaceOne[Any] | UpdateOne | UpdateMany


class Collection:
    """`outrun`: ids of documents that other runs changed between this run's read and write.

    `announce` is called before each write; see store.writers.
    """

    def __init__(
        self, mongo: MongoCollection[Any], manifest: Manifest, retries: RetryBudget | None = None
    ) -> None:
        # A write counts when a majority has acknowledged it.
        self.mongo = mongo.with_options(write_concern=WriteConcern("majority"))
        # A read sees neither what an election could roll back nor what a secondary still has.
        self._settled = self.mongo.with_options(
            read_concern=ReadConcern("majority"), read_preference=ReadPreference.PRIMARY
        )
        self.manifest = manifest
        self.outrun: set[str] = set()
        self._page = _PAGE
        self.announce: Callable[[], None] = lambda: None
        self.retries = retries or RetryBudget()
        spec = IndexSpec.of_vectors(manifest, mongo.full_name)
        self.indexes = [SearchIndex(mongo, spec)]
        if manifest.hybrid:
            text = IndexSpec.of_text(manifest, mongo.full_name)
            self.indexes.append(SearchIndex(mongo, text))

    def create(self) -> None:
        """Create the collection and its indexes, ordinary ones and search indexes, if missing.

        Does not wait for the search indexes.
        """
        self._retry(lambda: self.mongo.create_index(BY_DOCUMENT))
        if self.manifest.generation > 1:
            # Before its first chunk: a collection without this index has one generation only.
            self._retry(lambda: self.mongo.create_index([("generation", 1)]))
        for index in self.indexes:
            self._retry(index.ensure)

    def stored(self, documents: Sequence[str]) -> dict[str, StoredChunk]:
        """Every stored chunk of these documents, by id."""
        if not documents:
            return {}
        wanted = {"document": {"$in": list(documents)}, **self.manifest.chosen}
        fields = {"document": 1, "hash": 1, "version": 1, "sound": self._is_sound}
        found = self._retry(lambda: list(self._settled.find(wanted, fields)))
        return {c["_id"]: StoredChunk.from_document(c) for c in found}

    @property
    def _is_sound(self) -> dict[str, Any]:
        """A server expression: vectors have the manifest's type and size, and are not zero.

        The server cannot see NaN or a wrong length; `leaf-ingest repair` does.
        """
        manifest, conditions = self.manifest, list[dict[str, Any]]()
        codecs = dict.fromkeys((manifest.codec, manifest.codec.exact))
        for path, codec in zip(manifest.vector_paths, codecs, strict=True):
            least, most = codec.bounds
            # Zeros are the least value; as bits they are an ordinary vector.
            above = "$gte" if codec.precision == "binary" else "$gt"
            conditions += [{above: [f"${path}", least]}, {"$lte": [f"${path}", most]}]
        return {"$and": conditions}

    def is_empty(self) -> bool:
        """Whether there is no chunk of this generation."""
        found = self._retry(lambda: self.mongo.find_one(self.manifest.chosen, {"_id": 1}))
        return found is None

    def write(
        self,
        chunks: Iterable[Mapping[str, Any]],
        vectors: Iterable[StoredVectors],
        *,
        seen: Mapping[str, bytes | None] | None = None,
    ) -> dict[str, str]:
        """Upsert `chunks`, which come without the vector.

        `seen`: hashes of the stored chunks as this run read them, by id. A chunk that has changed
        since stays, and its document is `outrun`. None: replace all.

        Returns ids and reasons of the chunks that the server rejects; it writes the others.
        """
        marks = {k: v for k, v in self.manifest.chosen.items() if v is not None}
        documents = {
            str(chunk["_id"]): {**chunk, **marks, **stored}
            for chunk, stored in zip(chunks, vectors, strict=True)
        }
        if seen is None:
            return self._bulk({id: _upsert({"_id": id}, d) for id, d in documents.items()})
        rejected = self._bulk(
            {
                # An insert is five times faster than a replace with upsert.
                id: _upsert({"_id": id, "hash": seen[id]}, d) if id in seen else InsertOne(d)
                for id, d in documents.items()
            }
        )
        return self._drop_outrun(rejected, documents, seen) if rejected else {}

    def _drop_outrun(
        self,
        rejected: dict[str, str],
        documents: Mapping[str, Mapping[str, Any]],
        seen: Mapping[str, bytes | None],
    ) -> dict[str, str]:
        """`rejected` without those that another run, or an interrupted first try, wrote before."""
        wanted = {"_id": {"$in": list(rejected)}}
        found = self._retry(lambda: list(self._settled.find(wanted, {"hash": 1, "version": 1})))
        for there in found:
            id, hash = there["_id"], there.get("hash")
            if id in seen and seen[id] == hash:
                continue
            ours = documents[id]
            if (hash, there.get("version")) != (ours["hash"], ours["version"]):
                self.outrun.add(ours["document"])
            del rejected[id]
        return rejected

    def size_of(self, chunk: Mapping[str, Any], vectors: StoredVectors) -> int:
        """Bytes of BSON that a write sends for this chunk."""
        marks = {k: v for k, v in self.manifest.chosen.items() if v is not None}
        return len(bson.encode({**chunk, **marks, **vectors}))

    def update(
        self, changes: Mapping[str, Mapping[str, Any]], *, seen: Mapping[str, bytes | None]
    ) -> dict[str, str]:
        """Set fields of stored chunks, by id, and keep their vectors; see `write`.

        Only where a chunk still has the hash in `seen`: another run may have written the vector of
        another text meanwhile, and its fields must not mix with these.
        """
        return self._bulk(
            {
                i: UpdateOne({"_id": i, "hash": seen[i]}, {"$set": dict(change)})
                for i, change in changes.items()
            }
        )

    def missed(self, changes: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Ids of the chunks that do not have the version of their change."""
        if not changes:
            return set()
        wanted = {"_id": {"$in": list(changes)}}
        found = self._retry(lambda: list(self._settled.find(wanted, {"version": 1})))
        versions = {chunk["_id"]: chunk.get("version") for chunk in found}
        return {i for i, change in changes.items() if versions.get(i) != change["version"]}

    def scan(self, fields: Sequence[str], ids: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Stored chunks of this generation with these fields; all, or those in `ids`."""
        wanted = {**self.manifest.chosen, **({"_id": {"$in": list(ids)}} if ids else {})}
        with explain_errors():
            yield from self._settled.find(wanted, dict.fromkeys(fields, 1))

    def renew(self, seen: Sequence[Mapping[str, Any]], fields: Sequence[Mapping[str, Any]]) -> int:
        """Set the fields of each stored chunk whose `_id`, hash and text are still as `seen`.

        Returns how many changed. Unsets their version, because their source may have changed.
        """
        if not seen:
            return 0
        operations = [
            UpdateOne(
                {name: chunk.get(name) for name in ("_id", "hash", "text")},
                {"$set": dict(changed), "$unset": {"version": ""}},
            )
            for chunk, changed in zip(seen, fields, strict=True)
        ]
        done = self._run_write(lambda: self.mongo.bulk_write(operations, ordered=False))
        return done.modified_count

    def delete(self, ids: Sequence[str], *, versions: Iterable[int | None]) -> int:
        """Delete chunks in one of these versions; return how many. An empty list deletes nothing.

        A chunk that another run has written meanwhile has another version, and stays.
        """
        if not ids:
            return 0
        wanted = {"_id": {"$in": list(ids)}, "version": {"$in": list(set(versions))}}
        return self._run_write(lambda: self.mongo.delete_many(wanted).deleted_count)

    def documents_of(self, sources: Sequence[str]) -> Iterator[str]:
        """Ids of the documents ingested from these sources, once for each source."""
        for source in sources:
            last: str | None = None
            while page := self._page_of(source, last):
                yield from dict.fromkeys(page)
                last = page[-1]

    def _page_of(self, source: str, last: str | None) -> list[str]:
        """The page of ids after `last`, in order, so that a page can be retried."""
        wanted: dict[str, Any] = {"source": source, **self.manifest.chosen}
        if last is not None:
            wanted["document"] = {"$gt": last}

        def read() -> list[str]:
            found = self._settled.find(wanted, {"document": 1, "_id": 0}, allow_disk_use=True)
            return [chunk["document"] for chunk in found.sort(_OF_SOURCES).limit(self._page)]

        return self._retry(read)

    def index_sources(self) -> None:
        """Create the index without which `documents_of` scans every chunk."""
        self._retry(lambda: self.mongo.create_index(_OF_SOURCES))

    def delete_documents(self, documents: Sequence[str], sources: Sequence[str]) -> int:
        """Delete these documents as far as they are from these sources; return how many chunks.

        Empty lists delete nothing.
        """
        if not (documents and sources):
            return 0
        of_these = {"document": {"$in": list(documents)}, "source": {"$in": list(sources)}}
        wanted = {**of_these, **self.manifest.chosen}
        return self._run_write(lambda: self.mongo.delete_many(wanted).deleted_count)

    def count(self) -> int:
        """Chunks of this generation; an estimate without a scan if it is the only one."""
        if self.manifest.generation > 1:
            return self._retry(lambda: self.mongo.count_documents(self.manifest.chosen))
        everything = self._retry(self.mongo.estimated_document_count)
        if BY_GENERATION not in self._retry(self.mongo.index_information):
            return everything
        later = {"generation": {"$gt": 1}}
        return everything - self._retry(lambda: self.mongo.count_documents(later))

    def wait_until_ready(
        self, chunk: str | None, *, seconds: float, on_status: Callable[[str], None]
    ) -> None:
        """Wait until the indexes are READY and a search finds `chunk` (unless None).

        Search lags behind writes.

        Raises IndexFailed, IndexDiffers or IndexMissing at once, IndexNotReady after `seconds`,
        IndexSkips if the server seems to leave vectors of this form out.
        """
        started = time.monotonic()
        wait_for(self.indexes, seconds=seconds, on_status=on_status, retries=self.retries)
        left = max(seconds - (time.monotonic() - started), 1)
        may_skip = quantizes_int8(self.manifest.precision, self.manifest.quantization)
        if may_skip:
            chunk, left = chunk or self._any_chunk(), min(left, _LONGEST_LAG)
        if chunk is not None and not self._finds(chunk, seconds=left):
            if may_skip:
                raise IndexSkips(
                    f"everything is written, but a search does not find chunk {chunk} after "
                    f"{left:.0f} s: this server seems to skip int8 vectors under quantization "
                    "binary; expected Atlas since 2026-10-19 or a mongot newer than 1.70. Use "
                    + rebuild_hint(
                        *("--quantization", "none"),
                        database=self.mongo.database.name,
                        collection=self.mongo.name,
                        in_place=self.manifest.layout == "in_place",
                    )
                )
            raise IndexNotReady(
                f"everything is written, but a search does not find chunk {chunk} yet (waited "
                f"{seconds:.0f} s); search again in a moment"
            )

    def _any_chunk(self) -> str | None:
        found = self._retry(lambda: self.mongo.find_one(self.manifest.chosen, {"_id": 1}))
        return found["_id"] if found else None

    def _finds(self, chunk: str, *, seconds: float) -> bool:
        stored = self._retry(lambda: self.mongo.find_one({"_id": chunk}))
        if stored is None:
            return True
        nearest = nearest_stage(
            stored[self.manifest.path],
            index=self.manifest.index,
            path=self.manifest.path,
            limit=MOST_ALIKE,
            num_candidates=None,
            filter={"document": stored["document"]},
        )
        pipeline = [nearest, {"$project": {"hash": 1, "score": {"$meta": "vectorSearchScore"}}}]

        def found() -> bool:
            hits = list(self.mongo.aggregate(pipeline))
            if any(c["_id"] == chunk and c["hash"] == stored["hash"] for c in hits):
                return True
            # If another run has replaced or removed it, there is nothing to wait for.
            there = {"_id": chunk, "hash": stored["hash"]}
            return all_alike(hits) or self.mongo.find_one(there) is None

        return is_found(lambda: self.retries.run(found), seconds=seconds)

    def _bulk(self, operations: Mapping[str, Operation]) -> dict[str, str]:
        """Run the operations; return ids and reasons of the documents that the server rejects."""
        if not operations:
            return {}
        asked = list(operations.values())
        try:
            self._run_write(lambda: self.mongo.bulk_write(asked, ordered=False))
        except (DeploymentError, InvalidDocument) as error:
            cause = error.__cause__ or error
            if isinstance(cause, BulkWriteError):
                rejected = _rejected(cause, list(operations))
                if rejected is None:
                    raise
                return rejected
            if not _may_concern_document(cause):
                raise
            rejected = self._bisect(operations, short(cause))
            if len(rejected) == len(operations) > 1 and not _concerns_document(cause):
                raise
            return rejected
        return {}

    def _run_write(self, work: Callable[[], Done]) -> Done:
        """Run a write; announce each try to other runs."""

        def announced() -> Done:
            self.announce()
            return work()

        return self._retry(announced)

    def _bisect(self, operations: Mapping[str, Operation], reason: str) -> dict[str, str]:
        """Find the rejected documents of a request that failed as a whole, by halving it."""
        if len(operations) == 1:
            return dict.fromkeys(operations, reason)
        items = list(operations.items())
        middle = len(items) // 2
        rejected: dict[str, str] = {}
        for half in (dict(items[:middle]), dict(items[middle:])):
            rejected |= self._bulk(half)
        return rejected

    def _retry(self, work: Callable[[], Done]) -> Done:
        with explain_errors():
            return self.retries.run(work)


def _upsert(there: Mapping[str, Any], document: Mapping[str, Any]) -> ReplaceOne[Any]:
    return ReplaceOne(there, document, upsert=True)


def all_alike(hits: Sequence[Mapping[str, Any]]) -> bool:
    """Whether so many hits tie with the vector itself that it may be missing among them."""
    if len(hits) < MOST_ALIKE:
        return False
    scores = [float(hit["score"]) for hit in hits]
    return max(scores) - min(scores) <= _SAME_SCORE


def is_found(found: Callable[[], bool], *, seconds: float) -> bool:
    """Poll until `found` is true, because search lags behind writes; False after `seconds`."""
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        with explain_errors():
            if found():
                return True
        if time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _rejected(error: BulkWriteError, ids: Sequence[str]) -> dict[str, str] | None:
    """Ids and reasons of rejected documents; None if the error is not only about documents."""
    errors = error.details["writeErrors"]
    of_all = any(one["code"] in _REQUEST_CODES for one in errors)
    if of_all or error.details.get("writeConcernErrors"):
        return None
    return {ids[one["index"]]: shorten(str(one["errmsg"]), 300) for one in errors}


def _concerns_document(error: BaseException) -> bool:
    known = isinstance(error, OperationFailure) and error.code in _DOCUMENT_CODES
    return known or isinstance(error, InvalidDocument)  # larger than the driver can send


def _may_concern_document(error: BaseException) -> bool:
    """Whether a failed request may succeed without one of its documents."""
    if isinstance(error, OperationFailure):
        return error.code not in _REQUEST_CODES and not is_transient(error)
    return _concerns_document(error)
