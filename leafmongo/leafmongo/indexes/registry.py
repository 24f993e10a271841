"""The indexes in memory: by collection and name, each with the version that serves queries."""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import bson

from leafmongo.engine import CommandError
from leafmongo.indexes.catalog import Record
from leafmongo.indexes.index_types import make_index, parse_definition

log = logging.getLogger(__name__)
Namespace = tuple[str, str]


class State(Enum):
    PENDING = "PENDING"
    BUILDING = "BUILDING"
    READY = "READY"


@dataclass(frozen=True)
class Failure:
    """A definition that cannot be built, and why."""

    record: Record
    reason: str


class Version:
    """One version of a definition and what is indexed for it; CommandError where it is wrong."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.definition = parse_definition(record.type, record.definition)
        self.index = make_index(self.definition)
        self.state = State.PENDING
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

    def begin(self) -> None:
        self.state = State.BUILDING

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
    """An index: the version that answers, and the one being built to follow it.

    What cannot be built is a failure, which nobody tries again until there is another definition.
    `behind` while what was searchable once has to be built again, `asked` when somebody waits.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.main: Version | None = None
        self.staged: Version | None = None
        self.failure: Failure | None = None
        self.behind = self.asked = False
        self._lock = threading.Lock()
        self.stage(record)

    @property
    def versions(self) -> list[Version]:
        return [version for version in (self.main, self.staged) if version is not None]

    @property
    def queryable(self) -> bool:
        """Whether a search is answered, at once or after a wait."""
        return self.main is not None or (self.behind and self.staged is not None)

    def stage(self, record: Record) -> None:
        """To be built next. Also one that was stored by others, or earlier, may be wrong."""
        with self._lock:
            self.failure = None
            try:
                self.staged = Version(record)
            except CommandError as error:
                self.staged = None
                self.failure = Failure(record, error.message)
                log.warning("index %s cannot be built: %s", record.name, error.message)

    def restage(self, *, answers: bool = True) -> None:
        """From the beginning, as what it has may be wrong; a failure stays one.

        Whether it `answers` meanwhile with what it has, or searches wait.
        """
        with self._lock:
            latest = self.staged or self.main
            if latest is not None:
                self.staged = Version(latest.record)
                self.main = self.main if answers else None
                self.behind = True

    def promote(self, version: Version) -> None:
        """The version is complete; if it is still the one awaited, it answers from now on."""
        with self._lock:
            if self.staged is version:
                self.main, self.staged = version, None
                self.behind = self.asked = False

    def fail(self, version: Version, reason: str) -> None:
        """Neither build nor ask this version any more."""
        with self._lock:
            if version not in self.versions:
                return
            log.error("index %s has failed: %s", self.record.name, reason)
            if self.staged is version:
                self.staged = None
            if self.main is version or self.behind:
                self.main = None
            self.failure = Failure(version.record, reason)

    def drop(self) -> None:
        with self._lock:
            self.main = self.staged = self.failure = None


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
                served.stage(record)
            served.record = record
            return served

    def drop(self, id: Any) -> None:
        with self._lock:
            served = self._served.pop(id, None)
        if served is not None:
            served.drop()

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
