"""Fills indexes from their collections, one after the other, beside the work of the gateway."""

import logging
import queue
import threading
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from local.follower import Follower
from local.indexes import Served, State, Version

log = logging.getLogger(__name__)
_AT_ONCE = 2000


class Builder:
    """A thread. Rebuilds what the change stream has lost track of, too."""

    def __init__(self, client: MongoClient[dict[str, Any]], follower: Follower) -> None:
        self._client = client
        self._follower = follower
        self._waiting: queue.SimpleQueue[tuple[Served, Version] | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="builder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._waiting.put(None)

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def build(self, served: Served) -> None:
        """In turn. The index serves what it has, if anything, until the new version is complete."""
        if served.staged is not None:
            self._waiting.put((served, served.staged))

    def rebuild(self, served: Served) -> None:
        """As `build`, after changes were missed: what it has may be wrong."""
        if served.staged is None:
            served.staged = Version(served.record)
        else:
            served.staged.rewind()
        self.build(served)

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None and not self._stopping:
            served, version = task
            if served.staged is not version:  # dropped or updated in the meantime
                continue
            try:
                self._fill(served, version)
            except PyMongoError as error:
                log.warning("building an index was interrupted: %s", type(error).__name__)
                time.sleep(0.2)
                version.rewind()
                self._waiting.put(task)
            except Exception as error:
                log.exception("building an index failed")
                version.message = f"{type(error).__name__}: {error}"
                version.state = State.FAILED

    def _fill(self, served: Served, version: Version) -> None:
        started = time.monotonic()
        version.state = State.BUILDING
        self._follower.wait_until_covers(
            lambda: served.record.namespace if served.staged is version else None
        )
        database, name = served.record.namespace
        collection = self._client[database][name]
        batch: list[dict[str, Any]] = []
        with collection.find({}, version.index.projection(), batch_size=_AT_ONCE) as cursor:
            for document in cursor:
                batch.append(document)
                if len(batch) == _AT_ONCE:
                    version.scanned(batch)
                    batch = []
                    if self._stopping or served.staged is not version:
                        return
        version.scanned(batch)
        version.complete()
        served.promote(version)
        stats = version.index.stats()
        log.info(
            "index %s: %d documents in %.1f s",
            served.record.name,
            stats.documents,
            time.monotonic() - started,
        )
