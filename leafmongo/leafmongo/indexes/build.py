"""Builds indexes from their collections, batch by batch, in a thread of the gateway."""

import logging
import queue
import threading
import time
from collections.abc import Generator
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from leafmongo.indexes.catalog import Client
from leafmongo.indexes.follower import Backoff, Follower, explain_failure, is_permanent
from leafmongo.indexes.index_types import VECTOR
from leafmongo.indexes.registry import IndexVersion, ServedIndex

log = logging.getLogger(__name__)
# Documents in a batch. Changes to the index wait while a batch is indexed; texts take longer.
_VECTORS_AT_ONCE, _TEXTS_AT_ONCE = 2000, 250
_REPLACED = "\N{REPLACEMENT CHARACTER}"  # stands for bytes of an id that are not UTF-8
_IDLE_SECONDS = 3600.0


class IndexBuild:
    """Builds one version of an index until it is complete.

    It starts over after a transient failure; after a permanent one the version has failed.
    """

    def __init__(
        self, client: Client, follower: Follower, served: ServedIndex, version: IndexVersion
    ) -> None:
        self._client = client
        self._follower = follower
        self._served = served
        self._version = version
        self._batches = self._scan()
        self._backoff = Backoff()
        self._documents: float | None = None
        self.due = 0.0  # earliest time of the next step, by time.monotonic()

    @property
    def is_needed(self) -> bool:
        """False once it is complete or has failed, or the index was dropped or redefined."""
        return self._served.staged is self._version

    @property
    def rank(self) -> tuple[bool, float]:
        """The least comes first: indexes that searches wait for, then small ones."""
        return not self._served.awaited, self._size()

    def step(self) -> None:
        try:
            next(self._batches, None)
            self._backoff.reset()
        except Exception as error:
            if is_permanent(error):
                if not isinstance(error, PyMongoError):
                    log.exception("building index %s failed", self._served.record.name)
                self._served.fail(self._version, explain_failure(error))
                return
            log.warning(
                "building index %s was interrupted: %s",
                self._served.record.name,
                explain_failure(error),
            )
            self.due = time.monotonic() + self._backoff.next_delay(error)
            self._version.rewind()
            self._batches = self._scan()

    def close(self) -> None:
        self._batches.close()

    def _size(self) -> float:
        """About how many documents the collection had when this was first called."""
        if self._documents is None:
            database, name = self._served.record.namespace
            try:
                self._documents = self._client[database][name].estimated_document_count()
            except PyMongoError:
                self._documents = float("inf")
        return self._documents

    def _with_ids(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out documents whose `_id` is not UTF-8: no search could fetch them from mongod."""
        doubtful = [each for each in documents if _is_doubtful(each["_id"])]
        if not doubtful:
            return documents
        database, name = self._served.record.namespace
        ids = [each["_id"] for each in doubtful]
        found = self._client[database][name].find(
            {"_id": {"$in": ids}}, self._version.index.projection()
        )
        known = list(found)
        if skipped := len(doubtful) - len(known):
            log.warning(
                "index %s: skipped %d documents whose _id is not UTF-8",
                self._served.record.name,
                skipped,
            )
        return [each for each in documents if not _is_doubtful(each["_id"])] + known

    def _scan(self) -> Generator[None, None, None]:
        """Yields after each batch."""
        started = time.monotonic()
        served, version = self._served, self._version
        self._follower.wait_until_covers(
            lambda: served.record.namespace if self.is_needed else None
        )
        if not self.is_needed:
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
                    version.add_scanned(self._with_ids(batch))
                    batch = []
                    yield
        version.add_scanned(self._with_ids(batch))
        version.complete()
        served.promote(version)
        documents, seconds = version.index.stats().documents, time.monotonic() - started
        log.info("index %s: %d documents in %.1f s", served.record.name, documents, seconds)


def _is_doubtful(id: Any) -> bool:
    return not isinstance(id, ObjectId | int) and _REPLACED in str(id)


class IndexBuilder:
    """A thread that builds one batch at a time: of the index with the least `rank`."""

    def __init__(self, client: Client, follower: Follower) -> None:
        self._client = client
        self._follower = follower
        self._new: queue.SimpleQueue[IndexBuild | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="builder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._new.put(None)

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def build(self, served: ServedIndex) -> None:
        """Queue the staged version. The index answers with the previous one, if any, meanwhile."""
        if (version := served.staged) is not None:
            self._new.put(IndexBuild(self._client, self._follower, served, version))

    def rebuild(self, served: ServedIndex, *, answers: bool = True) -> None:
        """Build again after a gap in the change stream: the present contents may be wrong."""
        served.restage(answers=answers)
        self.build(served)

    def _run(self) -> None:
        builds: list[IndexBuild] = []
        while not self._stopping:
            builds += self._take_new(builds)
            now = time.monotonic()
            for build in builds:
                if not build.is_needed:
                    build.close()
            builds = [build for build in builds if build.is_needed]
            if due := [build for build in builds if build.due <= now]:
                min(due, key=lambda build: build.rank).step()
        for build in builds:
            build.close()

    def _take_new(self, builds: list[IndexBuild]) -> list[IndexBuild]:
        """Take new builds from the queue; wait while there is nothing to do."""
        wait = min((build.due for build in builds), default=time.monotonic() + _IDLE_SECONDS)
        arrived: list[IndexBuild] = []
        try:
            new = self._new.get(timeout=max(0.0, wait - time.monotonic()))
            while new is not None:
                arrived.append(new)
                new = self._new.get_nowait()
        except queue.Empty:
            pass
        return arrived
