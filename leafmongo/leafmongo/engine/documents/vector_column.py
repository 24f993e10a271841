"""Reads the vectors of many units at one path, nearly all of them at once.

A plain vector is valid BinData of the right length directly under its key. Plain vectors of one
kind become a matrix in a few numpy operations; `choose_vector` reads all others one by one, by the
same rules.

A document without a usable vector is not an error: it stays in the index and is never found. After
wrong dimensions or a zero vector (under cosine) the rest of the path is skipped in that document.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray

from leafmongo.engine.definition import VectorField
from leafmongo.engine.documents.paths import values_at
from leafmongo.engine.documents.text_model import embed
from leafmongo.engine.documents.vectors import (
    DTYPES,
    HEADERS,
    MalformedVector,
    NotNumeric,
    Vector,
    VectorDtype,
    from_array,
    from_binary,
    is_vector_binary,
)

MISSING = "missing"
NOT_A_VECTOR = "not a vector"
MALFORMED = "malformed vector"
WRONG_DIMENSIONS = "wrong number of dimensions"
ZERO = "zero vector under cosine"
NOT_FINITE = "NaN or Infinity"
QUANTIZED = "int8 or packed_bit in a quantized field"
NOT_A_TEXT = "not a text to embed"
BITS_NEED_EUCLIDEAN = "packed_bit without euclidean"
NOT_FIRST = "not the first vector of its path"

_HEADER_BYTES = 2
_SKIP_REST = (WRONG_DIMENSIONS, ZERO)


def choose_vector(
    field: VectorField, document: Any, segments: Sequence[str], reasons: set[str]
) -> Vector | None:
    """The vector to index; adds to `reasons` why others, or all, are not indexed.

    Without segments the document is itself the value (nestedRoot may be the path of the vectors).
    """
    values = values_at(document, segments) if segments else iter([document])
    found: Vector | None = None
    any_value = False
    for candidate in (each for value in values for each in _candidates(value)):
        any_value = True
        if found is not None:
            reasons.add(NOT_FIRST)
            break
        vector, reason = _judge(field, candidate)
        if reason is None:
            found = vector
            continue
        reasons.add(reason)
        if reason in _SKIP_REST:
            break
    if not any_value:
        reasons.add(MISSING)
    return found


def _candidates(value: Any) -> Iterator[Any]:
    """The values that may be vectors. An array of arrays or binaries may contain some."""
    if isinstance(value, list) and any(isinstance(each, list | bytes) for each in value):
        for each in value:
            if isinstance(each, list | bytes):
                yield from _candidates(each)
    elif value is not None and not isinstance(value, Mapping):
        yield value


def _judge(field: VectorField, value: Any) -> tuple[Vector | None, str | None]:
    if field.model is not None:
        return _embed(field, value)
    try:
        if isinstance(value, list):
            vector = from_array(value)
        elif is_vector_binary(value):
            vector = from_binary(value)
        else:
            return None, NOT_A_VECTOR
    except NotNumeric:
        return None, NOT_A_VECTOR
    except MalformedVector:
        return None, MALFORMED
    return vector, _problem(field, vector)


def _embed(field: VectorField, value: Any) -> tuple[Vector | None, str | None]:
    if not isinstance(value, str) or not value.strip():
        return None, NOT_A_TEXT
    return embed(value, field.dimensions), None


def _problem(field: VectorField, vector: Vector) -> str | None:
    if vector.dimensions != field.dimensions:
        return WRONG_DIMENSIONS
    if vector.kind not in _kinds(field):
        return QUANTIZED
    if vector.kind is VectorDtype.PACKED_BIT and field.similarity != "euclidean":
        return ZERO if field.similarity == "cosine" and vector.is_zero else BITS_NEED_EUCLIDEAN
    if not vector.is_finite:
        return NOT_FINITE
    if field.similarity == "cosine" and vector.is_zero:
        return ZERO
    return None


@dataclass(frozen=True, eq=False)
class VectorRows:
    """(n, d) vectors in the dtype of their kind, and the (n,) units that own them, ascending."""

    units: NDArray[np.int64]
    values: NDArray[Any]


class VectorColumn:
    """Reads one field; `segments` are its path below the units."""

    def __init__(self, field: VectorField, segments: Sequence[str]) -> None:
        self._field = field
        self._segments = segments
        self._plain = {HEADERS[kind]: kind for kind in _plain_kinds(field)}
        self._bytes = {HEADERS[kind]: _size(kind, field.dimensions) for kind in HEADERS}

    def read(
        self, units: Sequence[Any], reasons: Sequence[set[str]]
    ) -> dict[VectorDtype, VectorRows]:
        """`reasons` has a set for each unit, to which the reasons for skipped vectors are added."""
        found: dict[VectorDtype, list[VectorRows]] = {}
        read = np.zeros(len(units), dtype=np.bool_)
        for kind, rows in self._plain_rows(units).items():
            found[kind] = [rows]
            read[rows.units] = True
        for unit in np.flatnonzero(~read).tolist():
            vector = choose_vector(self._field, units[unit], self._segments, reasons[unit])
            if vector is not None:
                rows = VectorRows(np.array([unit], dtype=np.int64), vector.values[None])
                found.setdefault(vector.kind, []).append(rows)
        return {kind: _join(parts) for kind, parts in found.items()}

    def _plain_rows(self, units: Sequence[Any]) -> dict[VectorDtype, VectorRows]:
        if len(self._segments) != 1:
            return {}
        (key,) = self._segments
        plain: dict[bytes, tuple[list[int], list[bytes]]] = {}
        for number, unit in enumerate(units):
            value = unit.get(key) if type(unit) is dict else None
            if type(value) is Binary and value.subtype == VECTOR_SUBTYPE:
                header = value[:_HEADER_BYTES]
                if len(value) == self._bytes.get(header):
                    numbers, values = plain.setdefault(header, ([], []))
                    numbers.append(number)
                    values.append(value)
        return {
            kind: self._sound(kind, *plain[header])
            for header, kind in self._plain.items()
            if header in plain
        }

    def _sound(self, kind: VectorDtype, numbers: list[int], values: list[bytes]) -> VectorRows:
        octets = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), -1)
        rows = np.ascontiguousarray(octets[:, _HEADER_BYTES:]).view(DTYPES[kind])
        sound = np.ones(len(rows), dtype=np.bool_)
        if kind is VectorDtype.FLOAT32:
            sound &= np.isfinite(rows).all(axis=1)
        if self._field.similarity == "cosine":
            sound &= rows.any(axis=1)
        return VectorRows(np.array(numbers, dtype=np.int64)[sound], rows[sound])


def _plain_kinds(field: VectorField) -> list[VectorDtype]:
    """Vectors of the other kinds are always skipped, with reasons; texts are read one by one."""
    if field.model is not None:
        return []
    is_for_bits = field.similarity == "euclidean" and field.dimensions % 8 == 0
    return [k for k in _kinds(field) if k is not VectorDtype.PACKED_BIT or is_for_bits]


def _kinds(field: VectorField) -> tuple[VectorDtype, ...]:
    """The kinds of vectors that the field's quantization allows."""
    if field.quantization == "none":
        return tuple(VectorDtype)
    if field.quantization == "binary" and field.quantizes_int8:
        return (VectorDtype.FLOAT32, VectorDtype.INT8)
    return (VectorDtype.FLOAT32,)


def _size(kind: VectorDtype, dimensions: int) -> int:
    bits = 1 if kind is VectorDtype.PACKED_BIT else 8 * np.dtype(DTYPES[kind]).itemsize
    return _HEADER_BYTES + dimensions * bits // 8


def _join(parts: Sequence[VectorRows]) -> VectorRows:
    if len(parts) == 1:
        return parts[0]
    units = np.concatenate([part.units for part in parts])
    order = np.argsort(units, kind="stable")
    return VectorRows(units[order], np.concatenate([part.values for part in parts])[order])
