import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from leafsearch.vectors import Codec, CodecError
from leafsearch.vectors.encoders import unit_rows

ROW = np.array([[0.6, -0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1]], dtype=np.float32)


def test_float32_bytes() -> None:
    (stored,) = Codec(2, "float32").compress(ROW)

    assert bytes(stored) == b"\x27\x00" + struct.pack("<2f", np.float32(0.6), np.float32(-0.8))
    assert stored.subtype == 9


def test_int8_bytes() -> None:
    (stored,) = Codec(2, "int8", scale=0.8 / 127).compress(ROW)

    assert bytes(stored) == b"\x03\x00" + struct.pack("<2b", round(0.6 / 0.8 * 127), -127)


def test_bits_come_highest_first_and_zero_is_not_positive() -> None:
    (stored,) = Codec(8, "binary").compress(ROW)

    assert bytes(stored) == b"\x10\x00" + bytes([0b1000_0001])


def test_a_truncated_row_is_of_unit_length_again() -> None:
    rows = unit_rows(np.ones((1, 64), dtype=np.float32))
    codec = Codec(16, "float32")

    stored = np.frombuffer(codec.compress(rows)[0][2:], "<f4")

    assert np.linalg.norm(stored) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("precision", "size"), [("float32", 2 + 4 * 16), ("int8", 2 + 16), ("binary", 2 + 2)]
)
def test_size_counts_the_stored_bytes(precision: str, size: int) -> None:
    rows = unit_rows(np.random.default_rng(1).normal(size=(3, 16)))
    codec = Codec.calibrate(16, precision, rows)

    assert codec.size == size
    assert {len(value) for value in codec.compress(rows)} == {size}


@pytest.mark.parametrize(("precision", "least"), [("float32", 1 - 1e-6), ("int8", 0.999)])
def test_expanding_restores_compressed_vectors(precision: str, least: float) -> None:
    rows = unit_rows(np.random.default_rng(2).normal(size=(50, 256)))
    codec = Codec.calibrate(256, precision, rows)

    expanded = codec.expand(codec.compress(rows))

    assert np.einsum("ij,ij->i", rows, expanded).min() >= least


def test_bits_expand_to_plus_and_minus() -> None:
    rows = unit_rows(np.random.default_rng(3).normal(size=(5, 64)))
    codec = Codec(64, "binary")

    assert np.allclose(codec.expand(codec.compress(rows)), np.where(rows > 0, 1, -1) / 8)


@given(hnp.arrays(np.float32, (4, 24), elements=st.floats(-1, 1, width=32)))
def test_the_same_rows_give_the_same_bytes_wherever_they_lie_in_memory(rows: np.ndarray) -> None:
    rows[:, 0] = 1
    flipped = np.asfortranarray(rows)[:, ::-1][:, ::-1]

    assert Codec(24, "float32").compress(rows) == Codec(24, "float32").compress(flipped)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_invalid_numbers_are_rejected(bad: float, precision: str) -> None:
    rows = np.ones((3, 8), dtype=np.float32)
    rows[1, 2] = bad

    with pytest.raises(CodecError, match="vector 1 of 3 holds NaN"):
        Codec(8, precision, 0.01).compress(rows)


def test_a_row_of_zeros_is_rejected_even_if_only_after_truncation() -> None:
    with pytest.raises(CodecError, match="only zeros in the 2 dimensions"):
        Codec(2, "float32").compress(np.array([[0, 0, 1]], dtype=np.float32))


def test_int8_needs_a_scale() -> None:
    with pytest.raises(CodecError, match="without a scale"):
        Codec(8, "int8").compress(ROW)
    with pytest.raises(CodecError, match="needs some vectors"):
        Codec.calibrate(8, "int8", ROW[:0])


def test_rows_that_are_too_short_are_rejected() -> None:
    with pytest.raises(CodecError, match=r"\(1, 8\); expected \(n, 16 or more\)"):
        Codec(16, "float32").compress(ROW)


def test_a_stored_value_of_another_type_is_rejected() -> None:
    (bits,) = Codec(8, "binary").compress(ROW)

    with pytest.raises(CodecError, match="expected 34 bytes beginning 27 00"):
        Codec(8, "float32").expand([bits])
    with pytest.raises(CodecError, match="a stored vector is list; expected 34 bytes"):
        Codec(8, "float32").expand([[0.5] * 8])  # type: ignore[list-item]
