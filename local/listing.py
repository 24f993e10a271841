"""What `$listSearchIndexes` tells of an index."""

import socket
from typing import Any

from local.indexes import Served, State, Version
from local.kinds import VECTOR


def entry(served: Served) -> dict[str, Any]:
    """As the real server gives it, with `type` as Atlas adds it, and what was skipped."""
    record, main, staged = served.record, served.main, served.staged
    status = _status(main, staged)
    return {
        "id": str(record.id),
        "name": record.name,
        "type": record.type,
        "status": status,
        "queryable": main is not None,
        "latestDefinitionVersion": {"version": record.version, "createdAt": record.created},
        "latestDefinition": dict(record.definition),
        "statusDetail": _details(main, staged, status),
    }


def _status(main: Version | None, staged: Version | None) -> str:
    latest = staged or main
    if latest is None:
        return "DOES_NOT_EXIST"
    if main is not None and latest.state is State.PENDING:
        return State.BUILDING.value
    return latest.state.value


def _details(main: Version | None, staged: Version | None, status: str) -> list[dict[str, Any]]:
    """One for each host: for the only one there is, and none before it has begun."""
    if status in (State.PENDING.value, "DOES_NOT_EXIST"):
        return []
    detail: dict[str, Any] = {
        "hostname": socket.gethostname(),
        "status": status,
        "queryable": main is not None,
    }
    if main is not None:
        detail["mainIndex"] = _version(main)
    if staged is not None:
        detail["stagedIndex" if main is not None else "mainIndex"] = _version(staged)
    return [detail]


def _version(version: Version) -> dict[str, Any]:
    stats = version.index.stats()
    vectors = {"numVectors": stats.vectors} if version.record.type == VECTOR else {}
    told: dict[str, Any] = {
        "status": version.state.value,
        "queryable": version.state is State.READY,
        "definitionVersion": {
            "version": version.record.version,
            "createdAt": version.record.created,
        },
        "definition": dict(version.record.definition),
        "numDocs": stats.documents,
        **vectors,
        "memoryBytes": stats.bytes,
        "skipped": [
            {"reason": reason, "count": count, "examples": stats.skipped_examples.get(reason, [])}
            for reason, count in stats.skipped.items()
        ],
    }
    return {**told, "message": version.message} if version.message else told
