"""A collection of chunks with their vectors.

Chunks are upserted by id, so writing the same thing twice changes nothing.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bson.binary import Binary
from pymongo import ReplaceOne, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.write_concern import WriteConcern

from vectors.connection import explained
from vectors.errors import IndexNotReady
from vectors.index import nearest_stage
from vectors.index_spec import IndexSpec
from vectors.manifest import Manifest
from vectors.search_index import SearchIndex, wait_for

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries


class Collection:
    def __init__(self, mongo: MongoCollection[Any], manifest: Manifest) -> None:
        # Acknowledged by a majority, or it does not count as done.
        self.mongo = mongo.with_options(write_concern=WriteConcern("majority"))
        self.manifest = manifest
        spec = IndexSpec.of_vectors(manifest, mongo.full_name)
        self.indexes = [SearchIndex(mongo, spec)]
        if manifest.hybrid:
            text = IndexSpec.of_text(manifest, mongo.full_name)
            self.indexes.append(SearchIndex(mongo, text))

    def create(self) -> None:
        """The collection and its indexes, ordinary and of search, unless they are there.

        Does not wait until these can be searched.
        """
        with explained():
            self.mongo.create_index([("document", 1), ("position", 1)])
        for index in self.indexes:
            index.ensure()

    def hashes(self, documents: Sequence[str]) -> dict[str, str]:
        """Id and hash of every stored chunk of these documents."""
        found = self.mongo.find({"document": {"$in": list(documents)}}, {"hash": 1})
        with explained():
            return {chunk["_id"]: chunk["hash"] for chunk in found}

    def write(self, chunks: Iterable[Mapping[str, Any]], vectors: Iterable[Binary]) -> None:
        """Upsert; `chunks` come without the vector."""
        operations = [
            ReplaceOne({"_id": c["_id"]}, {**c, self.manifest.path: v}, upsert=True)
            for c, v in zip(chunks, vectors, strict=True)
        ]
        self._bulk(operations)

    def update(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set fields of stored chunks, by id, keeping their vectors."""
        self._bulk([UpdateOne({"_id": i}, {"$set": dict(c)}) for i, c in changes.items()])

    def delete(self, ids: Sequence[str]) -> int:
        """How many were there. An empty list deletes nothing."""
        if not ids:
            return 0
        with explained():
            return self.mongo.delete_many({"_id": {"$in": list(ids)}}).deleted_count

    def count(self) -> int:
        with explained():
            return self.mongo.estimated_document_count()

    def wait_until_ready(
        self, chunk: str | None, *, seconds: float, told: Callable[[str], None]
    ) -> None:
        """Until the indexes are READY and, unless None, this chunk is found: search lags behind.

        Raises IndexFailed, IndexDiffers or IndexMissing at once, IndexNotReady after `seconds`.
        """
        started = time.monotonic()
        wait_for(self.indexes, seconds=seconds, told=told)
        left = max(seconds - (time.monotonic() - started), 1)
        if chunk is not None and not self._finds(chunk, seconds=left):
            raise IndexNotReady(
                f"everything is written, but a search does not find chunk {chunk} yet (waited "
                f"{seconds:.0f} s); search again in a moment"
            )

    def _finds(self, chunk: str, *, seconds: float) -> bool:
        with explained():
            stored = self.mongo.find_one({"_id": chunk})
        if stored is None:
            return True
        deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
        nearest = nearest_stage(
            stored[self.manifest.path],
            index=self.manifest.index,
            path=self.manifest.path,
            limit=1000,
            num_candidates=None,
            filter={"document": stored["document"]},
        )
        pipeline = [nearest, {"$project": {"hash": 1}}]
        while True:
            with explained():
                found = list(self.mongo.aggregate(pipeline))
            if any(c["_id"] == chunk and c["hash"] == stored["hash"] for c in found):
                return True
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _bulk(self, operations: Sequence[ReplaceOne[Any] | UpdateOne]) -> None:
        if operations:
            with explained():
                self.mongo.bulk_write(operations, ordered=False)
