"""The runs that write into a collection right now, so that each knows whether it was alone.

One document for each collection in `leaf_writers` of the same database: `active` lists the runs in
progress, `epoch` grows whenever one begins. A run registers before its first read of the collection
and checks after its last write. If no other run was active and none has begun since, nothing that
it read or wrote can have changed. If it was not alone, it must verify everything that it claims. A
killed run leaves its entry behind; for a quarter of an hour that costs the next runs a second
check, and nothing else.

Each entry has a `turn`, which grows whenever its run checks: by then the run has written all that
it had read.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from pymongo import ReturnDocument, timeout
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from leafsearch.vectors.store.connection import FORBIDDEN_CODES, explain_errors
from leafsearch.vectors.store.retry import RetryBudget

log = logging.getLogger(__name__)

WRITERS = "leaf_writers"
_FRESH = 60.0  # seconds for which a writer may trust its entry
_FORGOTTEN = 900_000  # milliseconds until an entry that is not renewed is dropped
_LEAVING = 2.0  # seconds

ActiveRuns = frozenset[tuple[str, int]]  # ids of runs, each with its turn


class Registration:
    """The entry of one run. Threads may share it."""

    def __init__(self, database: Database[Any], collection: str, retries: RetryBudget) -> None:
        self._writers = database.get_collection(WRITERS, write_concern=WriteConcern("majority"))
        self._collection = collection
        self._retries = retries
        self._id = secrets.token_hex(8)
        self._lock = Lock()
        self._is_known = True  # False if the server refuses to keep entries
        self._epoch: int | None = None  # None before it has entered
        self._has_company = False
        self._turn = 0
        self._others: ActiveRuns = frozenset()
        self._renewed = 0.0

    @property
    def others(self) -> ActiveRuns:
        """Runs that were active at the last check; empty if this user may not check."""
        return self._others

    def enter(self) -> None:
        """Register; call it before the first read. Further calls change nothing."""
        with self._lock:
            if self._epoch is None:
                self._look()

    def was_alone(self) -> bool:
        """Whether no other run was active since `enter`, or since the last call."""
        with self._lock:
            if self._epoch is None:
                return True  # the run has neither read nor written
            epoch, had_company = self._epoch, self._has_company
            self._turn += 1
            self._look()
            return self._is_known and not had_company and self._epoch == epoch

    def renew(self) -> None:
        """Renew the entry; call it before each write.

        A run that slept until its entry was dropped enters again, so that other runs notice it.
        """
        with self._lock:
            if self._epoch is not None and _now() > self._renewed + _FRESH:
                epoch, had_company = self._epoch, self._has_company
                self._look()
                # `was_alone` must still see what happened before this.
                self._has_company |= had_company or self._epoch != epoch

    def leave(self, *, trace: bool = True) -> None:
        """Remove the entry; call it after the last write. If that fails, it expires.

        Without `trace`, for a run that has written nothing, the document goes too. Entries of other
        runs may go with it: these enter again, and count that as company.
        """
        if not self._lock.acquire(timeout=_LEAVING):
            return  # a thread of an interrupted run still waits for the server
        try:
            if self._epoch is not None and self._is_known:
                mine = {"_id": self._collection}
                with suppress(PyMongoError), timeout(_LEAVING):
                    self._writers.update_one(mine, {"$pull": {"active": {"run": self._id}}})
                    if not trace:
                        self._writers.delete_one({**mine, "active": []})
                        if self._writers.find_one({}, {"_id": 1}) is None:
                            self._writers.drop()
            self._epoch = None
        finally:
            self._lock.release()

    def _look(self) -> None:
        """Create or renew the entry and read the others, in one atomic update."""
        before = _now()
        seen: dict[str, Any] = {}
        try:
            with explain_errors():
                if self._is_known:
                    seen = self._retries.run(self._renewed_entry)
        except Exception as error:
            cause = error.__cause__
            if not isinstance(cause, OperationFailure) or cause.code not in FORBIDDEN_CODES:
                raise
            self._is_known = False
            log.warning(
                "this user may not write %s, so other runs cannot see this one: do not let runs "
                "into collection %s overlap",
                WRITERS,
                self._collection,
            )
        self._renewed = before
        self._epoch = seen.get("epoch", 0)
        active = ((entry["run"], entry.get("turn", 0)) for entry in seen.get("active", ()))
        self._others = frozenset(each for each in active if each[0] != self._id)
        self._has_company = bool(self._others)

    def _renewed_entry(self) -> dict[str, Any]:
        active = {"$ifNull": ["$active", []]}
        entered = {"$in": [self._id, {"$ifNull": ["$active.run", []]}]}
        is_other = {
            "$and": [
                {"$ne": ["$$entry.run", self._id]},
                {"$gt": ["$$entry.seen", {"$subtract": ["$$NOW", _FORGOTTEN]}]},
            ]
        }
        others = {"$filter": {"input": active, "as": "entry", "cond": is_other}}
        # Starts at the time, so that no earlier document of this name had the same epoch.
        epoch = {"$ifNull": ["$epoch", {"$toLong": "$$NOW"}]}
        mine = {"run": self._id, "seen": "$$NOW", "turn": self._turn}
        change = {
            "epoch": {"$add": [epoch, {"$cond": [entered, 0, 1]}]},
            "active": {"$concatArrays": [others, [mine]]},
        }
        found = self._writers.find_one_and_update(
            {"_id": self._collection},
            [{"$set": change}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return dict(found or {})


@contextmanager
def register_run(
    database: Database[Any], collection: str, retries: RetryBudget
) -> Iterator[Registration]:
    """Register a run for the whole block."""
    registration = Registration(database, collection, retries)
    registration.enter()
    try:
        yield registration
    finally:
        registration.leave()


def _now() -> float:
    """Seconds on a clock that keeps running while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
