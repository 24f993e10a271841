"""Describes an index as `$listSearchIndexes` does."""

import socket
from typing import Any

from leafmongo.indexes.catalog import IndexRecord
from leafmongo.indexes.index_types import VECTOR
from leafmongo.indexes.registry import BuildFailure, BuildState, IndexVersion, ServedIndex

_FAILED = "FAILED"


def describe_index(served: ServedIndex) -> dict[str, Any]:
    """An entry like the real server's, with `type` as Atlas adds it, and skipped documents."""
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


def _status(served: ServedIndex) -> str:
    if served.failure is not None:
        return _FAILED
    latest = served.staged or served.main
    if latest is None:
        return "DOES_NOT_EXIST"
    if served.main is not None and latest.state is BuildState.PENDING:
        return BuildState.BUILDING.value
    return latest.state.value


def _details(served: ServedIndex, status: str) -> list[dict[str, Any]]:
    """One entry for the only host; none before its build has begun."""
    begun = status not in (BuildState.PENDING.value, "DOES_NOT_EXIST")
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


def _version(version: IndexVersion) -> dict[str, Any]:
    stats = version.index.stats()
    vectors = {"numVectors": stats.vectors} if version.record.type == VECTOR else {}
    return {
        "status": version.state.value,
        "queryable": version.state is BuildState.READY,
        **_definition(version.record),
        "numDocs": stats.documents,
        **vectors,
        "memoryBytes": stats.bytes,
        "skipped": [
            {"reason": reason, "count": count, "examples": stats.skipped_examples.get(reason, [])}
            for reason, count in stats.skipped.items()
        ],
    }


def _failure(failure: BuildFailure) -> dict[str, Any]:
    status = {"status": _FAILED, "queryable": False, "message": failure.reason}
    return {**status, **_definition(failure.record)}


def _definition(record: IndexRecord) -> dict[str, Any]:
    return {
        "definitionVersion": {"version": record.version, "createdAt": record.created},
        "definition": dict(record.definition),
    }
