"""Whether a rotation keeps more neighbours than plain truncation, decided on a sample.

A quarter of the sample asks, the rest answers and is what the rotation is fitted on, so that the
rotation never saw the vectors that judge it. A teacher trained for truncation (Matryoshka) keeps
nearly all neighbours without one, and is left alone.
"""

from dataclasses import dataclass

import numpy as np

from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.store.transform import Transform, fit_transform

CHOICES = ("auto", "none", "pca")
FEWEST = 256  # vectors; fewer decide nothing
_ASKED_EVERY = 4
_NEIGHBOURS = 10
_LEAST_GAIN = 0.01  # of the neighbours


@dataclass(frozen=True)
class TransformChoice:
    """`reason` is a line for the user; `plain` and `rotated` are the shares of the nearest ten
    neighbours that truncation keeps, None if they were not measured."""

    transform: Transform | None
    reason: str
    plain: float | None = None
    rotated: float | None = None


def choose_transform(rows: Rows, dimensions: int, asked: str) -> TransformChoice:
    """Choose for unit document vectors, (n, all of the teacher's); `asked` is one of CHOICES."""
    whole = rows.shape[1]
    if asked == "none" or dimensions >= whole:
        return TransformChoice(None, "transform none")
    if len(rows) < FEWEST:
        few = f"{len(rows)} chunks are too few to measure it (expected {FEWEST} or more)"
        if asked == "auto":
            return TransformChoice(None, f"transform none: {few}")
        return TransformChoice(fit_transform(rows, dimensions), f"transform pca, as asked: {few}")
    plain, rotated = measure_kept(rows, dimensions)
    is_better = rotated >= plain + _LEAST_GAIN
    kept = (
        f"{dimensions} of {whole} dimensions keep {rotated:.1%} of the {_NEIGHBOURS} nearest "
        f"neighbours with it and {plain:.1%} without ({len(rows):,} chunks)"
    )
    if asked == "pca" or is_better:
        return TransformChoice(
            fit_transform(rows, dimensions), f"transform pca: {kept}", plain, rotated
        )
    return TransformChoice(None, f"transform none: {kept}", plain, rotated)


def measure_kept(rows: Rows, dimensions: int) -> tuple[float, float]:
    """The shares of neighbours that plain and rotated truncation keep."""
    is_asked = np.arange(len(rows)) % _ASKED_EVERY == 0
    queries, documents = rows[is_asked], rows[~is_asked]
    transform = fit_transform(documents, dimensions)
    wanted = _nearest(queries, documents)
    plain = _nearest(_cut(queries, dimensions), _cut(documents, dimensions))
    rotated = _nearest(
        _cut(transform.rotate(queries), dimensions), _cut(transform.rotate(documents), dimensions)
    )
    return _shared(wanted, plain), _shared(wanted, rotated)


def _cut(rows: Rows, dimensions: int) -> Rows:
    return unit_rows(rows[:, :dimensions])


def _nearest(queries: Rows, documents: Rows) -> np.ndarray:
    return np.argpartition(-(queries @ documents.T), _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]


def _shared(wanted: np.ndarray, found: np.ndarray) -> float:
    pairs = zip(wanted, found, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / _NEIGHBOURS for a, b in pairs]))
