"""Which filters are accepted: grammar (section 4.1), types (4.2), declared paths (4.3)."""

import datetime
import uuid
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS

from leafmongo.engine.errors import Refused
from leafmongo.engine.filters.syntax import (
    AllOf,
    AnyOf,
    Equals,
    Exists,
    In,
    Not,
    Range,
    parse_filter,
    required_paths,
)
from leafmongo.engine.filters.values import Key, KeyKind

ONE = Key(KeyKind.INT, 1)
TWO = Key(KeyKind.INT, 2)
WHEN = datetime.datetime(1970, 1, 1, 0, 0, 1, 2000)
ID = uuid.UUID("12345678123456781234567812345678")


@pytest.mark.semantics("4.1")
@pytest.mark.parametrize(
    ("given", "clause"),
    [
        ({}, AllOf(())),
        ({"a": 1}, Equals("a", ONE)),
        ({"a": {"$eq": 1}}, Equals("a", ONE)),
        ({"a": {"$ne": 1}}, Not(Equals("a", ONE))),
        ({"a": {"$gt": 1, "$lte": 2}}, AllOf((Range("a", "$gt", ONE), Range("a", "$lte", TWO)))),
        ({"a": {"$in": [1, 2]}}, In("a", (ONE, TWO))),
        ({"a": {"$nin": [1]}}, Not(In("a", (ONE,)))),
        ({"a": {"$exists": True}}, Exists("a")),
        ({"a": {"$exists": False}}, Not(Exists("a"))),
        ({"a": {"$not": {"$not": {"$gt": 1}}}}, Not(Not(Range("a", "$gt", ONE)))),
        ({"a": 1, "b.c": 2}, AllOf((Equals("a", ONE), Equals("b.c", TWO)))),
        ({"$and": [{"a": 1}, {}]}, AllOf((Equals("a", ONE), AllOf(())))),
        ({"$or": [{"a": 1}, {"b": 2}]}, AnyOf((Equals("a", ONE), Equals("b", TWO)))),
        ({"$nor": [{"a": 1}]}, Not(AnyOf((Equals("a", ONE),)))),
        ({"$or": [{"a": 1}], "b": 2}, AllOf((AnyOf((Equals("a", ONE),)), Equals("b", TWO)))),
    ],
)
def test_grammar(given: dict[str, Any], clause: Any) -> None:
    assert parse_filter(given) == clause


@pytest.mark.semantics("4.2")
@pytest.mark.parametrize(
    ("value", "key"),
    [
        (True, Key(KeyKind.BOOLEAN, 1)),
        (Int64(7), Key(KeyKind.INT, 7)),
        (1.5, Key(KeyKind.DOUBLE, 1.5)),
        ("é", Key(KeyKind.STRING, b"\xc3\xa9")),
        (ObjectId("00" * 12), Key(KeyKind.OBJECT_ID, bytes(12))),
        (WHEN, Key(KeyKind.DATE, 1002)),
        (WHEN.replace(tzinfo=datetime.UTC), Key(KeyKind.DATE, 1002)),
        (DatetimeMS(-5), Key(KeyKind.DATE, -5)),
        (ID, Key(KeyKind.UUID, ID.bytes)),
        (Binary(ID.bytes, 4), Key(KeyKind.UUID, ID.bytes)),
        (None, Key(KeyKind.NULL, None)),
    ],
)
def test_types(value: Any, key: Key) -> None:
    assert parse_filter({"a": value}) == Equals("a", key)
    if value is not None:
        assert parse_filter({"a": {"$lt": value}}) == Range("a", "$lt", key)
        assert parse_filter({"a": {"$in": [value]}}) == In("a", (key,))


@pytest.mark.semantics("4.2")
@pytest.mark.parametrize(
    "value",
    [[1], {"b": 1}, {}, Decimal128("1"), Timestamp(1, 1), Regex("x")],
    ids=["array", "document", "empty document", "decimal", "timestamp", "regex"],
)
@pytest.mark.parametrize("shape", ["short", "$eq", "$ne", "$gt", "$in"])
def test_other_types_are_rejected(value: Any, shape: str) -> None:
    condition: Any = value if shape == "short" else {shape: [value] if shape == "$in" else value}

    with pytest.raises(Refused, match="must be a boolean, objectId, number, string, date, uuid"):
        parse_filter({"a": condition})


@pytest.mark.semantics("4.2")
@pytest.mark.parametrize("value", [b"0123456789abcdef", Binary(ID.bytes, 3), Binary(b"x", 4)])
def test_binary_must_be_a_uuid(value: bytes) -> None:
    with pytest.raises(Refused, match="binary value must be UUID subtype 4"):
        parse_filter({"a": value})


@pytest.mark.semantics("4.1", "4.2")
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"$and": []}, '"filter.$and" cannot be empty'),
        ({"$or": {}}, '"filter.$or" must be an array'),
        ({"$nor": [1]}, r"filter.\$nor\[0\] must be a document"),
        ({"a": {"$in": []}}, '"filter.a.$in" cannot be empty'),
        ({"a": {"$in": 1}}, '"filter.a.$in" must be an array'),
        ({"a": {"$in": [1, "x"]}}, "must have elements of the same type"),
        ({"a": {"$nin": [True, 1]}}, "must have elements of the same type"),
        ({"a": {"$in": [None]}}, "value type cannot be null"),
        ({"a": {"$gt": None}}, '"filter.a.$gt" must be'),
        ({"a": {"$exists": 1}}, '"filter.a.$exists" must be a boolean'),
        ({"a": {"$exists": None}}, '"filter.a.$exists" must be a boolean'),
        ({"a": {"$not": {}}}, '"filter.a.$not" must be a document of operators'),
        ({"a": {"$not": 1}}, '"filter.a.$not" must be a document of operators'),
        ({"a": {"$gt": 1, "b": 2}}, 'unrecognized field "filter.a.b"'),
        ({"a": {"$regex": "x"}}, 'unrecognized field "filter.a.$regex"'),
        ({"a": {"$elemMatch": {"$gt": 1}}}, "unrecognized field"),
        ({"a": {"$size": 1}}, "unrecognized field"),
        ({"a": {"$not": {"$all": [1]}}}, 'unrecognized field "filter.a.$not.$all"'),
    ],
)
def test_rejects(given: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text.replace("$", r"\$") if "\\" not in text else text):
        parse_filter(given)


@pytest.mark.semantics("4.2")
def test_integers_and_doubles_mix_in_a_list() -> None:
    assert parse_filter({"a": {"$in": [1, 1.5]}}) == In("a", (ONE, Key(KeyKind.DOUBLE, 1.5)))


@pytest.mark.semantics("4.3")
@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"$or": [{"a": 1}, {"$nor": [{"b": {"$not": {"$gt": 2}}}]}]}, ["a", "b"]),
        ({"a": {"$exists": True}, "b": {"$in": [1]}}, ["a", "b"]),
        ({"a": None, "b": {"$ne": None}, "c": {"$not": {"$eq": None}}}, []),
    ],
)
def test_only_comparisons_with_null_need_no_declared_path(
    given: dict[str, Any], paths: list[str]
) -> None:
    assert list(required_paths(parse_filter(given))) == paths
