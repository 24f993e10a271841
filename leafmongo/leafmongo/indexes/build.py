"""One version of an index on its way to be complete, a batch of its collection at a time."""

import logging
import time
from collections.abc import Generator
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from leafmongo.deployment.replica import Client
from leafmongo.indexes.failures import Backoff, lasting, reason
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.index_types import VECTOR
from leafmongo.indexes.registry import Served, Version

log = logging.getLogger(__name__)
# Documents of a batch. Changes to the index wait while one is indexed, and words take longer.
_VECTORS_AT_ONCE, _TEXTS_AT_ONCE = 2000, 250


_REPLACED = "\N{REPLACEMENT CHARACTER}"  # where an id has bytes that are not UTF-8


class Build:
    """Begins anew after what passes; what does not pass makes the version a failed one."""

    def __init__(
        self, client: Client, follower: Follower, served: Served, version: Version
    ) -> None:
        self._client = client
        self._follower = follower
        self._served = served
        self._version = version
        self._batches = self._scan()
        self._backoff = Backoff()
        self._documents: float | None = None
        self.due = 0.0  # not before, by time.monotonic()

    @property
    def needed(self) -> bool:
        """Until it is complete, has failed, or the index was dropped or defined anew."""
        return self._served.staged is self._version

    @property
    def rank(self) -> tuple[bool, float]:
        """The least comes first: what is asked for, then what is small."""
        return not self._served.asked, self._size()

    def step(self) -> None:
        try:
            next(self._batches, None)
            self._backoff.succeeded()
        except Exception as error:
            if lasting(error):
                if not isinstance(error, PyMongoError):
                    log.exception("building index %s failed", self._served.record.name)
                self._served.fail(self._version, reason(error))
                return
            log.warning(
                "building index %s was interrupted: %s", self._served.record.name, reason(error)
            )
            self.due = time.monotonic() + self._backoff.after(error)
            self._version.rewind()
            self._batches = self._scan()

    def close(self) -> None:
        self._batches.close()

    def _size(self) -> float:
        """About how many documents there are, as of when it was first asked."""
        if self._documents is None:
            database, name = self._served.record.namespace
            try:
                self._documents = self._client[database][name].estimated_document_count()
            except PyMongoError:
                self._documents = float("inf")
        return self._documents

    def _with_ids(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without those whose `_id` is not UTF-8: no search could ask mongod for them."""
        doubtful = [each for each in documents if _is_doubtful(each["_id"])]
        if not doubtful:
            return documents
        database, name = self._served.record.namespace
        ids = [each["_id"] for each in doubtful]
        found = self._client[database][name].find(
            {"_id": {"$in": ids}}, self._version.index.projection()
        )
        known = list(found)
        if left_out := len(doubtful) - len(known):
            log.warning(
                "index %s: left out %d documents whose _id is not UTF-8",
                self._served.record.name,
                left_out,
            )
        return [each for each in documents if not _is_doubtful(each["_id"])] + known

    def _scan(self) -> Generator[None, None, None]:
        """Pauses after each batch."""
        started = time.monotonic()
        served, version = self._served, self._version
        self._follower.wait_until_covers(lambda: served.record.namespace if self.needed else None)
        if not self.needed:
            return
        version.begin()
        at_once = _VECTORS_AT_ONCE if version.record.type == VECTOR else _TEXTS_AT_ONCE
        database, name = served.record.namespace
        collection = self._client[database][name]
        batch: list[dict[str, Any]] = []
        with collection.find({}, version.index.projection(), batch_size=_VECTORS_AT_ONCE) as cursor:
            for document in cursor:
                batch.append(document)
                if len(batch) == at_once:
                    version.scanned(self._with_ids(batch))
                    batch = []
                    yield
        version.scanned(self._with_ids(batch))
        version.complete()
        served.promote(version)
        documents, seconds = version.index.stats().documents, time.monotonic() - started
        log.info("index %s: %d documents in %.1f s", served.record.name, documents, seconds)


def _is_doubtful(id: Any) -> bool:
    return not isinstance(id, ObjectId | int) and _REPLACED in str(id)
