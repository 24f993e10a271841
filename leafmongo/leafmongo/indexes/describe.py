"""What `$listSearchIndexes` tells of an index."""

import socket
from typing import Any

from leafmongo.indexes.catalog import Record
from leafmongo.indexes.index_types import VECTOR
from leafmongo.indexes.registry import Failure, Served, State, Version

_FAILED = "FAILED"


def entry(served: Served) -> dict[str, Any]:
    """As the real server gives it, with `type` as Atlas adds it, and what was skipped."""
    record = served.record
    status = _status(served)
    return {
        "id": str(record.id),
        "name": record.name,
        "type": record.type,
        "status": status,
        "queryable": served.queryable,
        "latestDefinitionVersion": {"version": record.version, "createdAt": record.created},
        "latestDefinition": dict(record.definition),
        "statusDetail": _details(served, status),
    }


def _status(served: Served) -> str:
    if served.failure is not None:
        return _FAILED
    latest = served.staged or served.main
    if latest is None:
        return "DOES_NOT_EXIST"
    if served.main is not None and latest.state is State.PENDING:
        return State.BUILDING.value
    return latest.state.value


def _details(served: Served, status: str) -> list[dict[str, Any]]:
    """One for each host: for the only one there is, and none before it has begun."""
    begun = status not in (State.PENDING.value, "DOES_NOT_EXIST")
    if not begun and not served.queryable:
        return []
    versions = [_version(version) for version in served.versions]
    if served.failure is not None:
        versions.append(_failure(served.failure))
    return [
        {
            "hostname": socket.gethostname(),
            "status": status,
            "queryable": served.queryable,
            **dict(zip(("mainIndex", "stagedIndex"), versions, strict=False)),
        }
    ]


def _version(version: Version) -> dict[str, Any]:
    stats = version.index.stats()
    vectors = {"numVectors": stats.vectors} if version.record.type == VECTOR else {}
    return {
        "status": version.state.value,
        "queryable": version.state is State.READY,
        **_definition(version.record),
        "numDocs": stats.documents,
        **vectors,
        "memoryBytes": stats.bytes,
        "skipped": [
            {"reason": reason, "count": count, "examples": stats.skipped_examples.get(reason, [])}
            for reason, count in stats.skipped.items()
        ],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    told = {"status": _FAILED, "queryable": False, "message": failure.reason}
    return {**told, **_definition(failure.record)}


def _definition(record: Record) -> dict[str, Any]:
    return {
        "definitionVersion": {"version": record.version, "createdAt": record.created},
        "definition": dict(record.definition),
    }
