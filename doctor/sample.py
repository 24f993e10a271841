"""Documents drawn from the collection, with their vectors read as the search server reads them.

The server skips a vector that it cannot use without an error: the document stays in the collection
and no search finds it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray

from leafsearch.doctor.index import IndexEntry
from leafsearch.search.values import paths_of, values_at

T = TypeVar("T")


class StoredKind(StrEnum):
    ARRAY = "array of numbers"
    FLOAT32 = "BinData float32"
    INT8 = "BinData int8"
    BITS = "BinData bits"

    @property
    def is_float(self) -> bool:
        """The server treats both float kinds as one: a query of either finds the other."""
        return self in (StoredKind.ARRAY, StoredKind.FLOAT32)


@dataclass(frozen=True)
class StoredVector:
    """`values` as float32, bits as -1 and 1; `raw` is the query that finds it."""

    kind: StoredKind
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


_BINARY: dict[bytes, tuple[StoredKind, Any]] = {
    b"\x27\x00": (StoredKind.FLOAT32, np.dtype("<f4")),
    b"\x03\x00": (StoredKind.INT8, np.dtype(np.int8)),
    b"\x10\x00": (StoredKind.BITS, np.dtype(np.uint8)),
}


def read(value: Any) -> StoredVector | str:
    """The vector, or what the value is instead."""
    if isinstance(value, list):
        return _from_array(value)
    if isinstance(value, Binary) and value.subtype == VECTOR_SUBTYPE:
        return _from_binary(value)
    if isinstance(value, bytes):
        return "binary that is not a vector (not subtype 9)"
    return f"a {type(value).__name__}"


def why_skipped(stored: StoredVector, index: IndexEntry) -> str | None:
    """None if the server indexes it."""
    if stored.dimensions != index.dimensions:
        return f"{stored.dimensions} dimensions instead of {index.dimensions}"
    if not (stored.kind.is_float or index.quantization == "none" or may_be_indexed(stored, index)):
        return f"{stored.kind} in an index with quantization {index.quantization}"
    if stored.kind is StoredKind.BITS and index.similarity != "euclidean":
        return f"bits in an index with similarity {index.similarity}"
    if not stored.is_finite:
        return "NaN or infinity"
    if index.similarity == "cosine" and stored.is_zero:
        return "only zeros under cosine"
    return None


def may_be_indexed(stored: StoredVector, index: IndexEntry) -> bool:
    """Whether it depends on the server: int8 is quantized to bits on Atlas since 2026-10-19, and
    skipped before."""
    return stored.kind is StoredKind.INT8 and index.quantization == "binary"


def _from_array(value: Sequence[Any]) -> StoredVector | str:
    # A bool is an int to Python, but no number to MongoDB.
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
        return "an array with elements that are not numbers"
    with np.errstate(over="ignore"):
        return StoredVector(
            StoredKind.ARRAY, np.array(value, dtype=np.float64).astype(np.float32), value
        )


def _from_binary(value: Binary) -> StoredVector | str:
    if bytes(value[:2]) not in _BINARY:
        return f"a BinData vector with the header {value[:2].hex(' ')}"
    kind, form = _BINARY[bytes(value[:2])]
    if (len(value) - 2) % form.itemsize:
        return f"a BinData vector of {len(value)} bytes, not a whole number of floats"
    codes = np.frombuffer(value, dtype=form, offset=2)
    if kind is StoredKind.BITS:
        return StoredVector(kind, np.unpackbits(codes).astype(np.float32) * 2 - 1, value)
    return StoredVector(kind, codes.astype(np.float32), value)


def vector_paths(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Paths in these documents that may hold vectors, for a user who has misspelt one."""
    found = {
        path
        for document in documents
        for path, value in paths_of(document)
        if isinstance(vector := read(value), StoredVector) and vector.dimensions > 1
    }
    return sorted(found)


@dataclass(frozen=True)
class Drawn:
    """`faults` say what the path holds instead of a vector."""

    id: Any
    document: Mapping[str, Any]
    vectors: tuple[StoredVector, ...]
    faults: tuple[str, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any], path: str) -> "Drawn":
        found = [read(value) for value in _each_vector(values_at(document, path))]
        return cls(
            document["_id"],
            document,
            tuple(f for f in found if isinstance(f, StoredVector)),
            tuple(f for f in found if isinstance(f, str)),
        )

    @property
    def is_empty(self) -> bool:
        return not self.vectors and not self.faults


@dataclass(frozen=True)
class EncodedText:
    """`text` as it was encoded."""

    id: Any
    text: str
    stored: StoredVector


@dataclass(frozen=True)
class Sample:
    drawn: Sequence[Drawn]
    whole: bool  # whether these are all documents there are

    def __len__(self) -> int:
        return len(self.drawn)

    @property
    def vectors(self) -> Iterator[tuple[Any, StoredVector]]:
        """All vectors, each with the id of its document."""
        return ((drawn.id, vector) for drawn in self.drawn for vector in drawn.vectors)

    @property
    def stored(self) -> list[StoredVector]:
        return [vector for _, vector in self.vectors]

    @property
    def alike(self) -> list[tuple[Any, StoredVector]]:
        """The usable vectors of the most frequent type and size."""
        usable = [(id, v) for id, v in self.vectors if v.is_finite and not v.is_zero]
        forms = Counter((v.kind, v.dimensions) for _, v in usable)
        return [(id, v) for id, v in usable if (v.kind, v.dimensions) == forms.most_common(1)[0][0]]

    def indexed_by(self, index: IndexEntry) -> list[tuple[Any, StoredVector]]:
        """Vectors that the server must have indexed."""
        return [(id, v) for id, v in self.vectors if why_skipped(v, index) is None]

    def skipped_by(self, index: IndexEntry) -> list[Any]:
        """Ids of the documents that the server cannot have indexed."""
        return [
            drawn.id
            for drawn in self.drawn
            if not any(why_skipped(vector, index) is None for vector in drawn.vectors)
        ]

    def of(self, few: int) -> str:
        """`12 of 1,000 sampled documents`."""
        return f"{few:,} of {len(self):,} {self._sampled}documents"

    def of_vectors(self, few: int) -> str:
        return f"{few:,} of {len(self.stored):,} {self._sampled}vectors"

    @property
    def _sampled(self) -> str:
        return "" if self.whole else "sampled "


def spread_over(items: Sequence[T], most: int) -> Sequence[T]:
    """A part of the items, `most` at most, spread evenly over all."""
    return items[:: max(1, -(-len(items) // most))]


def list_ids(ids: Sequence[Any]) -> str:
    """A few ids, for a user who wants to look them up."""
    some = ", ".join(repr(each) for each in ids[:3])
    return f"_id {some}{', ...' if len(ids) > 3 else ''}"


def _each_vector(values: Sequence[Any]) -> Iterator[Any]:
    """Treats null as absent, and takes an array of vectors apart."""
    for value in values:
        if isinstance(value, list) and any(isinstance(each, list | bytes) for each in value):
            yield from _each_vector(value)
        elif value is not None:
            yield value
