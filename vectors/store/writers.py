"""The runs that write into a collection at present, so that each learns whether it was alone.

One document for each collection in `leaf_writers` of the same database: `active` lists the runs
that have begun and not ended, `epoch` grows whenever one begins. A run enters before its first look
at the collection and asks after its last write. If none was active beside it and none has begun
since, nothing that it saw or wrote can have changed. If it was not alone, it has to look again at
all that it claims. A run that is killed leaves its entry behind, which costs the next runs a second
look for a quarter of an hour, and nothing else.

Each entry has a `turn`, which grows whenever its run asks: all that the run had read by then is
written.
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
_FRESH = 60.0  # seconds for which a writer may trust that its entry is there
_FORGOTTEN = 900_000  # milliseconds after which an entry that is not renewed is dropped
_LEAVING = 2.0  # seconds

ActiveRuns = frozenset[tuple[str, int]]  # runs, each with its turn


class Registration:
    """One run. Threads may share it."""

    def __init__(self, database: Database[Any], collection: str, retries: RetryBudget) -> None:
        self._writers = database.get_collection(WRITERS, write_concern=WriteConcern("majority"))
        self._collection = collection
        self._retries = retries
        self._id = secrets.token_hex(8)
        self._lock = Lock()
        self._is_known = True  # to the server, which may refuse to keep such entries
        self._epoch: int | None = None  # None before it has entered
        self._has_company = False
        self._turn = 0
        self._others: ActiveRuns = frozenset()
        self._renewed = 0.0

    @property
    def others(self) -> ActiveRuns:
        """Those that were active when this one looked last; none where it may not look."""
        return self._others

    def enter(self) -> None:
        """Before the first look at the collection; further calls change nothing."""
        with self._lock:
            if self._epoch is None:
                self._look()

    def was_alone(self) -> bool:
        """Whether no other run was active since it entered, or since this was asked before."""
        with self._lock:
            if self._epoch is None:
                return True  # it has neither read nor written
            epoch, had_company = self._epoch, self._has_company
            self._turn += 1
            self._look()
            return self._is_known and not had_company and self._epoch == epoch

    def renew(self) -> None:
        """Before each write. A run that slept so long that it was forgotten enters once more, so
        that those which were alone without it learn that they are not."""
        with self._lock:
            if self._epoch is not None and _now() > self._renewed + _FRESH:
                epoch, had_company = self._epoch, self._has_company
                self._look()
                # `was_alone` must still see what happened before this.
                self._has_company |= had_company or self._epoch != epoch

    def leave(self, *, trace: bool = True) -> None:
        """After the last write. What cannot be taken back now is forgotten after a while.

        Without `trace`, of a run that has written nothing, what it has made goes as well. Entries
        of others may go with it: they enter once more, and take it for company.
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
        """Renew the entry, or make it, and see who else is there, in one step of the server's."""
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
                "this user may not write %s, so other runs do not learn of this one: do not let "
                "runs into collection %s overlap",
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
        # The first epoch is none that an earlier document of this name can have had.
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
    """A run that writes from its beginning to its end."""
    registration = Registration(database, collection, retries)
    registration.enter()
    try:
        yield registration
    finally:
        registration.leave()


def _now() -> float:
    """Goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
