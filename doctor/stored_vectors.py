"""A stored value read as MongoDB's search server reads it, and why it would skip it.

It skips without a word: the document stays in the collection and is never found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray

from leafsearch.doctor.index_entry import IndexEntry


class Kind(StrEnum):
    ARRAY = "array of numbers"
    FLOAT32 = "BinData float32"
    INT8 = "BinData int8"
    BITS = "BinData bits"

    @property
    def is_float(self) -> bool:
        """Both kinds are one to the server: a query of either finds the other."""
        return self in (Kind.ARRAY, Kind.FLOAT32)


@dataclass(frozen=True)
class Stored:
    """`values` as float32, bits as -1 and 1; `raw` is what a query has to be to find it."""

    kind: Kind
    values: NDArray[np.float32]
    raw: Any

    @property
    def dimensions(self) -> int:
        return len(self.values)

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(self.values.astype(np.float64)))

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.values).all())

    @property
    def is_zero(self) -> bool:
        return not self.values.any()


_BINARY: dict[bytes, tuple[Kind, Any]] = {
    b"\x27\x00": (Kind.FLOAT32, np.dtype("<f4")),
    b"\x03\x00": (Kind.INT8, np.dtype(np.int8)),
    b"\x10\x00": (Kind.BITS, np.dtype(np.uint8)),
}


def read(value: Any) -> Stored | str:
    """Or what the value is instead of a vector."""
    if isinstance(value, list):
        return _from_array(value)
    if isinstance(value, Binary) and value.subtype == VECTOR_SUBTYPE:
        return _from_binary(value)
    if isinstance(value, bytes):
        return "binary that is no vector (subtype 9 is)"
    return f"a {type(value).__name__}"


def why_skipped(stored: Stored, index: IndexEntry) -> str | None:
    """None if the server indexes it."""
    if stored.dimensions != index.dimensions:
        return f"{stored.dimensions} dimensions instead of {index.dimensions}"
    if not stored.kind.is_float and index.quantization != "none":
        return f"{stored.kind} in an index with quantization {index.quantization}"
    if stored.kind is Kind.BITS and index.similarity != "euclidean":
        return f"bits in an index with similarity {index.similarity}"
    if not stored.is_finite:
        return "NaN or infinity"
    if index.similarity == "cosine" and stored.is_zero:
        return "only zeros under cosine"
    return None


def _from_array(value: Sequence[Any]) -> Stored | str:
    # A bool is an int to Python, but no number to MongoDB.
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
        return "an array with something else than numbers in it"
    with np.errstate(over="ignore"):
        return Stored(Kind.ARRAY, np.array(value, dtype=np.float64).astype(np.float32), value)


def _from_binary(value: Binary) -> Stored | str:
    if bytes(value[:2]) not in _BINARY:
        return f"a BinData vector with the header {value[:2].hex(' ')}"
    kind, form = _BINARY[bytes(value[:2])]
    if (len(value) - 2) % form.itemsize:
        return f"a BinData vector of {len(value)} bytes, which is no whole number of floats"
    codes = np.frombuffer(value, dtype=form, offset=2)
    if kind is Kind.BITS:
        return Stored(kind, np.unpackbits(codes).astype(np.float32) * 2 - 1, value)
    return Stored(kind, codes.astype(np.float32), value)
