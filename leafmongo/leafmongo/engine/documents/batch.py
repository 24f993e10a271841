"""Reads documents into columns, without the lock of the index that they are for."""

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import ObjectId
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion

from leafmongo.engine.definition import VectorDefinition, VectorField, is_under
from leafmongo.engine.documents.paths import elements_at, scalars, values_at
from leafmongo.engine.documents.vector_column import MISSING, VectorColumn, VectorRows
from leafmongo.engine.documents.vectors import VectorDtype
from leafmongo.engine.filters.values import Key, indexed_key

ENCODING: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD
)
# UUIDs decode to Binary and dates out of Python's range to numbers, so that everything re-encodes.
DECODING: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

StoreKey = tuple[str, VectorDtype]
IdKey = Hashable
_INT32 = 2**31


@dataclass
class UnitRows:
    """What units (documents, or elements under nestedRoot) add to their columns."""

    count: int = 0
    vectors: dict[StoreKey, VectorRows] = field(default_factory=dict)
    keys: dict[str, tuple[list[int], list[list[Key]]]] = field(default_factory=dict)


@dataclass
class DocumentBatch:
    """Rows are numbered from 0 in the batch; `parents` has the row of each element's document."""

    ids: list[Any]
    keys: list[IdKey]
    sources: list[bytes | None]
    reasons: dict[int, frozenset[str]]
    documents: UnitRows
    elements: UnitRows
    parents: list[int]


def id_key(id_: Any) -> IdKey:
    """A key that is equal for equal BSON, for any type of _id; 1 and 1.0 are two ids."""
    kind = type(id_)
    if kind is str or kind is ObjectId or (kind is int and -_INT32 <= id_ < _INT32):
        found: IdKey = id_  # as distinct as its BSON and many times cheaper
        return found
    return bson.encode({"": id_}, codec_options=ENCODING)


class UnitReader:
    """Reads the vectors and filter values of documents, or of elements relative to their root."""

    def __init__(self, vectors: Sequence[VectorField], filters: Sequence[str], root: str) -> None:
        self._vectors = {each.path: VectorColumn(each, _below(each.path, root)) for each in vectors}
        self._filters = [(path, _below(path, root)) for path in filters]

    @property
    def has_vectors(self) -> bool:
        return bool(self._vectors)

    def read(self, units: Sequence[Any], reasons: Sequence[set[str]]) -> UnitRows:
        """`reasons` has a set for each unit; units of one document share a set."""
        rows = UnitRows(len(units))
        for path, column in self._vectors.items():
            for kind, vectors in column.read(units, reasons).items():
                rows.vectors[path, kind] = vectors
        for path, segments in self._filters:
            rows.keys[path] = _filter_keys(units, segments)
        return rows


def _below(path: str, root: str) -> tuple[str, ...]:
    rest = path[len(root) :].lstrip(".") if root else path
    return tuple(rest.split(".")) if rest else ()


def _filter_keys(
    units: Sequence[Any], segments: Sequence[str]
) -> tuple[list[int], list[list[Key]]]:
    """The units that have the path, and the keys of each."""
    rows: list[int] = []
    keys: list[list[Key]] = []
    name = segments[0] if len(segments) == 1 else None
    for row, unit in enumerate(units):
        if name is not None and type(unit) is dict:  # nearly always
            if name in unit:
                rows.append(row)
                keys.append(_keys(unit[name]))
        elif values := list(values_at(unit, segments)) if segments else [unit]:
            rows.append(row)
            keys.append(_keys(values))
    return rows, keys


def _keys(value: Any) -> list[Key]:
    found = map(indexed_key, scalars(value) if isinstance(value, list | dict) else (value,))
    return [key for key in found if key is not None]


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

    def read(self, documents: Sequence[Mapping[str, Any]]) -> DocumentBatch:
        ids = [document["_id"] for document in documents]
        reasons: list[set[str]] = [set() for _ in documents]
        elements, parents = self._elements_of(documents, reasons)
        return DocumentBatch(
            ids=ids,
            keys=[id_key(id_) for id_ in ids],
            sources=[self._source_of(document) for document in documents],
            documents=self._documents.read(documents, reasons),
            elements=self._elements.read(elements, [reasons[parent] for parent in parents]),
            parents=parents,
            reasons={row: frozenset(each) for row, each in enumerate(reasons) if each},
        )

    def _source_of(self, document: Mapping[str, Any]) -> bytes | None:
        if self._source is None:
            return None
        return bson.encode(self._source.of(document), codec_options=ENCODING)

    def _elements_of(
        self, documents: Sequence[Mapping[str, Any]], reasons: Sequence[set[str]]
    ) -> tuple[list[Any], list[int]]:
        """The elements under nestedRoot, and the row of each element's document."""
        elements: list[Any] = []
        parents: list[int] = []
        for row, document in enumerate(documents if self._root else ()):
            of_row = [
                element
                for element in elements_at(document, self._root or ())
                if isinstance(element, Mapping | list | bytes)
            ]
            elements += of_row
            parents += [row] * len(of_row)
            if not of_row and self._elements.has_vectors:
                reasons[row].add(MISSING)
        return elements, parents


def _is_nested(root: str | None, path: str) -> bool:
    return root is not None and is_under(path, root)
