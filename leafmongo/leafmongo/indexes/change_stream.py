"""A change stream that returns batches of events; PyMongo's own returns one event at a time."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import Timestamp
from pymongo.client_session import ClientSession

from leafmongo.indexes.catalog import COLLECTION, DATABASE, Client
from leafmongo.indexes.registry import Namespace
from leafmongo.proxy.wire import LENIENT

MARKERS = "markers"
MARKER_FIELD, MARKER_OWNER = "leafSearchMarker", "by"
_DDL = ("drop", "rename", "dropDatabase")
_AWAIT_MS = 500


class ChangeStream:
    """Events of the whole deployment: changes of documents in the covered collections, drops and
    renames anywhere, changes of index definitions, and markers."""

    def __init__(
        self,
        client: Client,
        session: ClientSession,
        covered: Iterable[Namespace],
        position: Timestamp | None,
    ) -> None:
        self._admin = client.admin
        self._session = session
        command = {
            "aggregate": 1,
            "pipeline": _pipeline(covered, position),
            "cursor": {},
        }
        self._cursor = self._ask(command)
        self._batch = self._cursor["firstBatch"]

    def next_batch(self) -> list[dict[str, Any]]:
        """Empty if nothing has changed for a while."""
        if batch := self._batch:
            self._batch = []
            return list(batch)
        more = {
            "getMore": self._cursor["id"],
            "collection": "$cmd.aggregate",
            "batchSize": 10_000,
            "maxTimeMS": _AWAIT_MS,
        }
        return list(self._ask(more)["nextBatch"])

    def _ask(self, command: dict[str, Any]) -> Any:
        # Names and ids in events may be any bytes.
        answer = self._admin.command(command, session=self._session, codec_options=LENIENT)
        return answer["cursor"]

    def close(self) -> None:
        kill = {"killCursors": "$cmd.aggregate", "cursors": [self._cursor["id"]]}
        self._admin.command(kill, session=self._session)


def _pipeline(covered: Iterable[Namespace], position: Timestamp | None) -> list[dict[str, Any]]:
    followed = [{"ns.db": DATABASE, "ns.coll": name} for name in (MARKERS, COLLECTION)]
    followed += [{"ns.db": database, "ns.coll": name} for database, name in sorted(covered)]
    source: dict[str, Any] = {"allChangesForCluster": True}
    if position is not None:
        source["startAtOperationTime"] = position
    kept = {
        "operationType": 1,
        "clusterTime": 1,
        "ns": 1,
        "documentKey._id": 1,
        "marker": f"$fullDocument.{MARKER_FIELD}",
        "by": f"$fullDocument.{MARKER_OWNER}",
    }
    matching = {"$or": [{"operationType": {"$in": list(_DDL)}}, *followed]}
    return [{"$changeStream": source}, {"$match": matching}, {"$project": kept}]


def requires_reload(event: Mapping[str, Any]) -> bool:
    """Whether collections were dropped or renamed, or a gateway changed index definitions."""
    if event["operationType"] in _DDL:
        return True
    return bool(event["ns"] == {"db": DATABASE, "coll": COLLECTION})


def operation_time(client: Client) -> Timestamp:
    """The position in the oplog of the deployment's last operation."""
    time: Timestamp = client.admin.command("ping")["operationTime"]
    return time
