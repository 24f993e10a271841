"""Stores the vectors of one path and kind as rows, with the unit that owns each.

A unit is a document or, under nestedRoot, an element of the nested array. Vectors are appended in
the order of their units and keep that order, so position order is insertion order.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import GrowingArray
from leafmongo.engine.definition import VectorField
from leafmongo.engine.documents.vectors import Vector, VectorDtype
from leafmongo.engine.scorers.coarse import CoarseCodes
from leafmongo.engine.scorers.floats import FloatScorer
from leafmongo.engine.scorers.integers import BitScorer, Int8Scorer, pack_signs, pack_words
from leafmongo.engine.scorers.kernels import ACCELERATED
from leafmongo.engine.scorers.scalar import ScalarCodes
from leafmongo.engine.scorers.scoring import Scorer, SignScorer

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scorers:
    """`approximate` scores as the definition's quantization does.

    `rescorer`: it only ranks by sign bits, and its hits have to be scored again by this one.
    `floats` is `exact` for float vectors.
    """

    exact: Scorer
    approximate: Scorer
    floats: FloatScorer | None = None
    rescorer: SignScorer | None = None


class Store(Protocol):
    owners: GrowingArray

    def extend(self, rows: NDArray[Any], owners: NDArray[np.int64]) -> None: ...

    def keep(self, mask: Mask) -> None:
        """Drop the other rows. The caller renumbers `owners`."""
        ...

    def scorers(self, query: Vector) -> Scorers: ...

    @property
    def nbytes(self) -> int: ...


def store_for(field: VectorField, kind: VectorDtype) -> Store:
    match kind:
        case VectorDtype.FLOAT32:
            return FloatStore(field)
        case VectorDtype.INT8:
            return Int8Store(field)
        case VectorDtype.PACKED_BIT:
            return BitStore(field)


class FloatStore:
    def __init__(self, field: VectorField) -> None:
        self._field = field
        self.owners = GrowingArray(np.int64)
        self._rows = GrowingArray(np.float32, field.dimensions)
        self._norms = GrowingArray(np.float64)
        self._signs = GrowingArray(np.uint64, -(-field.dimensions // 64))
        self._codes = ScalarCodes(field)
        # Without fast int8 products, scanning the codes is slower than scanning the floats.
        self._coarse = CoarseCodes(field.dimensions) if ACCELERATED else None

    def extend(self, rows: NDArray[Any], owners: NDArray[np.int64]) -> None:
        self._rows.extend(rows)
        self._norms.extend(np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1)))
        if self._coarse is not None:
            self._coarse.extend(rows)
        if self._field.quantization == "binary":
            self._signs.extend(pack_signs(rows))
        self.owners.extend(owners)

    def keep(self, mask: Mask) -> None:
        self._rows.replace(self._rows.view[mask])
        self._norms.replace(self._norms.view[mask])
        if self._coarse is not None:
            self._coarse.keep(mask)
        if self._field.quantization == "binary":
            self._signs.replace(self._signs.view[mask])
        self._codes.forget()

    def scorers(self, query: Vector) -> Scorers:
        rows, norms = self._rows.view, self._norms.view
        similarity = self._field.similarity
        coarse = self._coarse.view(norms, similarity) if self._coarse is not None else None
        exact = FloatScorer(rows, norms, similarity, query.values, coarse)
        if self._field.quantization == "scalar":
            return Scorers(exact, self._codes.scorer(rows, norms, query.values), exact)
        if self._field.quantization == "binary":
            wanted = pack_signs(query.values[None])[0]
            signs = BitScorer(self._signs.view, self._field.dimensions, wanted)
            return Scorers(exact, signs, exact, exact)
        return Scorers(exact, exact, exact)

    @property
    def nbytes(self) -> int:
        arrays = (self.owners, self._rows, self._norms, self._signs)
        coarse = self._coarse.nbytes if self._coarse is not None else 0
        return sum(array.nbytes for array in arrays) + self._codes.nbytes + coarse


class Int8Store:
    def __init__(self, field: VectorField) -> None:
        self._field = field
        self.owners = GrowingArray(np.int64)
        self._rows = GrowingArray(np.int8, field.dimensions)
        self._squares = GrowingArray(np.float64)
        self._signs = GrowingArray(np.uint64, -(-field.dimensions // 64))

    def extend(self, rows: NDArray[Any], owners: NDArray[np.int64]) -> None:
        self._rows.extend(rows)
        self._squares.extend((rows.astype(np.float64) ** 2).sum(axis=1))
        if self._field.quantization == "binary":
            self._signs.extend(pack_signs(rows))
        self.owners.extend(owners)

    def keep(self, mask: Mask) -> None:
        self._rows.replace(self._rows.view[mask])
        self._squares.replace(self._squares.view[mask])
        if self._field.quantization == "binary":
            self._signs.replace(self._signs.view[mask])

    def scorers(self, query: Vector) -> Scorers:
        field = self._field
        exact = Int8Scorer(self._rows.view, self._squares.view, field.similarity, query.values)
        if field.quantization == "binary":
            wanted = pack_signs(query.values[None])[0]
            signs = BitScorer(self._signs.view, field.dimensions, wanted)
            return Scorers(exact, signs, rescorer=exact)
        return Scorers(exact, exact)

    @property
    def nbytes(self) -> int:
        arrays = (self.owners, self._rows, self._squares, self._signs)
        return sum(array.nbytes for array in arrays)


class BitStore:
    def __init__(self, field: VectorField) -> None:
        self._dimensions = field.dimensions
        self.owners = GrowingArray(np.int64)
        self._rows = GrowingArray(np.uint64, -(-field.dimensions // 64))

    def extend(self, rows: NDArray[Any], owners: NDArray[np.int64]) -> None:
        self._rows.extend(pack_words(rows))
        self.owners.extend(owners)

    def keep(self, mask: Mask) -> None:
        self._rows.replace(self._rows.view[mask])

    def scorers(self, query: Vector) -> Scorers:
        exact = BitScorer(self._rows.view, self._dimensions, pack_words(query.values[None])[0])
        return Scorers(exact, exact)

    @property
    def nbytes(self) -> int:
        return self.owners.nbytes + self._rows.nbytes
