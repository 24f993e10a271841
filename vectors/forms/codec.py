"""Unit float rows to the bytes that MongoDB stores (BinData subtype 9), and back.

Rotate (see transform), or not -> truncate (Matryoshka, arXiv 2205.13147) -> re-normalise ->
quantise, in this order: without re-normalising, a truncated row is no unit vector, and its scores
are wrong.

    float32   27 00, little-endian floats
    int8      03 00, round(x / scale), clipped to -127..127; one scale for all dimensions, so that
              the cosine of codes is the cosine of the vectors
    binary    10 00, the sign bits (1 where x > 0), first dimension in the highest bit
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray

from leafsearch.config.hint import hint
from leafsearch.config.storage import Precision
from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.errors import CodecError
from leafsearch.vectors.forms.estimate import Form, vector_bytes
from leafsearch.vectors.forms.transform import Transform

UNIT_TOLERANCE = 0.01  # of length; models in half precision deviate by a tenth of that
_HEADERS: dict[str, bytes] = {"float32": b"\x27\x00", "int8": b"\x03\x00", "binary": b"\x10\x00"}


@dataclass(frozen=True)
class Codec:
    """`scale` is the size of one int8 step; only int8 needs it.

    `beside` is the precision of a second vector, which is stored beside the indexed one to rescore
    what the index finds.
    """

    dimensions: int
    precision: Precision
    scale: float | None = None
    transform: Transform | None = None
    beside: Precision | None = None

    @classmethod
    def calibrate(
        cls,
        dimensions: int,
        precision: Precision,
        rows: Rows,
        transform: Transform | None = None,
        beside: Precision | None = None,
    ) -> "Codec":
        """A codec whose int8 scale maps the largest value of `rows`, (n, >= dimensions), to 127.

        Raises CodecError for rows that `compress` would reject.
        """
        codec = cls(dimensions, precision, None, transform, beside)
        cut = codec.project(rows)
        if "int8" not in (precision, beside):
            return codec
        if not len(rows):
            raise CodecError("int8 needs some vectors to calibrate its scale; got none")
        return replace(codec, scale=float(np.abs(cut).max()) / 127)

    @property
    def exact(self) -> "Codec":
        """The codec of the stored vectors that keep the most."""
        if self.beside is None:
            return self
        return replace(self, precision=self.beside, beside=None)

    @property
    def form(self) -> Form:
        return Form(self.dimensions, self.precision, self.beside, self.transform is not None)

    def compress(self, rows: Rows) -> list[Binary]:
        """Encode whole rows, (n, >= dimensions). Raises CodecError on NaN, infinity or zeros."""
        return self.encode(self.project(rows))

    def project(self, rows: Rows) -> Rows:
        """Whole rows, rotated if there is a transform, as (n, dimensions) unit rows. Raises
        CodecError on NaN, infinity or zeros."""
        if self.transform is None:
            return _truncate(rows, self.dimensions)
        _require_finite(rows, rows.shape[-1])
        return _truncate(self.transform.rotate(rows), self.dimensions)

    def project_queries(self, rows: Rows) -> Rows:
        """As `project`, with the weights that a transform gives to queries."""
        if self.transform is None:
            return _truncate(rows, self.dimensions)
        _require_finite(rows, rows.shape[-1])
        return _truncate(self.transform.rotate_queries(rows), self.dimensions)

    def encode(self, projected: Rows) -> list[Binary]:
        """Encode rows that `project` or `project_queries` returned."""
        header = _HEADERS[self.precision]
        codes = self._quantise(projected)
        return [Binary(header + code.tobytes(), VECTOR_SUBTYPE) for code in codes]

    def is_sound(self, value: object) -> bool:
        """Whether `value` is a stored vector of this codec: right header, size and length."""
        header = _HEADERS[self.precision]
        if not isinstance(value, bytes) or value[:2] != header or len(value) != self.size:
            return False
        if self.precision == "binary":
            return True
        raw = np.frombuffer(value, dtype=np.uint8, offset=2)[None, :]
        length = float(np.linalg.norm(self._dequantise(raw).astype(np.float64)))
        if self.precision == "int8":
            return length > 0
        return abs(length - 1) <= UNIT_TOLERANCE  # also false for NaN

    @property
    def bounds(self) -> tuple[Binary, Binary]:
        """The least and the greatest stored value in the server's order: by size, then by bytes.

        The least one encodes zeros.
        """
        header, size = _HEADERS[self.precision], self.size - 2
        return (
            Binary(header + bytes(size), VECTOR_SUBTYPE),
            Binary(header + b"\xff" * size, VECTOR_SUBTYPE),
        )

    def expand(self, stored: Sequence[bytes]) -> Rows:
        """Decode stored values to (n, dimensions) unit rows."""
        header = _HEADERS[self.precision]
        for value in stored:
            if not isinstance(value, bytes) or value[:2] != header or len(value) != self.size:
                doctor = hint("leaf-search doctor")
                raise CodecError(
                    f"a stored vector {_describe(value)}; expected {self.size} bytes beginning "
                    f"{header.hex(' ')} ({self.precision}). {doctor} lists such vectors"
                )
        raw = np.frombuffer(b"".join(value[2:] for value in stored), dtype=np.uint8)
        return unit_rows(self._dequantise(raw.reshape(len(stored), self.size - 2)))

    @property
    def size(self) -> int:
        """Bytes of one indexed vector, header included."""
        return vector_bytes(self.dimensions, self.precision)

    def _quantise(self, rows: Rows) -> NDArray[Any]:
        if self.precision == "float32":
            return rows.astype("<f4")
        if self.precision == "binary":
            return np.packbits(rows > 0, axis=1)
        if not self.scale:
            raise CodecError("int8 codec without a scale; expected one from Codec.calibrate")
        codes: NDArray[np.int8] = np.clip(np.rint(rows / self.scale), -127, 127).astype(np.int8)
        return codes

    def _dequantise(self, raw: NDArray[np.uint8]) -> NDArray[np.floating]:
        if self.precision == "float32":
            return raw.view("<f4")
        if self.precision == "int8":
            return raw.view(np.int8).astype(np.float32)
        return np.unpackbits(raw, axis=1).astype(np.float32) * 2 - 1


def _describe(value: object) -> str:
    if not isinstance(value, bytes):
        return f"is {type(value).__name__}"
    return f"has {len(value)} bytes beginning {value[:2].hex(' ')}"


def _truncate(rows: Rows, dimensions: int) -> Rows:
    if rows.ndim != 2 or rows.shape[1] < dimensions:
        raise CodecError(f"vectors of shape {rows.shape}; expected (n, {dimensions} or more)")
    cut = np.ascontiguousarray(rows[:, :dimensions])
    _require_finite(cut, dimensions)
    return unit_rows(cut)


def _require_finite(rows: Rows, dimensions: int) -> None:
    bad = ~np.isfinite(rows).all(axis=1) | ~rows.any(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise CodecError(
            f"vector {row} of {len(rows)} holds NaN, infinity or only zeros in the {dimensions} "
            "dimensions that are stored, so no search can compare it; expected numbers. Store more "
            "dimensions, or leave the text out",
            row=row,
        )
