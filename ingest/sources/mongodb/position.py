"""How far a source has been followed into a collection, stored beside the manifest.

A follower that is started again goes on from there, so that documents that were deleted while it
was away are deleted here as well.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bson import json_util
from pymongo import timeout
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.vectors import DeploymentError, Manifest, explain_errors
from leafsearch.vectors.store import FORBIDDEN_CODES, RetryBudget, is_unanswered

log = logging.getLogger(__name__)

POSITIONS = "leaf_positions"
_PAUSE = 10.0  # seconds between two writes while nothing changes
_RENEWAL = 3600.0  # seconds until an unchanged position is written again, to show that it is in use
_ABANDONED = 7 * 86_400_000  # milliseconds after which a source no longer counts as followed
_BRIEFLY = 3.0  # seconds for a save that the next one can replace

Done = TypeVar("Done")
Token = Mapping[str, Any]


@dataclass
class Position:
    """The position in one source, as one command line names it, for the generation that searches
    use.

    `token` is None if the source was never followed (`is_known` is False), or if later changes
    cannot be read any more.
    """

    database: Database[Any]
    collection: str
    source: MongoSource
    manifest: Manifest
    retries: RetryBudget
    shard: str = ""
    token: Token | None = None
    is_known: bool = False
    _saved: float = field(default=float("-inf"), repr=False)
    _brief: RetryBudget = field(default_factory=lambda: RetryBudget(0), repr=False)
    _is_refused: bool = field(default=False, repr=False)
    _is_late: bool = field(default=False, repr=False)

    def read(self) -> None:
        found = self._ask(lambda: self._positions.find_one({"_id": self._id}))
        self.is_known = found is not None
        if found is not None and found.get("generation") == self.manifest.generation:
            self.token = found.get("token")

    def save(self, token: Token | None) -> None:
        """Everything that changed before `token` is written; None: the changes are not known."""
        self._save(token, self.retries)

    def save_if_answered(self, token: Token | None) -> None:
        """Skip this time if MongoDB is unreachable: the next token says more."""
        is_saved = token == self.token and self.is_known
        if is_saved and time.monotonic() < self._saved + _RENEWAL:
            return
        try:
            with timeout(_BRIEFLY):
                self._save(token, self._brief)
        except DeploymentError as error:
            if not is_unanswered(error):
                raise
            self._saved = time.monotonic()
            if not self._is_late:
                log.warning(
                    "%s; how far %s is followed is saved when it does", error, self.source.name
                )
            self._is_late = True

    def save_in_time(self, token: Token | None) -> None:
        """Call save_if_answered if the last save was a while ago."""
        if time.monotonic() >= self._saved + _PAUSE:
            self.save_if_answered(token)

    def _save(self, token: Token | None, retries: RetryBudget) -> None:
        now = {"token": token, "generation": self.manifest.generation}
        change = {"$set": now, "$currentDate": {"at": True}}
        self._ask(
            lambda: self._positions.update_one({"_id": self._id}, change, upsert=True), retries
        )
        self.token, self.is_known, self._saved = token, True, time.monotonic()
        self._is_late = False

    def others(self) -> list[str]:
        """Other sources that were followed under the same source name in the last days."""
        same = {
            "_id.collection": self.collection,
            "_id.source": self.source.source,
            "$expr": {"$gt": ["$at", {"$subtract": ["$$NOW", _ABANDONED]}]},
        }
        found = self._ask(lambda: list(self._positions.find(same, {"_id": 1}))) or []
        names = dict.fromkeys(_followed(each["_id"]) for each in found)
        return [name for name in names if name != _followed(self._id)]

    @property
    def _id(self) -> dict[str, Any]:
        query = json.loads(json_util.dumps(self.source.query))
        return {
            "collection": self.collection,
            "source": self.source.source,
            "from": self.source.paths[0],
            "filter": json.dumps(query, sort_keys=True),
            "shard": self.shard,
        }

    @property
    def _positions(self) -> Collection[dict[str, Any]]:
        return self.database.get_collection(POSITIONS, write_concern=WriteConcern("majority"))

    def _ask(self, work: Callable[[], Done], retries: RetryBudget | None = None) -> Done | None:
        """None if the server does not let this user keep positions."""
        if self._is_refused:
            return None
        with explain_errors():
            try:
                return (retries or self.retries).run(work)
            except OperationFailure as error:
                if error.code not in FORBIDDEN_CODES:
                    raise
        self._is_refused = True
        return None


def _followed(id: Mapping[str, Any]) -> str:
    """The source as a command line names it, without its shard."""
    part = f" with --filter-source '{id['filter']}'" if id["filter"] != "{}" else ""
    return f"{id['from']}{part}"
