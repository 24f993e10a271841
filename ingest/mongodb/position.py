"""How far a source has been followed into a collection, kept beside the manifest.

A follower that is started again reads on from there, so that what was deleted while it was away is
deleted here as well.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bson import json_util
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from ingest.mongodb.source import MongoSource
from vectors import Manifest, explained
from vectors.patience import Patience

POSITIONS = "leaf_positions"
_PAUSE = 10.0  # seconds between two writes where nothing has changed
_UNAUTHORIZED = 13

Done = TypeVar("Done")
Token = Mapping[str, Any]


@dataclass
class Position:
    """Of one source, as one command line names it, in the generation that searches use.

    `token` is None where it was never followed (`is_known` is False), or where what has changed
    since cannot be read any more.
    """

    database: Database[Any]
    collection: str
    source: MongoSource
    manifest: Manifest
    patience: Patience
    shard: str = ""
    token: Token | None = None
    is_known: bool = False
    _saved: float = field(default=0.0, repr=False)
    _is_refused: bool = field(default=False, repr=False)

    def read(self) -> None:
        found = self._ask(lambda: self._positions.find_one({"_id": self._id}))
        self.is_known = found is not None
        if found is not None and found.get("generation") == self.manifest.generation:
            self.token = found.get("token")

    def save(self, token: Token | None, *, in_time: bool = False) -> None:
        """All that changed before `token` is written; None: what has changed is not known.

        With `in_time`, only if the last time was a while ago.
        """
        if token == self.token and self.is_known:
            return
        if in_time and time.monotonic() < self._saved + _PAUSE:
            return
        now = {"token": token, "generation": self.manifest.generation}
        change = {"$set": now, "$currentDate": {"at": True}}
        self._ask(lambda: self._positions.update_one({"_id": self._id}, change, upsert=True))
        self.token, self.is_known, self._saved = token, True, time.monotonic()

    def is_shared(self) -> bool:
        """Whether another command line follows something else under the same source name."""
        same: dict[str, Any] = {"_id.collection": self.collection, "_id.source": self.source.source}
        found = self._ask(lambda: list(self._positions.find(same, {"_id": 1}))) or []
        mine = {k: v for k, v in self._id.items() if k != "shard"}
        return any({k: v for k, v in each["_id"].items() if k != "shard"} != mine for each in found)

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

    def _ask(self, work: Callable[[], Done]) -> Done | None:
        """None where the server does not let this user keep positions."""
        if self._is_refused:
            return None
        with explained():
            try:
                return self.patience.ask(work)
            except OperationFailure as error:
                if error.code != _UNAUTHORIZED:
                    raise
        self._is_refused = True
        return None
