"""Narrows down which float vectors can be among the best, by codes of a quarter of their size.

A row is split as x = s c + r into int8 codes c with a step s, and a rest r of which the length is
kept; a query likewise, q = t e + u. Then x.q = s t (c.e) + (s c).u + r.q. Here c.e is an exact
integer, and the other terms are bounded:

    |(s c).u + r.q|  <=  (|x| + |r|) |u| + |r| |q|

A row is dropped if its upper bound is below the lower bounds of enough others. Of a million unit
vectors with 256 dimensions some hundreds are left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import GrowingArray, Positions
from leafmongo.engine.scorers.scan import Products, SharedScan, map_parts
from leafmongo.engine.scorers.scoring import slack

Bounds = NDArray[np.float64]
_LEVELS = 127
_BLOCK = 256  # rows encoded together, whose float64 copies fit a core's cache
_GROUP = 16  # rows represented by the largest of them


@dataclass(frozen=True, eq=False)
class CoarseQuery:
    """The codes of the query; `rest` and `length` are |u| and |q| of the formula above."""

    codes: NDArray[np.int8]
    step: float
    rest: float
    length: float

    @classmethod
    def of(cls, query: NDArray[np.float32]) -> "CoarseQuery":
        codes, steps, rests = encode_rows(query[None])
        length = float(np.sqrt((query.astype(np.float64) ** 2).sum()))
        return cls(codes[0], float(steps[0]), float(rests[0]), length)


@dataclass(frozen=True, eq=False)
class Coarse:
    """The codes of a store as of the start of a search."""

    codes: NDArray[np.int8]
    steps: NDArray[np.float32]
    rests: NDArray[np.float32]
    norms: NDArray[np.float64]
    similarity: str
    shared: SharedScan

    def contenders(
        self, query: NDArray[np.float32], count: int, chosen: NDArray[np.bool_] | None
    ) -> Positions:
        """Rows, ascending, that can be among the `count` best of the chosen (None: all), or equal
        to one of them as a float32 score."""
        coarse = CoarseQuery.of(query)
        products = self.shared.products(self.codes, coarse.codes)
        parts = map_parts(
            len(self.codes), lambda part: self._select(coarse, products, count, part, chosen)
        )
        positions = np.concatenate([positions for positions, _ in parts])
        lower, upper = self._bounds(coarse, positions, np.concatenate([m for _, m in parts]))
        least = _largest(lower, count).min(initial=np.inf)
        kept: Positions = positions[upper >= least]
        return kept

    def _select(
        self,
        query: CoarseQuery,
        products: Products,
        count: int,
        part: slice,
        chosen: NDArray[np.bool_] | None,
    ) -> tuple[Positions, Bounds]:
        """Rows of a part with their middles, including all that can be contenders.

        One margin serves all rows of the part, the widest: computing each would take most of the
        time. A row is dropped if it is below enough other middles by twice that margin.
        """
        middle = self._middle(query, part, products[part])
        positions: Positions | None = None
        if chosen is not None:
            positions = np.flatnonzero(chosen[part])
            middle = middle[positions]
        widest = self._widest(query, part)
        least = _lower_bound(middle, count) - widest
        if self.similarity != "dotProduct" or least > -1:  # all below -1 have the score 0
            kept = np.flatnonzero(middle >= least - widest)
            middle = middle[kept]
            positions = kept if positions is None else positions[kept]
        elif positions is None:
            positions = np.arange(len(middle))
        return positions + part.start, middle

    def _middle(self, query: CoarseQuery, part: slice, products: Products) -> Bounds:
        """A value for each row that grows with its score, estimated by its codes."""
        middle = np.multiply(products, self.steps[part], dtype=np.float64)
        middle *= query.step
        norms = self.norms[part]
        if self.similarity == "cosine":
            middle /= norms * query.length
        elif self.similarity == "euclidean":
            middle *= 2
            middle -= norms**2
        return middle

    def _widest(self, query: CoarseQuery, part: slice) -> float:
        norms, rests = self.norms[part], self.rests[part]
        if self.similarity == "cosine":
            largest = float((rests / norms).max())
            margin = (1 + largest) * query.rest / query.length + largest
        else:
            longest, largest = float(norms.max()), float(rests.max())
            margin = (longest + largest) * query.rest + largest * query.length
            margin *= 2 if self.similarity == "euclidean" else 1
        return margin + float(
            slack(self.similarity, query.codes.size, float(norms.max()), query.length)
        )

    def _bounds(
        self, query: CoarseQuery, positions: Positions, middle: Bounds
    ) -> tuple[Bounds, Bounds]:
        """Lower and upper bounds of the value that grows with the score."""
        norms, rests = self.norms[positions], self.rests[positions].astype(np.float64)
        margin = (norms + rests) * query.rest + rests * query.length
        if self.similarity == "cosine":
            margin /= norms * query.length
        elif self.similarity == "euclidean":
            margin *= 2
        margin += slack(self.similarity, query.codes.size, norms, query.length)
        lower, upper = middle - margin, middle + margin
        if self.similarity == "dotProduct":  # all below have the score 0
            return np.maximum(lower, -1), np.maximum(upper, -1)
        return lower, upper


class CoarseCodes:
    """The codes of a growing store."""

    def __init__(self, dimensions: int) -> None:
        self._codes = GrowingArray(np.int8, dimensions)
        self._steps = GrowingArray(np.float32)
        self._rests = GrowingArray(np.float32)
        self._shared = SharedScan()

    def extend(self, rows: NDArray[np.float32]) -> None:
        for start in range(0, len(rows), _BLOCK):
            codes, steps, rests = encode_rows(rows[start : start + _BLOCK])
            self._codes.extend(codes)
            self._steps.extend(steps)
            self._rests.extend(rests)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        for array in (self._codes, self._steps, self._rests):
            array.replace(array.view[mask])

    def view(self, norms: NDArray[np.float64], similarity: str) -> Coarse:
        codes, steps, rests = self._codes.view, self._steps.view, self._rests.view
        return Coarse(codes, steps, rests, norms, similarity, self._shared)

    @property
    def nbytes(self) -> int:
        return self._codes.nbytes + self._steps.nbytes + self._rests.nbytes


def encode_rows(
    rows: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Codes, the step of each row, and the length of each row's rest."""
    steps = (np.abs(rows).max(axis=1, initial=0) / np.float32(_LEVELS)).astype(np.float32)
    exact = rows.astype(np.float64)
    step = steps.astype(np.float64)[:, None]
    scaled = np.divide(exact, step, out=np.zeros_like(exact), where=step > 0)
    codes = np.clip(np.rint(scaled), -_LEVELS, _LEVELS)
    exact -= codes * step
    rests = np.sqrt(np.einsum("ij,ij->i", exact, exact)).astype(np.float32)
    # Rounded up, so that the bound is never too small.
    return codes.astype(np.int8), steps, np.nextafter(rests, np.float32(np.inf))


def _lower_bound(middle: Bounds, count: int) -> float:
    """A value that at least `count` of these reach, and few more; -inf if there are fewer.

    It is computed from the largest of each group, which is faster.
    """
    whole = len(middle) // _GROUP * _GROUP
    if whole >= _GROUP * count * _GROUP:
        middle = middle[:whole].reshape(_GROUP, -1).max(axis=0)  # row-wise, for sequential access
    return float(_largest(middle, count).min()) if len(middle) >= count else -np.inf


def _largest(bounds: Bounds, count: int) -> Bounds:
    """The `count` largest, unordered; all if there are fewer."""
    if count >= len(bounds):
        return bounds
    return np.partition(bounds, len(bounds) - count)[len(bounds) - count :]
