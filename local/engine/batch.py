"""Documents read into columns, before any of it enters the index (and without its lock)."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion

from local.engine.definition import VectorDefinition, VectorField, is_under
from local.engine.filter_values import Key, indexed_key
from local.engine.intake import MISSING, chosen_vector
from local.engine.paths import elements_at, scalars, values_at
from local.engine.vectors import Kind, Vector

ENCODING: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD
)
# UUIDs come back as Binary and dates out of Python's range as numbers: all of it encodes again.
DECODING: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

StoreKey = tuple[str, Kind]


@dataclass
class UnitRows:
    """What units (documents, or elements under nestedRoot) add to the columns of their level."""

    count: int = 0
    vectors: dict[StoreKey, tuple[list[int], list[Vector]]] = field(default_factory=dict)
    keys: dict[str, tuple[list[int], list[list[Key]]]] = field(default_factory=dict)


@dataclass
class Batch:
    """Rows are numbered from 0 within the batch; `parents` has a document for each element."""

    ids: list[Any] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    sources: list[bytes | None] = field(default_factory=list)
    reasons: dict[int, frozenset[str]] = field(default_factory=dict)
    documents: UnitRows = field(default_factory=UnitRows)
    elements: UnitRows = field(default_factory=UnitRows)
    parents: list[int] = field(default_factory=list)


def id_key(id_: Any) -> bytes:
    """Equal for equal BSON, so for any type of _id; 1 and 1.0 are two ids."""
    return bson.encode({"": id_}, codec_options=ENCODING)


class UnitReader:
    """Reads the vectors and filter values that belong to one level, relative to its root."""

    def __init__(self, vectors: Sequence[VectorField], filters: Sequence[str], root: str) -> None:
        self._vectors = [(each, _below(each.path, root)) for each in vectors]
        self._filters = [(path, _below(path, root)) for path in filters]

    @property
    def has_vectors(self) -> bool:
        return bool(self._vectors)

    def read(self, unit: Any, into: UnitRows, reasons: set[str]) -> None:
        row = into.count
        into.count += 1
        for vector_field, segments in self._vectors:
            vector = chosen_vector(vector_field, unit, segments, reasons)
            if vector is not None:
                rows, vectors = into.vectors.setdefault((vector_field.path, vector.kind), ([], []))
                rows.append(row)
                vectors.append(vector)
        for path, segments in self._filters:
            values = list(values_at(unit, segments)) if segments else [unit]
            if values:
                rows, keys = into.keys.setdefault(path, ([], []))
                rows.append(row)
                keys.append(_keys(values))


def _below(path: str, root: str) -> tuple[str, ...]:
    rest = path[len(root) :].lstrip(".") if root else path
    return tuple(rest.split(".")) if rest else ()


def _keys(values: list[Any]) -> list[Key]:
    keys = (indexed_key(scalar) for value in values for scalar in scalars(value))
    return [key for key in keys if key is not None]


class DocumentReader:
    def __init__(self, definition: VectorDefinition) -> None:
        self._source = definition.stored_source
        root = definition.nested_root
        self._root = tuple(root.split(".")) if root else None
        nested = functools.partial(_is_nested, root)
        vectors, filters = definition.vector_fields, definition.filter_paths
        self._documents = UnitReader(
            [each for each in vectors if not nested(each.path)],
            [path for path in filters if not nested(path)],
            "",
        )
        self._elements = UnitReader(
            [each for each in vectors if nested(each.path)],
            [path for path in filters if nested(path)],
            root or "",
        )

    def read(self, documents: Iterable[Mapping[str, Any]]) -> Batch:
        batch = Batch()
        for document in documents:
            self._read_one(document, batch)
        return batch

    def _read_one(self, document: Mapping[str, Any], batch: Batch) -> None:
        row = len(batch.ids)
        reasons: set[str] = set()
        batch.ids.append(document["_id"])
        batch.keys.append(id_key(document["_id"]))
        source = self._source.of(document) if self._source else None
        batch.sources.append(
            None if source is None else bson.encode(source, codec_options=ENCODING)
        )
        self._documents.read(document, batch.documents, reasons)
        if self._root:
            self._read_elements(document, row, batch, reasons)
        if reasons:
            batch.reasons[row] = frozenset(reasons)

    def _read_elements(
        self, document: Mapping[str, Any], row: int, batch: Batch, reasons: set[str]
    ) -> None:
        before = len(batch.parents)
        for element in elements_at(document, self._root or ()):
            if isinstance(element, Mapping | list | bytes):
                self._elements.read(element, batch.elements, reasons)
                batch.parents.append(row)
        if len(batch.parents) == before and self._elements.has_vectors:
            reasons.add(MISSING)


def _is_nested(root: str | None, path: str) -> bool:
    return root is not None and is_under(path, root)
