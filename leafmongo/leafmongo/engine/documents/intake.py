"""Chooses the vector of a document that is indexed at a path, and says why others are not.

A document without a usable vector is not an error: it stays in the index and is never found. After
wrong dimensions or a zero vector (under cosine) the rest of the path is skipped in that document.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leafmongo.engine.definition import VectorField
from leafmongo.engine.documents.paths import values_at
from leafmongo.engine.documents.vectors import (
    MalformedVector,
    NotNumeric,
    Vector,
    VectorKind,
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
BITS_NEED_EUCLIDEAN = "packed_bit without euclidean"
NOT_FIRST = "not the first vector of its path"

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


def _problem(field: VectorField, vector: Vector) -> str | None:
    if vector.dimensions != field.dimensions:
        return WRONG_DIMENSIONS
    if field.quantization != "none" and vector.kind is not VectorKind.FLOAT32:
        return QUANTIZED
    if vector.kind is VectorKind.PACKED_BIT and field.similarity != "euclidean":
        return ZERO if field.similarity == "cosine" and vector.is_zero else BITS_NEED_EUCLIDEAN
    if not vector.is_finite:
        return NOT_FINITE
    if field.similarity == "cosine" and vector.is_zero:
        return ZERO
    return None
