"""Keeps the indexes up to date through one change stream over the deployment."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymongo
from bson import ObjectId, Timestamp
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from leafmongo.indexes.catalog import DATABASE, Client
from leafmongo.indexes.change_stream import (
    MARKER_FIELD,
    MARKER_OWNER,
    MARKERS,
    ChangeStream,
    operation_time,
    requires_reload,
)
from leafmongo.indexes.registry import IndexRegistry, IndexVersion, Namespace

log = logging.getLogger(__name__)
# Error codes of transient conditions: elections, shutdowns, lost sessions, and operations that
# were killed, met a rename or took too long.
_TRANSIENT = frozenset(
    {6, 7, 24, 43, 50, 63, 89, 91, 112, 133, 134, 136, 175, 189, 202, 206, 211, 237, 246, 262, 279}
    | {290, 317, 391, 9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436}
)
_SHORTEST, _LONGEST = 0.2, 10.0
_LOST = (280, 286)  # the stream cannot be resumed: its position has left the oplog
_IDS_AT_ONCE = 1000
_PERSISTENT = 5  # permanent failures in a row after which the stream starts at a new position
# A quiet stream stays at an old position, which may leave the oplog; a marker moves it on.
_MARK_EVERY = 60.0


def is_permanent(error: Exception) -> bool:
    """Whether a retry would fail again: mongod refuses the operation, or the fault is ours."""
    if isinstance(error, OperationFailure):
        return error.code not in _TRANSIENT
    return not isinstance(error, PyMongoError)


def explain_failure(error: Exception) -> str:
    """For people: mongod's message without the document around it."""
    if isinstance(error, OperationFailure) and error.details:
        return f"MongoDB refuses to read it: {error.details.get('errmsg')} (code {error.code})"
    return f"{type(error).__name__}: {error}"


class Backoff:
    """Seconds to wait before a retry, more with every failure in a row."""

    def __init__(self) -> None:
        self.failures = 0

    def next_delay(self, error: Exception) -> float:
        """A lost connection does not add to the wait: PyMongo itself waits for another."""
        if isinstance(error, ConnectionFailure):
            return _SHORTEST
        self.failures += 1
        return min(_SHORTEST * 2.0 ** (self.failures - 1), _LONGEST)

    def reset(self) -> None:
        self.failures = 0


class Follower:
    """A thread that follows the change stream.

    `on_reload` is called when collections were dropped or renamed or definitions changed, `on_gap`
    when changes were missed and all indexes have to be built again, `on_marker` with each marker
    of this follower.
    """

    def __init__(
        self,
        client: Client,
        registry: IndexRegistry,
        *,
        on_reload: Callable[[], None],
        on_gap: Callable[[], None],
        on_marker: Callable[[int], None],
    ) -> None:
        self._client = client
        self._registry = registry
        self._on_reload, self._on_gap, self._on_marker = on_reload, on_gap, on_marker
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
        """Write a marker, which comes back through `on_marker`."""
        marker = {MARKER_FIELD: number, MARKER_OWNER: self._name}
        self._client[DATABASE][MARKERS].replace_one({"_id": 0}, marker, upsert=True)

    def wait_until_covers(self, namespace: Callable[[], Namespace | None]) -> None:
        """Wait until no further change of that collection can be missed; None ends the wait."""
        self.mark(0)  # ends the wait for changes, so that the stream starts to cover the collection
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
            log.warning("the change stream ended: %s", explain_failure(error))
        else:
            log.exception("the indexes may have missed changes")
        self._stopping.wait(self._backoff.next_delay(error))
        code = error.code if isinstance(error, OperationFailure) else None
        persistent = is_permanent(error) and self._backoff.failures >= _PERSISTENT
        if code in _LOST or persistent or not isinstance(error, PyMongoError):
            self._start_over()

    def _start_over(self) -> None:
        log.warning("changes were missed; rebuilding all indexes")
        try:
            position = operation_time(self._client)
            self._on_reload()
            self._on_gap()
            self._position = position  # last, so that a failure above starts over again
        except PyMongoError as error:
            log.warning("cannot start over yet: %s", explain_failure(error))
        except Exception:
            log.exception("cannot start over")

    def _follow(self) -> None:
        covered = self._registry.namespaces()
        with self._client.start_session() as session:
            stream = ChangeStream(self._client, session, covered, self._position)
            with self._covers:
                self._covered = covered
                self._covers.notify_all()
            try:
                self._follow_stream(stream, covered)
            finally:
                # After a failure too: mongod would keep the cursor open until it times out.
                with suppress(PyMongoError), pymongo.timeout(1):
                    stream.close()

    def _follow_stream(self, stream: ChangeStream, covered: frozenset[Namespace]) -> None:
        marked = time.monotonic()
        while not self._stopping.is_set() and self._registry.namespaces() == covered:
            if events := stream.next_batch():
                self._take(events)
                marked = time.monotonic()
            elif time.monotonic() - marked > _MARK_EVERY:
                self.mark(0)
                marked = time.monotonic()
            self._backoff.reset()

    def _take(self, events: Sequence[Mapping[str, Any]]) -> None:
        changes: dict[Namespace, list[Any]] = {}
        for event in events:
            if requires_reload(event):
                self._refresh(changes)
                self._on_reload()
                self._position = event["clusterTime"]
                if self._registry.namespaces() != self._covered:
                    # A new stream, which covers the new names, reads the rest again.
                    return
                continue
            namespace = event["ns"]["db"], event["ns"].get("coll", "")
            if namespace == (DATABASE, MARKERS):
                self._refresh(changes)
                if event.get("by") == self._name:
                    self._on_marker(event.get("marker", 0))
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
        for served in self._registry.of(namespace):
            for version in served.versions:
                try:
                    self._refresh_one(namespace, version, ids)
                except Exception as error:
                    if not is_permanent(error):
                        raise
                    if not isinstance(error, PyMongoError):
                        log.exception("index %s cannot take changes", served.record.name)
                    served.fail(version, explain_failure(error))

    def _refresh_one(self, namespace: Namespace, version: IndexVersion, ids: Sequence[Any]) -> None:
        collection = self._client[namespace[0]][namespace[1]]
        documents = collection.find({"_id": {"$in": ids}}, version.index.projection())
        version.apply_changes(ids, list(documents))
