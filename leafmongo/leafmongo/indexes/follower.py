"""Keeps the indexes up with their collections, through one change stream over the deployment."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymongo
from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from leafmongo.deployment.replica import Client
from leafmongo.indexes.catalog import DATABASE
from leafmongo.indexes.change_stream import (
    MARKER_FIELD,
    MARKER_OWNER,
    MARKERS,
    ChangeStream,
    operation_time,
    reforms,
)
from leafmongo.indexes.failures import Backoff, lasting, reason
from leafmongo.indexes.registry import Indexes, Namespace, Version

log = logging.getLogger(__name__)
_LOST = (280, 286)  # the stream cannot be resumed: its place in the oplog is gone
_IDS_AT_ONCE = 1000
_STUBBORN = 5  # failures in a row after which the stream has to begin elsewhere
# A quiet stream keeps an old place, which the oplog may leave behind; a marker moves it on.
_MARK_EVERY = 60.0


class Follower:
    """A thread. `reform` is called when collections were dropped or renamed, or definitions
    changed; `reset` when changes were missed and all indexes have to be built again; `reached`
    with each marker of this follower."""

    def __init__(
        self,
        client: Client,
        indexes: Indexes,
        *,
        reform: Callable[[], None],
        reset: Callable[[], None],
        reached: Callable[[int], None],
    ) -> None:
        self._client = client
        self._indexes = indexes
        self._reform, self._reset, self._reached = reform, reset, reached
        self._name = ObjectId()  # several gateways may follow one deployment
        self._position: Timestamp | None = None
        self._covered: frozenset[Namespace] = frozenset()
        self._covers = threading.Condition()
        self._backoff = Backoff()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        self._position = operation_time(self._client)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            with suppress(PyMongoError), pymongo.timeout(1):
                self.mark(0)  # ends the wait for changes

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def mark(self, number: int) -> None:
        """Write a marker, which comes back through `reached`."""
        marker = {MARKER_FIELD: number, MARKER_OWNER: self._name}
        self._client[DATABASE][MARKERS].replace_one({"_id": 0}, marker, upsert=True)

    def wait_until_covers(self, namespace: Callable[[], Namespace | None]) -> None:
        """Until no further change of that collection can be missed; None ends the wait."""
        self.mark(0)  # ends the wait for changes, so that the new collection is seen to
        with self._covers:
            while not self._stopping.is_set() and namespace() not in (None, *self._covered):
                self._covers.wait(timeout=0.5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except Exception as error:
                if not self._stopping.is_set():
                    self._recover(error)

    def _recover(self, error: Exception) -> None:
        if isinstance(error, PyMongoError):
            log.warning("the change stream ended: %s", reason(error))
        else:
            log.exception("the indexes may have missed changes")
        self._stopping.wait(self._backoff.after(error))
        code = error.code if isinstance(error, OperationFailure) else None
        stubborn = lasting(error) and self._backoff.failures >= _STUBBORN
        if code in _LOST or stubborn or not isinstance(error, PyMongoError):
            self._begin_again()

    def _begin_again(self) -> None:
        log.warning("changes were missed; all indexes are built again")
        try:
            position = operation_time(self._client)
            self._reform()
            self._reset()
            self._position = position  # not before: what was missed would stay so
        except PyMongoError as error:
            log.warning("cannot begin again yet: %s", reason(error))
        except Exception:
            log.exception("cannot begin again")

    def _follow(self) -> None:
        covered = self._indexes.namespaces()
        with self._client.start_session() as session:
            stream = ChangeStream(self._client, session, covered, self._position)
            with self._covers:
                self._covered = covered
                self._covers.notify_all()
            try:
                self._follow_stream(stream, covered)
            finally:
                # Also after a failure, or mongod keeps the cursor until it is bored with it.
                with suppress(PyMongoError), pymongo.timeout(1):
                    stream.close()

    def _follow_stream(self, stream: ChangeStream, covered: frozenset[Namespace]) -> None:
        marked = time.monotonic()
        while not self._stopping.is_set() and self._indexes.namespaces() == covered:
            if events := stream.next_batch():
                self._take(events)
                marked = time.monotonic()
            elif time.monotonic() - marked > _MARK_EVERY:
                self.mark(0)
                marked = time.monotonic()
            self._backoff.succeeded()

    def _take(self, events: Sequence[Mapping[str, Any]]) -> None:
        changes: dict[Namespace, list[Any]] = {}
        for event in events:
            if reforms(event):
                self._refresh(changes)
                self._reform()
                self._position = event["clusterTime"]
                if self._indexes.namespaces() != self._covered:
                    # What follows is read again, by a stream that knows the new names.
                    return
                continue
            namespace = event["ns"]["db"], event["ns"].get("coll", "")
            if namespace == (DATABASE, MARKERS):
                self._refresh(changes)
                if event.get("by") == self._name:
                    self._reached(event.get("marker", 0))
            elif "documentKey" in event:
                changes.setdefault(namespace, []).append(event["documentKey"]["_id"])
        self._refresh(changes)
        self._position = events[-1]["clusterTime"]

    def _refresh(self, changes: dict[Namespace, list[Any]]) -> None:
        for namespace, ids in changes.items():
            for start in range(0, len(ids), _IDS_AT_ONCE):
                self._refresh_some(namespace, ids[start : start + _IDS_AT_ONCE])
        changes.clear()

    def _refresh_some(self, namespace: Namespace, ids: Sequence[Any]) -> None:
        for served in self._indexes.of(namespace):
            for version in served.versions:
                try:
                    self._refresh_one(namespace, version, ids)
                except Exception as error:
                    if not lasting(error):
                        raise
                    if not isinstance(error, PyMongoError):
                        log.exception("index %s cannot take changes", served.record.name)
                    served.fail(version, reason(error))

    def _refresh_one(self, namespace: Namespace, version: Version, ids: Sequence[Any]) -> None:
        collection = self._client[namespace[0]][namespace[1]]
        documents = collection.find({"_id": {"$in": ids}}, version.index.projection())
        version.changed(ids, list(documents))
