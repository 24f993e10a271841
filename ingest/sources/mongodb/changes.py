"""Read the change stream of a MongoDB source, in batches."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bson import Timestamp
from pymongo import timeout
from pymongo.change_stream import CollectionChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from leafsearch.config.hint import PATH, hint
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.vectors.store import FORBIDDEN_CODES, RetryBudget, is_encodable_id

_QUIET_MS = 250  # without a change, until a batch ends
_LONGEST = 0.5  # seconds from the first to the last change of a batch
_SECONDS_TO_CLOSE = 1
_MOST = 500  # documents of a batch
_HISTORY_LOST = (286, 136, 280)  # the last: the resume token is gone
_NO_REPLICA_SET = 40573
_OF_DOCUMENTS = ("insert", "update", "replace", "delete")
# The names of changed fields are enough: documents are read as they are when it is their turn, and
# an event with a whole document may exceed MongoDB's limit.
_PIPELINE: list[Mapping[str, Any]] = [
    {
        "$project": {
            "operationType": 1,
            "clusterTime": 1,
            "documentKey._id": 1,
            "set": {
                "$map": {
                    "input": {"$objectToArray": "$updateDescription.updatedFields"},
                    "in": "$$this.k",
                }
            },
            "removed": "$updateDescription.removedFields",
            "cut": "$updateDescription.truncatedArrays.field",
        }
    }
]


class SourceEnded(SourceError):
    """The collection was dropped or renamed while it was followed."""


class HistoryLost(Exception):
    """The server no longer remembers what has changed since the last batch."""


@dataclass(frozen=True)
class ChangeBatch:
    """`_id`s of documents that were inserted, changed or deleted, the last of them at the time
    `at`."""

    ids: list[Any]
    at: Timestamp | None


class Changes:
    """Changes from this moment on, or after the token of an earlier stream. A lost connection is
    opened again, for as long as needed, and reading goes on where it was. All changes before
    `token` are in the batches so far."""

    def __init__(self, source: MongoSource, token: Mapping[str, Any] | None = None) -> None:
        """Raises SourceError for what cannot be watched, HistoryLost for an old token."""
        self._source = source
        self._stream: CollectionChangeStream[Any] | None = None
        self.token = token
        with source.explained():
            try:
                RetryBudget().run(self._open)
            except OperationFailure as error:
                if error.code == _NO_REPLICA_SET:
                    raise SourceError(
                        f"source {source.name}: its MongoDB has no change streams; expected "
                        "a replica set for --follow"
                    ) from error
                if token is not None and error.code not in FORBIDDEN_CODES:
                    raise HistoryLost from error
                raise

    def batch(self) -> ChangeBatch:
        """Empty if nothing has changed for a moment.

        Raises HistoryLost; SourceEnded if the collection was dropped or renamed.
        """
        with self._source.explained():
            try:
                return RetryBudget(float("inf")).run(self._gathered)
            except OperationFailure as error:
                if error.code in _HISTORY_LOST:
                    raise HistoryLost from error
                raise

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            # The server may be gone.
            with suppress(PyMongoError), timeout(_SECONDS_TO_CLOSE):
                stream.close()

    def _open(self) -> CollectionChangeStream[Any]:
        if self._stream is None:
            self._stream = self._source.collection.watch(
                _PIPELINE, resume_after=self.token, max_await_time_ms=_QUIET_MS
            )
            self.token = self._stream.resume_token
        return self._stream

    def _gathered(self) -> ChangeBatch:
        """Reopen the stream after a failure, from the last complete batch."""
        try:
            stream = self._open()
            changed: dict[str, Any] = {}
            at, first = None, None
            while len(changed) < _MOST and (first is None or time.monotonic() < first + _LONGEST):
                event = stream.try_next()
                if event is None:
                    break
                first = first or time.monotonic()
                if self._concerns(event):
                    id = event["documentKey"]["_id"]
                    changed[repr(id)], at = id, event["clusterTime"]  # an _id may be a document
            self.token = stream.resume_token
            return ChangeBatch(list(changed.values()), at)
        except BaseException:
            self.close()
            raise

    def _concerns(self, event: Mapping[str, Any]) -> bool:
        """Skips a document whose `_id` is not UTF-8: every reader rejects it."""
        kind = event["operationType"]
        if kind not in _OF_DOCUMENTS:
            again = hint("leaf-ingest", PATH, "--follow", whole=True)
            raise SourceEnded(
                f"source {self._source.name}: it ended while it was followed ({kind}); its stored "
                f"documents stay: {again} resumes when it is back"
            )
        names = [n for part in ("set", "removed", "cut") for n in event.get(part) or ()]
        if kind == "update" and self._source.changed_by_us(names):
            return False
        return is_encodable_id(event["documentKey"]["_id"])
