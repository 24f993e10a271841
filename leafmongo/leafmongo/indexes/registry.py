"""The indexes in memory, by collection and name, each with the version that answers searches."""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import bson

from leafmongo.engine import CommandError, VectorDefinition
from leafmongo.indexes.catalog import IndexRecord
from leafmongo.indexes.index_types import make_index, parse_definition
from leafmongo.indexes.profiles import ServerProfile

log = logging.getLogger(__name__)
Namespace = tuple[str, str]


class BuildState(Enum):
    PENDING = "PENDING"
    BUILDING = "BUILDING"
    READY = "READY"


@dataclass(frozen=True)
class BuildFailure:
    """A definition that cannot be built, and the reason."""

    record: IndexRecord
    reason: str


class IndexVersion:
    """One version of a definition and its index; CommandError if the definition is invalid."""

    def __init__(self, record: IndexRecord, profile: ServerProfile) -> None:
        self.record = record
        self.definition = parse_definition(record.type, record.definition)
        if isinstance(self.definition, VectorDefinition):
            self.definition = self.definition.with_int8_quantized(profile.quantizes_int8)
        self.index = make_index(self.definition)
        self.state = BuildState.PENDING
        self._lock = threading.Lock()
        self._touched: set[bytes] | None = set()

    def add_scanned(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Index documents of the scan, except those that the change stream has already reported."""
        with self._lock:
            if touched := self._touched:
                documents = [d for d in documents if _key(d["_id"]) not in touched]
            self.index.upsert_many(documents)

    def apply_changes(self, ids: Iterable[Any], documents: Sequence[Mapping[str, Any]]) -> None:
        """Apply what the change stream reports: of `ids`, only these documents still exist."""
        there = {_key(document["_id"]) for document in documents}
        keyed = {_key(id): id for id in ids}
        with self._lock:
            if self._touched is not None:
                self._touched.update(keyed)
            self.index.remove_many([id for key, id in keyed.items() if key not in there])
            self.index.upsert_many(documents)

    def begin(self) -> None:
        self.state = BuildState.BUILDING

    def rewind(self) -> None:
        """Clear the index before the scan starts over."""
        with self._lock:
            self._touched = set()
            self.index.clear()
            self.state = BuildState.PENDING

    def complete(self) -> None:
        with self._lock:
            self._touched = None
            self.state = BuildState.READY


class ServedIndex:
    """An index: the version that answers, and the one being built to replace it.

    A failed build is not retried until the definition changes. `rebuilding` is set while an index
    that was searchable is built again, `awaited` when a search waits for it.
    """

    def __init__(self, record: IndexRecord, profile: ServerProfile) -> None:
        self.record = record
        self._profile = profile
        self.main: IndexVersion | None = None
        self.staged: IndexVersion | None = None
        self.failure: BuildFailure | None = None
        self.rebuilding = self.awaited = False
        self._lock = threading.Lock()
        self.stage(record)

    @property
    def versions(self) -> list[IndexVersion]:
        return [version for version in (self.main, self.staged) if version is not None]

    @property
    def queryable(self) -> bool:
        """Whether a search gets an answer, at once or after a wait."""
        return self.main is not None or (self.rebuilding and self.staged is not None)

    def stage(self, record: IndexRecord) -> None:
        """Make this the next version to build. A stored definition may be invalid."""
        with self._lock:
            self.failure = None
            try:
                self.staged = IndexVersion(record, self._profile)
            except CommandError as error:
                self.staged = None
                self.failure = BuildFailure(record, error.message)
                log.warning("index %s cannot be built: %s", record.name, error.message)

    def restage(self, *, answers: bool = True) -> None:
        """Build again from the beginning, since the contents may be wrong; a failure stays one.

        Meanwhile the index `answers` from its present contents, or else searches wait.
        """
        with self._lock:
            latest = self.staged or self.main
            if latest is not None:
                self.staged = IndexVersion(latest.record, self._profile)
                self.main = self.main if answers else None
                self.rebuilding = True

    def promote(self, version: IndexVersion) -> None:
        """Let the complete version answer, if it is still the staged one."""
        with self._lock:
            if self.staged is version:
                self.main, self.staged = version, None
                self.rebuilding = self.awaited = False

    def fail(self, version: IndexVersion, reason: str) -> None:
        """Stop building this version and searching it."""
        with self._lock:
            if version not in self.versions:
                return
            log.error("index %s has failed: %s", self.record.name, reason)
            if self.staged is version:
                self.staged = None
            if self.main is version or self.rebuilding:
                self.main = None
            self.failure = BuildFailure(version.record, reason)

    def drop(self) -> None:
        with self._lock:
            self.main = self.staged = self.failure = None


class IndexRegistry:
    """All indexes of the deployment. Safe for threads."""

    def __init__(self, profile: ServerProfile | None = None) -> None:
        self.profile = profile or ServerProfile()
        self._lock = threading.Lock()
        self._served: dict[Any, ServedIndex] = {}

    def put(self, record: IndexRecord) -> ServedIndex:
        """Add an index, follow its collection's new name, or stage its next version."""
        with self._lock:
            served = self._served.get(record.id)
            if served is None:
                served = self._served[record.id] = ServedIndex(record, self.profile)
            elif record.version != served.record.version:
                served.stage(record)
            served.record = record
            return served

    def drop(self, id: Any) -> None:
        with self._lock:
            served = self._served.pop(id, None)
        if served is not None:
            served.drop()

    def all(self) -> list[ServedIndex]:
        with self._lock:
            return list(self._served.values())

    def of(self, namespace: Namespace) -> list[ServedIndex]:
        """The indexes of one collection, in the order of their creation."""
        return [served for served in self.all() if served.record.namespace == namespace]

    def find(self, namespace: Namespace, name: str) -> ServedIndex | None:
        return next((s for s in self.of(namespace) if s.record.name == name), None)

    def namespaces(self) -> frozenset[Namespace]:
        return frozenset(served.record.namespace for served in self.all())


def _key(id: Any) -> bytes:
    return bson.encode({"": id})
