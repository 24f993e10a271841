"""Reading many vectors at once equals reading each by `choose_vector`."""

from typing import Any

import numpy as np
import pytest
from bson import Binary

from leafmongo.engine.definition import VectorField
from leafmongo.engine.documents.batch import id_key
from leafmongo.engine.documents.vector_column import VectorColumn, choose_vector
from leafmongo.engine.documents.vectors import VectorDtype

FIELDS = [
    VectorField("v", 8, similarity, quantization)
    for similarity in ("cosine", "dotProduct", "euclidean")
    for quantization in ("none", "scalar")
]


def binary(header: bytes, values: Any, dtype: str) -> Binary:
    return Binary(header + np.asarray(values, dtype).tobytes(), 9)


def float32(*values: float) -> Binary:
    return binary(b"\x27\x00", values, "<f4")


ONES = [1.0] * 8
VALUES: list[Any] = [
    float32(*ONES),
    float32(*range(8)),
    float32(*[0.0] * 8),
    float32(*[float("nan")] * 8),
    float32(*ONES[:7], float("inf")),
    float32(*ONES[:7]),
    float32(*ONES, 1.0),
    Binary(bytes(float32(*ONES)) + b"x", 9),  # a ninth float begun
    Binary(bytes(float32(*ONES)), 0),  # the same bytes, but no vector
    bytes(float32(*ONES)),
    binary(b"\x27\x08", ONES, "<f4"),  # bits beyond the padding's three mean nothing
    binary(b"\x27\x01", ONES, "<f4"),
    binary(b"\x03\x00", range(-4, 4), "i1"),
    binary(b"\x03\x00", [0] * 8, "i1"),
    binary(b"\x03\x00", [1] * 9, "i1"),
    binary(b"\x10\x00", [0b1010_0101], "u1"),
    binary(b"\x10\x00", [0], "u1"),
    binary(b"\x10\x00", [1, 2], "u1"),
    Binary(b"\x27", 9),
    Binary(b"", 9),
    list(ONES),
    [1] * 7,
    [float32(*ONES), float32(*range(8))],
    "text",
    None,
    {"x": 1},
]
UNITS: list[Any] = [
    *({"v": value} for value in VALUES),
    *({"v": value} for value in reversed(VALUES)),
    {},
    {"w": 1},
    [{"v": float32(*ONES)}],
    Binary(bytes(float32(*ONES)), 9),
]


@pytest.mark.semantics("2.1", "2.2")
@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f"{f.similarity}-{f.quantization}")
@pytest.mark.parametrize("segments", [("v",), ("v", "x"), ()])
def test_column_equals_units_read_one_by_one(field: VectorField, segments: tuple[str, ...]) -> None:
    reasons: list[set[str]] = [set() for _ in UNITS]
    expected_reasons: list[set[str]] = [set() for _ in UNITS]
    expected = {
        (vector.kind, unit): vector.values.tolist()
        for unit, value in enumerate(UNITS)
        if (vector := choose_vector(field, value, segments, expected_reasons[unit])) is not None
    }

    column = VectorColumn(field, segments).read(UNITS, reasons)

    assert reasons == expected_reasons
    assert expected == {
        (kind, unit): row
        for kind, rows in column.items()
        for unit, row in zip(rows.units.tolist(), rows.values.tolist(), strict=True)
    }
    assert all(np.all(np.diff(rows.units) > 0) for rows in column.values())


@pytest.mark.semantics("2.1", "2.2")
def test_packed_bits_short_of_a_byte_are_still_a_wrong_length() -> None:
    field = VectorField("v", 12, "euclidean")
    reasons: list[set[str]] = [set()]

    assert VectorColumn(field, ("v",)).read([{"v": VALUES[15]}], reasons) == {}
    assert reasons != [set()]


@pytest.mark.semantics("2.1", "2.2")
def test_values_that_a_column_gives_do_not_depend_on_the_documents() -> None:
    units = [{"v": float32(*ONES)}]
    rows = VectorColumn(FIELDS[0], ("v",)).read(units, [set()])[VectorDtype.FLOAT32]
    units.clear()

    assert rows.values.tolist() == [ONES]


@pytest.mark.semantics("2.1", "2.2")
@pytest.mark.parametrize("one", [1, 2**40, "1", 1.0, True, None, b"1", Binary(b"1", 9), {"a": 1}])
def test_ids_are_equal_only_with_equal_bson(one: Any) -> None:
    others = [1, 2**40, "1", 1.0, True, None, b"1", Binary(b"1", 9), {"a": 1}, {"a": 1.0}, 2.0**40]
    same = [other for other in others if id_key(other) == id_key(one)]

    assert len(same) == 1
    assert type(same[0]) is type(one)
