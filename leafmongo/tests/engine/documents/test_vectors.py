"""Encodings of vectors, section 2.1."""

import struct
from typing import Any

import numpy as np
import pytest
from bson import Decimal128, Int64

from leafmongo.engine.documents.vectors import (
    MalformedVector,
    NotNumeric,
    VectorDtype,
    from_array,
    from_binary,
)

pytestmark = pytest.mark.semantics("2.1")


def test_array_of_numbers_is_float32() -> None:
    vector = from_array([1, Int64(2), 0.1])

    assert vector.kind is VectorDtype.FLOAT32
    assert vector.values.dtype == np.float32
    assert vector.values.tolist() == [1, 2, struct.unpack("<f", struct.pack("<f", 0.1))[0]]


def test_double_beyond_float32_is_infinite() -> None:
    assert np.isposinf(from_array([1e39]).values[0])
    assert not from_array([1e39]).is_finite


@pytest.mark.parametrize("element", ["1", None, True, Decimal128("1"), [1.0], b"1"])
def test_array_with_other_elements_is_not_a_vector(element: Any) -> None:
    with pytest.raises(NotNumeric):
        from_array([1.0, element])


@pytest.mark.parametrize(
    ("data", "kind", "values", "dimensions"),
    [
        (b"\x27\x00" + struct.pack("<2f", 1.5, -2), VectorDtype.FLOAT32, [1.5, -2], 2),
        (b"\x27\x00" + struct.pack("<f", 1.5) + b"\x01\x02", VectorDtype.FLOAT32, [1.5], 1),
        (b"\x27\x08" + struct.pack("<f", 1.5), VectorDtype.FLOAT32, [1.5], 1),
        (b"\x03\x00\x7f\x80", VectorDtype.INT8, [127, -128], 2),
        (b"\x10\x00\x80\x01", VectorDtype.PACKED_BIT, [128, 1], 16),
        (b"\x27\x00", VectorDtype.FLOAT32, [], 0),
    ],
    ids=["float32", "trailing bytes", "high padding bits", "int8", "packed_bit", "empty"],
)
def test_binary(data: bytes, kind: VectorDtype, values: list[float], dimensions: int) -> None:
    vector = from_binary(data)

    assert (vector.kind, vector.values.tolist(), vector.dimensions) == (kind, values, dimensions)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "2 bytes"),
        (b"\x27", "2 bytes"),
        (b"\x99\x00\x01", "0x99"),
        (b"\x27\x01" + struct.pack("<f", 1), "padding"),
        (b"\x03\x01\x01", "padding"),
        (b"\x10\x07\x01", "padding"),
    ],
)
def test_malformed_binary(data: bytes, text: str) -> None:
    with pytest.raises(MalformedVector, match=text):
        from_binary(data)
