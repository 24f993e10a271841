"""Reads the vectors of many units at one path, nearly all of them at once.

A plain vector is valid BinData of the right length directly under its key. Plain vectors of one
kind become a matrix in a few numpy operations. All others go through `intake` one by one, by the
same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray

from leafmongo.engine.definition import VectorField
from leafmongo.engine.documents.intake import choose_vector
from leafmongo.engine.documents.vectors import DTYPES, HEADERS, VectorKind

_HEADER_BYTES = 2


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
    ) -> dict[VectorKind, VectorRows]:
        """`reasons` has a set for each unit, to which the reasons for skipped vectors are added."""
        found: dict[VectorKind, list[VectorRows]] = {}
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

    def _plain_rows(self, units: Sequence[Any]) -> dict[VectorKind, VectorRows]:
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

    def _sound(self, kind: VectorKind, numbers: list[int], values: list[bytes]) -> VectorRows:
        octets = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), -1)
        rows = np.ascontiguousarray(octets[:, _HEADER_BYTES:]).view(DTYPES[kind])
        sound = np.ones(len(rows), dtype=np.bool_)
        if kind is VectorKind.FLOAT32:
            sound &= np.isfinite(rows).all(axis=1)
        if self._field.similarity == "cosine":
            sound &= rows.any(axis=1)
        return VectorRows(np.array(numbers, dtype=np.int64)[sound], rows[sound])


def _plain_kinds(field: VectorField) -> list[VectorKind]:
    """Vectors of the other kinds are always skipped, with reasons."""
    kinds = [VectorKind.FLOAT32]
    if field.quantization == "none":
        kinds.append(VectorKind.INT8)
        if field.similarity == "euclidean" and field.dimensions % 8 == 0:
            kinds.append(VectorKind.PACKED_BIT)
    return kinds


def _size(kind: VectorKind, dimensions: int) -> int:
    bits = 1 if kind is VectorKind.PACKED_BIT else 8 * np.dtype(DTYPES[kind]).itemsize
    return _HEADER_BYTES + dimensions * bits // 8


def _join(parts: Sequence[VectorRows]) -> VectorRows:
    if len(parts) == 1:
        return parts[0]
    units = np.concatenate([part.units for part in parts])
    order = np.argsort(units, kind="stable")
    return VectorRows(units[order], np.concatenate([part.values for part in parts])[order])
