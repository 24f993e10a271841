"""createSearchIndexes, updateSearchIndex, dropSearchIndex and `$listSearchIndexes`."""

import datetime as dt
import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bson import Binary, ObjectId

from leafmongo.engine import CommandError
from leafmongo.engine.errors import definition_error
from leafmongo.engine.parser import show
from leafmongo.indexes.build import IndexBuilder
from leafmongo.indexes.catalog import Catalog, IndexRecord
from leafmongo.indexes.index_types import TEXT, VECTOR, is_equivalent, parse_definition
from leafmongo.indexes.registry import (
    BuildFailure,
    BuildState,
    IndexRegistry,
    IndexVersion,
    Namespace,
    ServedIndex,
)
from leafmongo.proxy import large_bson
from leafmongo.proxy.wire import CODEC

_MAX_BYTES = 2**20  # of a definition
_FAILED = "FAILED"


class IndexCommands:
    """One change at a time. Blocks: call it in threads, not in the event loop."""

    def __init__(self, catalog: Catalog, registry: IndexRegistry, builder: IndexBuilder) -> None:
        self._catalog = catalog
        self._registry = registry
        self._builder = builder
        self._lock = threading.RLock()

    def load(self) -> None:
        """Load the stored definitions at the start; all of them were searchable before."""
        self.reload()
        for served in self._registry.all():
            served.rebuilding = True

    def reload(self) -> None:
        """Bring the indexes in memory in line with the catalog and the collections."""
        with self._lock:
            records = {record.id: record for record in self._catalog.load()}
            for served in self._registry.all():
                if served.record.id not in records:
                    self._registry.drop(served.record.id)
            known = {served.record.id: served.record for served in self._registry.all()}
            for record in records.values():
                before = known.get(record.id)
                served = self._registry.put(record)
                if before is None or before.version != record.version:
                    self._builder.build(served)
                elif before.namespace != record.namespace:
                    # Changes and scans just before have read under the old name.
                    self._builder.rebuild(served, answers=False)

    def rebuild_all(self) -> None:
        """Build all indexes again after a gap in the change stream."""
        for served in self._registry.all():
            self._builder.rebuild(served)

    def create(self, namespace: Namespace, specs: Any) -> list[dict[str, Any]]:
        """Names and ids of the requested indexes, in order. Existing ones stay as they are."""
        if not isinstance(specs, list) or not specs:
            raise CommandError(9, "FailedToParse", '"indexes" must be a non-empty array')
        with self._lock:
            records = [
                self._record(namespace, spec, f"userCommand.indexes[{at}]")
                for at, spec in enumerate(specs)
            ]
            _refuse_duplicates([record.name for record in records])
            uuid = self._uuid(namespace)
            new = [
                replace(record, uuid=uuid)
                for record in records
                if not self._exists(namespace, record)
            ]
            self._require_room(len(new))
            self._catalog.add(new)
            for record in new:
                self._builder.build(self._registry.put(record))
        return [{"id": str(record.id), "name": record.name} for record in records]

    def update(self, namespace: Namespace, command: Mapping[str, Any]) -> None:
        with self._lock:
            record = self._named(namespace, command).record
            if command.get("type", record.type) != record.type:
                raise CommandError(
                    197,
                    "InvalidIndexSpecificationOption",
                    f"index {record.name} is of type {record.type}; a type cannot be changed",
                )
            try:
                definition = _definition(command.get("definition"), "userCommand.definition")
                parse_definition(record.type, definition, context="userCommand", strict=True)
            except CommandError as error:
                raise CommandError(125, "CommandFailed", error.message) from error
            updated = replace(record, definition=definition, version=record.version + 1)
            self._catalog.put(updated)
            self._builder.build(self._registry.put(updated))

    def drop(self, namespace: Namespace, command: Mapping[str, Any]) -> None:
        with self._lock:
            record = self._named(namespace, command).record
            self._catalog.remove(record)
            self._registry.drop(record.id)

    def list_all(self) -> list[dict[str, Any]]:
        """The entries of all collections."""
        return [
            {
                "database": one.record.database,
                "collection": one.record.collection,
                **describe_index(one),
            }
            for one in self._registry.all()
        ]

    def list_of(self, namespace: Namespace, stage: Any) -> list[dict[str, Any]]:
        """The entries of a collection: all, or those of one name or id."""
        wanted = _document(stage, "$listSearchIndexes")
        if unknown := set(wanted) - {"name", "id"}:
            raise CommandError(
                40415, "Location40415", f"$listSearchIndexes takes name or id, not {unknown.pop()}"
            )
        if len(wanted) == 2:
            raise CommandError(
                72, "InvalidOptions", "$listSearchIndexes takes a name or an id, not both"
            )
        served = self._registry.of(namespace)
        if "name" in wanted:
            served = [s for s in served if s.record.name == wanted["name"]]
        if "id" in wanted:
            served = [s for s in served if str(s.record.id) == str(wanted["id"])]
        return [describe_index(one) for one in served]

    def _record(self, namespace: Namespace, spec: Any, context: str) -> IndexRecord:
        spec = _document(spec, context)
        kind = spec.get("type", TEXT)
        name = spec.get("name", "default")
        if not isinstance(name, str) or not name:
            raise CommandError(8, "UnknownError", f'"{context}.name" must be a non-empty string')
        definition = _definition(spec.get("definition"), f"{context}.definition")
        parse_definition(kind, definition, context=context)
        created = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        missing = Binary(b"", 4)  # set once the collection is known to exist
        return IndexRecord(ObjectId(), *namespace, missing, name, kind, definition, 0, created)

    def _require_room(self, more: int) -> None:
        most = self._registry.profile.most_indexes
        if more and most is not None and len(self._registry.all()) + more > most:
            # In Atlas's words, by which programs recognise this error: it has no code of its own.
            raise CommandError(
                20,
                "IllegalOperation",
                "The maximum number of FTS indexes has been reached for this instance size.",
            )

    def _uuid(self, namespace: Namespace) -> Binary:
        uuid = self._catalog.uuid_of(*namespace)
        if uuid is None:
            raise CommandError(
                26, "NamespaceNotFound", f"Collection '{'.'.join(namespace)}' does not exist."
            )
        return uuid

    def _exists(self, namespace: Namespace, record: IndexRecord) -> bool:
        served = self._registry.find(namespace, record.name)
        if served is None:
            return False
        if _same(served.record, record):
            return True
        raise CommandError(
            68,
            "IndexAlreadyExists",
            f"Index {record.name} already exists with a different definition; "
            "drop it first, or use updateSearchIndex",
        )

    def _named(self, namespace: Namespace, command: Mapping[str, Any]) -> ServedIndex:
        if ("name" in command) == ("id" in command):
            raise CommandError(
                9, "FailedToParse", f"{next(iter(command))} takes a name or an id, one of the two"
            )
        key = "name" if "name" in command else "id"
        wanted = str(command[key])
        for served in self._registry.of(namespace):
            if wanted == (served.record.name if key == "name" else str(served.record.id)):
                return served
        where = ".".join(namespace)
        raise CommandError(
            27, "IndexNotFound", f"No index with {key} {wanted} exists in namespace {where}"
        )


def _same(stored: IndexRecord, wanted: IndexRecord) -> bool:
    try:
        old, new = (parse_definition(r.type, r.definition) for r in (stored, wanted))
    except CommandError:  # a stored definition that cannot be built
        return False
    return is_equivalent(old, new)


def _refuse_duplicates(names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise CommandError(
            125, "CommandFailed", f"one request defines several indexes named {', '.join(twice)}"
        )


def _definition(value: Any, where: str) -> dict[str, Any]:
    """Copy the definition, which outlives the command. It has to be small, since one listing
    repeats it several times."""
    packed = large_bson.encode(_document(value, where), CODEC)
    if len(packed) > _MAX_BYTES:
        raise definition_error(
            f'"{where}" has {len(packed)} bytes; expected at most {_MAX_BYTES}, enough for some '
            "10,000 fields"
        )
    return large_bson.decode(packed, CODEC)


def _document(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise CommandError(8, "UnknownError", f'"{where}" must be a document, not {show(value)}')
    return dict(value)


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
    versions = [_describe_version(version) for version in served.versions]
    if served.failure is not None:
        versions.append(_describe_failure(served.failure))
    return [
        {
            "hostname": socket.gethostname(),
            "status": status,
            "queryable": served.queryable,
            **dict(zip(("mainIndex", "stagedIndex"), versions, strict=False)),
        }
    ]


def _describe_version(version: IndexVersion) -> dict[str, Any]:
    stats = version.index.stats()
    vectors = {"numVectors": stats.vectors} if version.record.type == VECTOR else {}
    return {
        "status": version.state.value,
        "queryable": version.state is BuildState.READY,
        **_describe_definition(version.record),
        "numDocs": stats.documents,
        **vectors,
        "memoryBytes": stats.bytes,
        "skipped": [
            {"reason": reason, "count": count, "examples": stats.skipped_examples.get(reason, [])}
            for reason, count in stats.skipped.items()
        ],
    }


def _describe_failure(failure: BuildFailure) -> dict[str, Any]:
    status = {"status": _FAILED, "queryable": False, "message": failure.reason}
    return {**status, **_describe_definition(failure.record)}


def _describe_definition(record: IndexRecord) -> dict[str, Any]:
    return {
        "definitionVersion": {"version": record.version, "createdAt": record.created},
        "definition": dict(record.definition),
    }
