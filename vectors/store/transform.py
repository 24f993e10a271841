"""A rotation of whole vectors after which their first dimensions hold most of what they say.

Truncating the vectors of a model that was not trained for it loses much. Rotated onto the
eigenvectors of the second-moment matrix of a sample of document vectors, in falling order of the
eigenvalues (principal components without centring: a cosine is about the origin), the first
dimensions lose little. Documents and queries go through the same rotation, so every student of the
teacher does too.

Queries are also weighted: each dimension by its eigenvalue to the power of -0.1, which takes a
little from the directions that all documents share. Measured with the offline pair, 256 of 384
dimensions keep 99.1 % of nDCG@10 on NFCorpus without and 99.6 % with it, 97.9 % and 100.7 % on
Vaswani; powers up to -0.2 do as well.

Whether a rotation keeps more neighbours than plain truncation is decided on a sample. A quarter of
it asks; the rest answers and is what the rotation is fitted on, so that it never saw the vectors
that judge it. A teacher trained for truncation (Matryoshka) keeps nearly all neighbours without a
rotation, and is left alone.

The matrix is kept once, beside the manifests, in parts below MongoDB's limit of 16 MB, under the
checksum of its bytes; the manifest names the checksum. A process that has read it keeps it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from bson.binary import Binary
from numpy.typing import NDArray
from pymongo.database import Database

from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.errors import CodecError, ManifestError

TRANSFORMS = "leaf_transforms"
Kind = Literal["pca"]
KINDS: tuple[str, ...] = get_args(Kind)
CHOICES = ("auto", "none", "pca")
FEWEST = 256  # vectors; fewer decide nothing
_ASKED_EVERY = 4
_NEIGHBOURS = 10
_LEAST_GAIN = 0.01  # of the neighbours
PART = 8 * 2**20  # bytes
# Of the mean eigenvalue: keeps the order of directions that the sample says nothing about.
_RAMP = 1e-4
_POWER = -0.1  # of the eigenvalues, in the weights of queries
_FLOOR = 1e-3  # of the mean eigenvalue: a small sample says nothing about what lies below

Matrix = NDArray[np.float32]


class _Fitted(NamedTuple):
    matrix: Matrix  # (dimensions, columns)
    weights: Matrix  # (columns,), of queries

    @property
    def raw(self) -> bytes:
        return self.matrix.tobytes() + self.weights.tobytes()


_fitted: dict[str, _Fitted] = {}  # by checksum; none ever changes


@dataclass(frozen=True)
class Transform:
    """Rotates vectors of `dimensions` and keeps the first `columns`; fitted on `sample` vectors.

    `kept` is the share of their squared length that the columns hold.
    """

    kind: Kind
    dimensions: int
    columns: int
    checksum: str
    sample: int
    kept: float

    def rotate(self, rows: Rows) -> Rows:
        """(n, dimensions) to (n, columns), not of unit length. Raises CodecError."""
        fitted = _fitted.get(self.checksum)
        if fitted is None:
            raise CodecError(
                f"the transform {self.checksum[:12]} was not read; expected its matrix"
            )
        if rows.ndim != 2 or rows.shape[1] != self.dimensions:
            raise CodecError(
                f"vectors of shape {rows.shape}; expected (n, {self.dimensions}), which the "
                "collection's transform rotates"
            )
        return np.asarray(rows, dtype=np.float32) @ fitted.matrix

    def rotate_queries(self, rows: Rows) -> Rows:
        """As `rotate`, with the weights of queries."""
        return self.rotate(rows) * self.weights

    @property
    def matrix(self) -> Matrix:
        """(dimensions, columns). Raises KeyError if it was not read."""
        return _fitted[self.checksum].matrix

    @property
    def weights(self) -> Matrix:
        """(columns,), around 1. Raises KeyError if it was not read."""
        return _fitted[self.checksum].weights

    @property
    def raw(self) -> bytes:
        """What is stored: the matrix, row by row, and the weights, as little-endian floats."""
        return _fitted[self.checksum].raw

    @property
    def is_read(self) -> bool:
        return self.checksum in _fitted


def fit_transform(rows: Rows, columns: int) -> Transform:
    """A rotation for unit rows, (n, dimensions), that keeps `columns` of them.

    float64 throughout, with fixed signs, so that other kernels give the same matrix to 1e-6.
    """
    sample = np.asarray(rows, dtype=np.float64)
    count, dimensions = sample.shape
    moment = sample.T @ sample / count
    total = float(np.trace(moment))
    # In directions where the sample is empty, any vectors would do; this makes it always the same.
    ramp = np.linspace(1, 0, dimensions) * _RAMP * total / dimensions
    values, vectors = np.linalg.eigh(moment + np.diag(ramp))
    order = np.argsort(values)[::-1][:columns]
    matrix = np.ascontiguousarray(_signed(vectors[:, order]), dtype=np.float32)
    kept = float(np.einsum("ij,ij->", sample @ matrix, sample @ matrix) / count / total)
    weights = np.maximum(values[order], _FLOOR * total / dimensions) ** _POWER
    checksum = _remember(_Fitted(matrix, (weights / weights.mean()).astype(np.float32)))
    return Transform("pca", dimensions, columns, checksum, count, round(min(kept, 1.0), 6))


def _signed(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvectors whose first component that stands out is positive."""
    largest = np.abs(vectors).max(axis=0)
    first = np.argmax(np.abs(vectors) >= largest / 2, axis=0)
    signs: NDArray[np.float64] = np.sign(vectors[first, np.arange(vectors.shape[1])])
    return vectors * signs


def checksum_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _remember(fitted: _Fitted) -> str:
    checksum = checksum_of(fitted.raw)
    _fitted[checksum] = fitted
    return checksum


def write_transform(database: Database[Any], transform: Transform) -> None:
    """Store the matrix before a manifest names it; see store.matrices for its end."""
    raw = transform.raw
    parts = [raw[at : at + PART] for at in range(0, len(raw), PART)]
    for number, part in enumerate(parts):
        id = f"{transform.checksum}/{number}"
        own = {"transform": transform.checksum, "part": number, "data": Binary(part)}
        change = {"$set": own, "$currentDate": {"written": True}}
        database[TRANSFORMS].update_one({"_id": id}, change, upsert=True)


def parts_pipeline(transform: Transform) -> list[dict[str, Any]]:
    """Finds the parts of a matrix, for `accept_parts`."""
    return [{"$match": {"transform": transform.checksum}}, {"$sort": {"part": 1}}]


def accept_parts(transform: Transform, parts: Iterable[Mapping[str, Any]], collection: str) -> None:
    """Put a matrix together. Raises ManifestError if it is not the one that was fitted."""
    raw = b"".join(part["data"] for part in parts)
    if checksum_of(raw) != transform.checksum:
        what = "is missing" if not raw else "is damaged"
        raise ManifestError(
            f"the transform of {collection} {what} in {TRANSFORMS} ({transform.checksum[:12]}); "
            "its vectors cannot be compared without it. Restore it from a backup, or build the "
            "collection again with leaf-ingest --rebuild"
        )
    numbers = np.frombuffer(raw, dtype="<f4").reshape(-1, transform.columns)
    _fitted[transform.checksum] = _Fitted(numbers[:-1], numbers[-1])


def read_transforms(
    database: Database[Any], transforms: Iterable[Transform | None], collection: str
) -> None:
    """Read the matrices of a collection that this process has not read. Raises ManifestError."""
    for transform in transforms:
        if transform is not None and not transform.is_read:
            parts = database[TRANSFORMS].aggregate(parts_pipeline(transform))
            accept_parts(transform, parts, collection)


def parse_transform(document: Mapping[str, Any] | None) -> Transform | None:
    """The transform of a manifest. Raises ValueError for a kind that this version does not know."""
    if document is None:
        return None
    if document.get("kind") not in KINDS:
        raise ValueError(f"kind {document.get('kind')!r}")
    return Transform(**document)


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
