"""Decoding and encoding in pieces equals that of PyMongo."""

import datetime as dt
import re
from contextlib import suppress
from typing import Any

import bson
import pytest
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.errors import BSONError
from hypothesis import given, settings
from hypothesis import strategies as st

from leafmongo.proxy import large_bson
from leafmongo.proxy.wire import CODEC, LENIENT

EVERY_TYPE: dict[str, Any] = {
    "double": 1.5, "text": "é" * 40, "document": {"a": 1, "_id": 2}, "array": [1, [2, {"_id": 3}]],
    "binary": Binary(b"abc", 9), "uuid": Binary(b"a" * 16, 4), "id": ObjectId(), "bool": True,
    "date": dt.datetime(2020, 1, 1), "null": None, "regex": re.compile("a.b"), "code": Code("f"),
    "scoped": Code("f", {"a": 1}), "int": 7, "time": Timestamp(1, 2), "long": Int64(2**40),
    "decimal": Decimal128("1.5"), "least": MinKey(), "most": MaxKey(), "reference": DBRef("a", 1),
    "nothing": {}, "none": [], "_id": "not first",
}  # fmt: skip
# Decoding in pieces returns a reference as a document.
SCALARS = st.sampled_from([value for value in EVERY_TYPE.values() if not isinstance(value, DBRef)])
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


def as_it_stands(document: dict[str, Any]) -> bytes:
    """PyMongo moves an `_id` to the front at the top level only."""
    return bson.encode({"": document}, codec_options=CODEC)[6:-1]


@settings(deadline=None)
@given(st.dictionaries(names, values, max_size=8), st.integers(5, 100))
def test_decoding_in_pieces_equals_bson_decode(document: dict[str, Any], step: int) -> None:
    encoded = as_it_stands(document)

    decoded = large_bson.decode(encoded, CODEC, step=step)

    assert decoded == bson.decode(encoded, CODEC)
    assert large_bson.encode(decoded, CODEC) == encoded


def test_every_type_is_read_by_itself() -> None:
    encoded = as_it_stands(EVERY_TYPE)

    decoded = large_bson.decode(encoded, CODEC, step=5)

    assert list(decoded) == list(EVERY_TYPE)
    assert large_bson.encode(decoded, CODEC) == encoded


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_damaged_bytes_are_rejected_or_decoded(data: st.DataObject) -> None:
    encoded = bytearray(as_it_stands(EVERY_TYPE))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(encoded)))
    for damaged in (encoded, encoded[:cut]):
        with suppress(BSONError, OverflowError, UnicodeDecodeError):
            large_bson.decode(bytes(damaged), LENIENT, step=5)


def test_nesting_too_deeply_is_a_recursion_error() -> None:
    deep: dict[str, Any] = {"x": "x" * 100}
    for _ in range(300):
        deep = {"a": deep}

    with pytest.raises(RecursionError):
        large_bson.decode(bson.encode(deep), CODEC, step=5)


def test_released_document_is_empty() -> None:
    inner = [{"a": [1, 2]}] * 3
    document = {"many": list(range(5000)), "inner": inner}

    large_bson.release(document)

    assert (document, inner) == ({}, [])
