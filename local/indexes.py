"""The indexes in memory: by collection and name, each with the version that serves queries."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import bson

from local.catalog import Record
from local.kinds import make_index, parse_definition

Namespace = tuple[str, str]


class State(Enum):
    PENDING = "PENDING"
    BUILDING = "BUILDING"
    READY = "READY"
    FAILED = "FAILED"


class Version:
    """One version of a definition and what is indexed for it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.definition = parse_definition(record.type, record.definition)
        self.index = make_index(self.definition)
        self.state = State.PENDING
        self.message = ""
        self._lock = threading.Lock()
        self._touched: set[bytes] | None = set()

    def scanned(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Take documents of the first scan, but for those the change stream knows better."""
        with self._lock:
            if touched := self._touched:
                documents = [d for d in documents if _key(d["_id"]) not in touched]
            self.index.upsert_many(documents)

    def changed(self, ids: Iterable[Any], documents: Sequence[Mapping[str, Any]]) -> None:
        """Take what the change stream reports: of `ids`, these documents are still there."""
        there = {_key(document["_id"]) for document in documents}
        keyed = {_key(id): id for id in ids}
        with self._lock:
            if self._touched is not None:
                self._touched.update(keyed)
            self.index.remove_many([id for key, id in keyed.items() if key not in there])
            self.index.upsert_many(documents)

    def rewind(self) -> None:
        """Forget everything indexed: the scan begins again."""
        with self._lock:
            self._touched = set()
            self.index.clear()
            self.state = State.PENDING

    def complete(self) -> None:
        with self._lock:
            self._touched = None
            self.state = State.READY


class Served:
    """An index: the version that answers, and the one being built to follow it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.main: Version | None = None
        self.staged: Version | None = Version(record)

    @property
    def versions(self) -> list[Version]:
        return [version for version in (self.main, self.staged) if version is not None]

    def promote(self, version: Version) -> None:
        """The version is complete; if it is still the one awaited, it answers from now on."""
        if self.staged is version:
            self.main, self.staged = version, None


class Indexes:
    """All indexes of the deployment; for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: dict[Any, Served] = {}

    def put(self, record: Record) -> Served:
        """Add an index, follow its collection's new name, or stage its next version."""
        with self._lock:
            served = self._served.get(record.id)
            if served is None:
                served = self._served[record.id] = Served(record)
            elif record.version != served.record.version:
                served.staged = Version(record)
            served.record = record
            return served

    def drop(self, id: Any) -> None:
        with self._lock:
            served = self._served.pop(id, None)
        if served is not None:
            served.main = served.staged = None

    def all(self) -> list[Served]:
        with self._lock:
            return list(self._served.values())

    def of(self, namespace: Namespace) -> list[Served]:
        """Of one collection, in the order of their creation."""
        return [served for served in self.all() if served.record.namespace == namespace]

    def find(self, namespace: Namespace, name: str) -> Served | None:
        return next((s for s in self.of(namespace) if s.record.name == name), None)

    def namespaces(self) -> frozenset[Namespace]:
        return frozenset(served.record.namespace for served in self.all())


def _key(id: Any) -> bytes:
    return bson.encode({"": id})
