"""Between unit float rows and the bytes that MongoDB stores (BinData subtype 9).

Truncate (Matryoshka, arXiv 2205.13147) -> re-normalise -> quantise, in this order: a truncated row
that is not re-normalised is no unit vector, and scores computed from it are wrong.

    float32   27 00, little-endian floats
    int8      03 00, round(x / scale), clipped to -127..127; one scale for all dimensions, so that
              the cosine of codes is the cosine of what they stand for
    binary    10 00, the sign bits (1 where x > 0), first dimension in the highest bit
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from numpy.typing import NDArray

from leafsearch.config.hint import hint
from leafsearch.config.storage import Precision
from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.errors import CodecError

UNIT_TOLERANCE = 0.01  # of length; models in half precision are off by a tenth of that
_HEADERS: dict[str, bytes] = {"float32": b"\x27\x00", "int8": b"\x03\x00", "binary": b"\x10\x00"}


@dataclass(frozen=True)
class Codec:
    """`scale` is the size of one int8 step, needed by that precision only."""

    dimensions: int
    precision: Precision
    scale: float | None = None

    @classmethod
    def calibrated(cls, dimensions: int, precision: Precision, rows: Rows) -> "Codec":
        """For int8 the largest value of a sample of rows, (n, >= dimensions), becomes 127.

        Raises CodecError for rows that `compress` would refuse.
        """
        cut = _truncated(rows, dimensions)
        if precision != "int8":
            return cls(dimensions, precision)
        if not len(rows):
            raise CodecError("int8 needs some vectors to find its scale; none were given")
        return cls(dimensions, precision, float(np.abs(cut).max()) / 127)

    def compress(self, rows: Rows) -> list[Binary]:
        """(n, >= dimensions) rows to n values; raises CodecError on NaN, infinity or zeros."""
        header = _HEADERS[self.precision]
        codes = self._quantised(_truncated(rows, self.dimensions))
        return [Binary(header + code.tobytes(), VECTOR_SUBTYPE) for code in codes]

    def is_sound(self, value: object) -> bool:
        """Whether it is a stored vector of this form that says what its document is about."""
        header = _HEADERS[self.precision]
        if not isinstance(value, bytes) or value[:2] != header or len(value) != self.size:
            return False
        if self.precision == "binary":
            return True
        raw = np.frombuffer(value, dtype=np.uint8, offset=2)[None, :]
        length = float(np.linalg.norm(self._values(raw).astype(np.float64)))
        if self.precision == "int8":
            return length > 0
        return abs(length - 1) <= UNIT_TOLERANCE  # also false of NaN

    @property
    def bounds(self) -> tuple[Binary, Binary]:
        """The least and the greatest value of this precision and size, in the server's order:
        by length, then by bytes. The least stands for zeros."""
        header, size = _HEADERS[self.precision], self.size - 2
        return (
            Binary(header + bytes(size), VECTOR_SUBTYPE),
            Binary(header + b"\xff" * size, VECTOR_SUBTYPE),
        )

    def expand(self, stored: Sequence[bytes]) -> Rows:
        """What the stored values stand for, as (n, dimensions) unit rows."""
        header = _HEADERS[self.precision]
        for value in stored:
            if not isinstance(value, bytes) or value[:2] != header or len(value) != self.size:
                doctor = hint("leaf-search doctor")
                raise CodecError(
                    f"a stored vector {_shape_of(value)}; expected {self.size} bytes beginning "
                    f"{header.hex(' ')} ({self.precision}): {doctor} tells which"
                )
        raw = np.frombuffer(b"".join(value[2:] for value in stored), dtype=np.uint8)
        return unit_rows(self._values(raw.reshape(len(stored), self.size - 2)))

    @property
    def size(self) -> int:
        """Bytes of one stored vector, header included."""
        bits = {"float32": 32, "int8": 8, "binary": 1}[self.precision]
        return 2 + self.dimensions * bits // 8

    def _quantised(self, rows: Rows) -> NDArray[Any]:
        if self.precision == "float32":
            return rows.astype("<f4")
        if self.precision == "binary":
            return np.packbits(rows > 0, axis=1)
        if not self.scale:
            raise CodecError("int8 without a scale; expected one from Codec.calibrated")
        codes: NDArray[np.int8] = np.clip(np.rint(rows / self.scale), -127, 127).astype(np.int8)
        return codes

    def _values(self, raw: NDArray[np.uint8]) -> NDArray[np.floating]:
        if self.precision == "float32":
            return raw.view("<f4")
        if self.precision == "int8":
            return raw.view(np.int8).astype(np.float32)
        return np.unpackbits(raw, axis=1).astype(np.float32) * 2 - 1


def _shape_of(value: object) -> str:
    if not isinstance(value, bytes):
        return f"is {type(value).__name__}"
    return f"has {len(value)} bytes beginning {value[:2].hex(' ')}"


def _truncated(rows: Rows, dimensions: int) -> Rows:
    if rows.ndim != 2 or rows.shape[1] < dimensions:
        raise CodecError(f"vectors of shape {rows.shape}; expected (n, {dimensions} or more)")
    cut = np.ascontiguousarray(rows[:, :dimensions])
    bad = ~np.isfinite(cut).all(axis=1) | ~cut.any(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise CodecError(
            f"vector {row} of {len(rows)} holds NaN, infinity or only zeros in its first "
            f"{dimensions} dimensions; the server would skip it without a word",
            row=row,
        )
    return unit_rows(cut)
