"""Scores of float vectors quantised to 7 bits, which approximate those of Lucene.

Values between two quantiles become 0..127; a product of codes plus one correction per vector
approximates the product of the floats. The quantiles leave out the share 1/(d+1) of the values
and are averaged over groups of 20 vectors. The server has a pair of quantiles for each segment;
here the whole index has one, so scores agree with the server's no better than with the exact ones:
within some 0.02 at 256 dimensions, 0.05 at 64.

The codes of a growing store are made when a search first needs them. The quantiles are computed
again whenever the store has doubled; in between, new rows are encoded with the present quantiles,
since encoding all rows after every write would slow down every search.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import GrowingArray, Positions, Scores
from leafmongo.engine.definition import VectorField
from leafmongo.engine.scorers.kernels import Chosen, products
from leafmongo.engine.scorers.scan import find_nearest
from leafmongo.engine.scorers.scoring import euclidean_score, product_score

_GROUP = 20
_SAMPLE = 25_000
_BLOCK = 8192


@dataclass(frozen=True)
class Quantizer:
    low: float
    high: float

    @property
    def step(self) -> float:
        return (self.high - self.low) / 127

    def codes(self, rows: NDArray[np.float32]) -> NDArray[np.int8]:
        if not self.step:
            return np.zeros(rows.shape, dtype=np.int8)
        scaled = (np.clip(rows.astype(np.float64), self.low, self.high) - self.low) / self.step
        return np.asarray(np.floor(scaled + 0.5), dtype=np.int8)

    def corrections(
        self, rows: NDArray[np.float32], codes: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """What the product of the codes leaves out, to first order, with x = low + (x - low)."""
        exact = rows.astype(np.float64)
        encode_rows = codes * self.step
        rest = self.low * (exact - self.low / 2) + (exact - self.low - encode_rows) * encode_rows
        return np.asarray(rest.sum(axis=1))


def calibrate(rows: NDArray[np.float32], norms: NDArray[np.float64] | None = None) -> Quantizer:
    """Quantiles of at most 25,000 evenly spread rows, of which there has to be one.

    An incomplete group of 20 is left out. With `norms` the rows are normalised first.
    """
    step = -(-len(rows) // _SAMPLE)
    sample = rows[::step]
    if norms is not None:
        sample = (sample / norms[::step, None]).astype(np.float32)
    size = min(_GROUP, len(sample))
    groups = sample[: len(sample) // size * size].reshape(-1, size * rows.shape[1])
    confidence = max(0.9, 1 - 1 / (rows.shape[1] + 1))
    tail = int(groups.shape[1] * (1 - confidence) / 2 + 0.5)
    tail = min(tail, (groups.shape[1] - 1) // 2)
    ordered = np.partition(groups, (tail, groups.shape[1] - 1 - tail), axis=1)
    low, high = ordered[:, tail], ordered[:, -1 - tail]
    return Quantizer(float(low.mean(dtype=np.float64)), float(high.mean(dtype=np.float64)))


@dataclass(frozen=True, eq=False)
class ScalarScorer:
    """`codes` is (n, d) in 0..127 with (n,) `corrections`; the query is encoded likewise."""

    codes: NDArray[np.int8]
    corrections: NDArray[np.float64]
    quantizer: Quantizer
    similarity: str
    query: NDArray[np.float32]

    def scores(self, chosen: Chosen) -> Scores:
        query = self.query[None]
        code = self.quantizer.codes(query)
        product = products(self.codes, code[0], chosen)
        square = self.quantizer.step**2
        if self.similarity == "euclidean":
            # For this similarity, `corrections` are the sums of squares of the codes.
            squares = float((code.astype(np.float64) ** 2).sum()) + self.corrections[chosen]
            return euclidean_score((squares - 2 * product) * square)
        correction = float(self.quantizer.corrections(query, code)[0])
        return product_score(product * square + correction + self.corrections[chosen])

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        return find_nearest(self.scores, len(self.codes), count, positions)


class ScalarCodes:
    """The codes of a growing store."""

    def __init__(self, field: VectorField) -> None:
        self._field = field
        self.forget()

    def forget(self) -> None:
        """Drop all codes, after rows were renumbered."""
        self._quantizer = Quantizer(0.0, 0.0)
        self._calibrated_on = 0
        self._codes = GrowingArray(np.int8, self._field.dimensions)
        self._corrections = GrowingArray(np.float64)

    @property
    def nbytes(self) -> int:
        return self._codes.nbytes + self._corrections.nbytes

    def scorer(
        self, rows: NDArray[np.float32], norms: NDArray[np.float64], query: NDArray[np.float32]
    ) -> ScalarScorer:
        if len(rows) >= 2 * self._calibrated_on and len(rows) > self._calibrated_on:
            self.forget()
            self._quantizer = calibrate(rows, norms if self._normalised else None)
            self._calibrated_on = len(rows)
        for start in range(len(self._codes), len(rows), _BLOCK):
            self._extend(rows[start : start + _BLOCK], norms[start : start + _BLOCK])
        if self._normalised:
            query = (query / np.sqrt((query.astype(np.float64) ** 2).sum())).astype(np.float32)
        return ScalarScorer(
            self._codes.view,
            self._corrections.view,
            self._quantizer,
            self._field.similarity,
            query,
        )

    @property
    def _normalised(self) -> bool:
        """Whether unit vectors are encoded, whose product is the cosine."""
        return self._field.similarity == "cosine"

    def _extend(self, rows: NDArray[np.float32], norms: NDArray[np.float64]) -> None:
        if self._normalised:
            rows = (rows / norms[:, None]).astype(np.float32)
        codes = self._quantizer.codes(rows)
        self._codes.extend(codes)
        if self._field.similarity == "euclidean":
            self._corrections.extend((codes.astype(np.float64) ** 2).sum(axis=1))
        else:
            self._corrections.extend(self._quantizer.corrections(rows, codes))
