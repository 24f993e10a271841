"""Converts BSON values to vectors.

    array of int32, int64, double    float32
    BinData subtype 9, 27 00         float32, little-endian
    BinData subtype 9, 03 00         int8
    BinData subtype 9, 10 00         packed_bit, first dimension in the highest bit

Arrays and float32 BinData are the same kind of vector; int8 and packed_bit are kinds of their own.
A query of one kind never finds a document of another.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from bson import Int64
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray


class VectorDtype(Enum):
    FLOAT32 = "float32"
    INT8 = "int8"
    PACKED_BIT = "packed_bit"


class MalformedVector(Exception):
    """BinData subtype 9 with invalid contents."""


class NotNumeric(Exception):
    """An array with an element that is not a number; the argument is that element."""


@dataclass(frozen=True, eq=False)
class Vector:
    """`values` are float32, int8 or, for packed_bit, uint8 with eight dimensions each."""

    kind: VectorDtype
    values: NDArray[Any]

    @property
    def dimensions(self) -> int:
        return len(self.values) * (8 if self.kind is VectorDtype.PACKED_BIT else 1)

    @property
    def is_zero(self) -> bool:
        return not self.values.any()

    @property
    def is_finite(self) -> bool:
        return self.kind is not VectorDtype.FLOAT32 or bool(np.isfinite(self.values).all())


_NUMBERS = frozenset({int, float, Int64})
_STEP = 10_000
DTYPES = {VectorDtype.FLOAT32: "<f4", VectorDtype.INT8: "i1", VectorDtype.PACKED_BIT: "u1"}
HEADERS = {  # of a vector without padding
    VectorDtype.FLOAT32: b"\x27\x00",
    VectorDtype.INT8: b"\x03\x00",
    VectorDtype.PACKED_BIT: b"\x10\x00",
}
_KINDS = {header[0]: kind for kind, header in HEADERS.items()}


def is_vector_binary(value: Any) -> bool:
    return isinstance(value, Binary) and value.subtype == VECTOR_SUBTYPE


def from_binary(value: bytes) -> Vector:
    """Only the low three bits of padding count; trailing bytes short of a float are ignored."""
    if len(value) < 2:
        raise MalformedVector(f"a vector needs a header of 2 bytes; {len(value)} were given")
    if value[0] not in _KINDS:
        raise MalformedVector(f"unsupported vector data type 0x{value[0]:02x}")
    kind = _KINDS[value[0]]
    dtype = DTYPES[kind]
    if value[1] & 7:
        raise MalformedVector(f"{kind.value} vectors must have a padding of 0, not {value[1] & 7}")
    whole = (len(value) - 2) // np.dtype(dtype).itemsize
    return Vector(kind, np.frombuffer(value, dtype, count=whole, offset=2))


def from_array(elements: list[Any]) -> Vector:
    """Cast numbers to float32; numbers that are too large become infinite."""
    if len(elements) > _STEP:  # in steps, as numpy lets no other thread run
        parts = (elements[at : at + _STEP] for at in range(0, len(elements), _STEP))
        return Vector(
            VectorDtype.FLOAT32, np.concatenate([from_array(part).values for part in parts])
        )
    if not _NUMBERS.issuperset(map(type, elements)):
        raise NotNumeric(next(each for each in elements if type(each) not in _NUMBERS))
    with np.errstate(over="ignore"):
        return Vector(VectorDtype.FLOAT32, np.array(elements, dtype=np.float64).astype("<f4"))
