"""Filters match as in section 4.4: each fact by example, then all against plain Python."""

import datetime
import math
import operator
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from hypothesis import given, settings
from hypothesis import strategies as st

from leafmongo.engine import VectorIndex, parse_definition, parse_query

pytestmark = pytest.mark.semantics("4.4")

VECTOR = {"type": "vector", "path": "v", "numDimensions": 1, "similarity": "euclidean"}
FILTERS = [{"type": "filter", "path": path} for path in ("a", "b", "o.x")]
DEFINITION = parse_definition({"fields": [VECTOR, *FILTERS]})
ID = uuid.UUID("12345678123456781234567812345678")
MISSING = object()


def found(documents: list[dict[str, Any]], condition: dict[str, Any]) -> list[int]:
    """The ascending numbers of the documents that pass."""
    index = VectorIndex(DEFINITION)
    index.upsert_many({**each, "_id": i, "v": [1.0]} for i, each in enumerate(documents))
    stage = {"index": "i", "path": "v", "queryVector": [1.0], "limit": 1000, "exact": True}
    return sorted(match.id for match in index.search(parse_query({**stage, "filter": condition})))


def matches(value: Any, condition: Any) -> bool:
    """Whether a document whose `a` is this (or that has none) passes."""
    document = {} if value is MISSING else {"a": value}
    return found([document], {"a": condition}) == [0]


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        (3, 3.0),
        (3.0, 3),
        (Int64(3), {"$eq": 3}),
        (-0.0, 0.0),
        (0, -0.0),
        (2**53 + 1, 2**53 + 1),
        (3, {"$gt": 2.5}),
        (2.75, {"$gt": 2.5}),
        (2.75, {"$gt": 2}),
        (2, {"$lte": 2.0}),
        (-3, {"$lt": -2.5}),
        (5, {"$lt": 1e300}),
        (5, {"$gt": -1e300}),
        (5, {"$lt": math.inf}),
        (-(2**63), {"$gte": -(2.0**63)}),
        (2**63 - 1, {"$lt": 2.0**63}),
        (math.inf, math.inf),
        (1, {"$in": [1.9]}),
        (1.9, {"$in": [1.9]}),
        (-1, {"$in": [-1.9]}),
        (2.0, {"$in": [2]}),
        ("abc", "abc"),
        ("b", {"$gt": "a"}),
        ("é", {"$gt": "z"}),
        ("\U0001f600", {"$gt": "\uffff"}),
        (True, True),
        (True, {"$gt": False}),
        (False, {"$lt": True}),
        (False, {"$gte": False}),
        (True, {"$gte": False}),
        (datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 1)),
        (datetime.datetime(2026, 1, 2), {"$gt": datetime.datetime(2026, 1, 1)}),
        (DatetimeMS(5), {"$lt": DatetimeMS(6)}),
        (ObjectId("0" * 23 + "2"), {"$gt": ObjectId("0" * 23 + "1")}),
        (ID, ID),
        (Binary(ID.bytes, 4), ID),
        (ID, {"$gte": ID}),
        ([1, 5], 5),
        ([1, [2, [5]]], 5),
        ([3, 9], {"$gt": 5, "$lt": 4}),
        ([1, "x"], {"$in": ["x"]}),
        (None, None),
        ([1, None], None),
        (None, {"$exists": True}),
        ([], {"$exists": True}),
        ({"x": 1}, {"$exists": True}),
        (Decimal128("1"), {"$exists": True}),
        (MISSING, {"$exists": False}),
        (MISSING, {"$ne": 5}),
        (MISSING, {"$nin": [5]}),
        (MISSING, {"$not": {"$gt": 5}}),
        (MISSING, {"$ne": None}),
        ("5", {"$ne": 5}),
        ([], {"$ne": 5}),
        ([1, 2], {"$ne": 5}),
    ],
)
def test_matches(value: Any, condition: Any) -> None:
    assert matches(value, condition)


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        ("5", 5),
        (True, 1),
        (1, True),
        (0, False),
        (0, None),
        (1, {"$eq": 1.9}),
        (2, {"$in": [1.9]}),
        (2**53 + 1, 2**53),
        (2**53 + 1, {"$lte": 2.0**53}),
        (2, {"$gt": 2.5}),
        (2**63 - 1, {"$gte": 2.0**63}),
        (math.nan, {"$gt": 0}),
        (math.nan, {"$lt": 0}),
        (math.inf, {"$gt": 0}),
        (-math.inf, {"$lt": 0}),
        (1, {"$gt": math.nan}),
        ("5", {"$gt": 1}),
        (5, {"$gt": "1"}),
        ("ABC", "abc"),
        ("abc ", "abc"),
        ("e\u0301", "\u00e9"),
        (True, {"$lt": True}),
        (str(ID), ID),
        (Binary(ID.bytes, 3), {"$gte": ID}),
        (Decimal128("1"), 1),
        ([1, 2], {"$gt": 2}),
        ([1, 5], {"$ne": 5}),
        ([1, 5], {"$nin": [5]}),
        ([1, 9], {"$not": {"$gt": 5}}),
        (MISSING, None),
        (None, {"$ne": None}),
        ([], None),
        (MISSING, {"$exists": True}),
        (None, {"$exists": False}),
        (MISSING, {"$gt": -math.inf}),
        ({"x": 1}, 1),
    ],
)
def test_does_not_match(value: Any, condition: Any) -> None:
    assert not matches(value, condition)


def test_sub_documents_in_arrays_contribute_to_dotted_paths() -> None:
    documents: list[dict[str, Any]] = [
        {"o": {"x": 1}},
        {"o": [{"x": 2}, {"x": 1}]},
        {"o": [[{"x": [7, 1]}]]},
        {"o.x": 1},
        {"o": {"y": 1}},
        {"o": 1},
    ]

    assert found(documents, {"o.x": 1}) == [0, 1, 2, 3]
    assert found(documents, {"o.x": {"$exists": False}}) == [4, 5]


def test_numbers_in_paths_are_keys_not_positions() -> None:
    definition = parse_definition({"fields": [VECTOR, {"type": "filter", "path": "a.0"}]})
    index = VectorIndex(definition)
    index.upsert_many([{"_id": 1, "v": [1.0], "a": [5]}, {"_id": 2, "v": [1.0], "a": {"0": 5}}])
    stage = {"index": "i", "path": "v", "queryVector": [1.0], "limit": 9, "exact": True}

    matched = index.search(parse_query({**stage, "filter": {"a.0": 5}}))

    assert [match.id for match in matched] == [2]


def test_literal_key_may_span_a_part_of_the_path() -> None:
    definition = parse_definition({"fields": [VECTOR, {"type": "filter", "path": "a.b.c"}]})
    index = VectorIndex(definition)
    shapes: list[dict[str, Any]] = [
        {"a": {"b": {"c": 1}}},
        {"a.b": {"c": 1}},
        {"a": {"b.c": 1}},
        {"a.b.c": 1},
        {"a.c": 1},
    ]
    index.upsert_many({**shape, "_id": i, "v": [1.0]} for i, shape in enumerate(shapes))
    stage = {"index": "i", "path": "v", "queryVector": [1.0], "limit": 9, "exact": True}

    matched = index.search(parse_query({**stage, "filter": {"a.b.c": 1}}))

    assert [match.id for match in matched] == [0, 1, 2, 3]


def test_long_strings_are_truncated_in_the_index_but_not_in_filters() -> None:
    long, cut = "x" * 8192, "x" * 8191

    assert not matches(long, long)
    assert matches(long, cut)
    assert matches("\U0001f600" * 8191, {"$lt": "\U0001f600" * 8191})


@pytest.mark.semantics("4.3")
def test_undeclared_path_never_equals_null() -> None:
    documents: list[dict[str, Any]] = [{"z": None}, {"z": 1}]

    assert found(documents, {"z": None}) == []
    assert found(documents, {"z": {"$ne": None}}) == [0, 1]


@pytest.mark.semantics("4.1")
def test_empty_filter_matches_all() -> None:
    assert found([{}, {"a": 1}], {}) == [0, 1]
    assert found([{}, {"a": 1}], {"$or": [{"a": 2}, {}]}) == [0, 1]


# -- against plain Python ---------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1]),
    st.sampled_from([-1.5, 0.0, 1.0, 1.9, 2.5, 1e300, 2.0**53, 2.0**63, -(2.0**63)]),
    st.sampled_from(["", "a", "b", "é"]),
    st.sampled_from([datetime.datetime(2026, 1, day) for day in (1, 2)]),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
documents = st.lists(
    st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2), min_size=1, max_size=8
)
comparable = scalars.filter(lambda value: value is not None)
conditions = st.one_of(
    st.fixed_dictionaries({"$eq": scalars}),
    st.fixed_dictionaries({"$ne": scalars}),
    st.dictionaries(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), comparable, min_size=1, max_size=2
    ),
    st.fixed_dictionaries({"$in": st.lists(st.integers(-3, 3), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"$nin": st.lists(st.sampled_from(["", "a"]), min_size=1)}),
    st.fixed_dictionaries({"$exists": st.booleans()}),
)
negated = conditions | conditions.map(lambda condition: {"$not": condition})
leaves = st.dictionaries(st.sampled_from(["a", "b"]), negated | scalars, max_size=2)
filters = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda name, clauses: {name: clauses},
        st.sampled_from(["$and", "$or", "$nor"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def kind(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value).__name__
    return "number"


def flat(value: Any) -> list[Any]:
    return [each for part in value for each in flat(part)] if isinstance(value, list) else [value]


def compares(name: str, value: Any, other: Any) -> bool:
    """Compare like the columns: an integer compares with doubles as a double."""
    if kind(value) != kind(other):
        return False
    if value is None:
        return name == "$eq"
    if isinstance(value, str):
        value, other = value.encode(), other.encode()
    if isinstance(value, float) and kind(other) == "number":
        other = float(other)
    return COMPARISONS[name](value, other)


def passes(document: dict[str, Any], path: str, name: str, wanted: Any) -> bool:
    values = flat(document[path]) if path in document else []
    match name:
        case "$exists":
            return (path in document) == wanted
        case "$not":
            return not all(passes(document, path, *item) for item in wanted.items())
        case "$ne":
            return not passes(document, path, "$eq", wanted)
        case "$nin":
            return not passes(document, path, "$in", wanted)
        case "$in":
            return any(compares("$eq", value, each) for value in values for each in wanted)
    return any(compares(name, value, wanted) for value in values)


def naive(document: dict[str, Any], condition: dict[str, Any]) -> bool:
    def entry(key: str, value: Any) -> bool:
        if key == "$and":
            return all(naive(document, clause) for clause in value)
        if key == "$or":
            return any(naive(document, clause) for clause in value)
        if key == "$nor":
            return not any(naive(document, clause) for clause in value)
        operators = value if isinstance(value, dict) else {"$eq": value}
        return all(passes(document, key, *item) for item in operators.items())

    return all(entry(key, value) for key, value in condition.items())


@settings(max_examples=200, deadline=None)
@given(documents, filters)
def test_filters_agree_with_plain_python(
    documents: list[dict[str, Any]], condition: dict[str, Any]
) -> None:
    expected = [i for i, document in enumerate(documents) if naive(document, condition)]

    assert found(documents, condition) == expected


NUMBERS = (
    st.integers(-3, 3)
    | st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1])
    | st.sampled_from([0.0, -0.0, 1.0, 1.9, -2.5, 1e300, -1e300, math.inf, -math.inf, math.nan])
)
OF_ONE_KIND = st.one_of(
    st.lists(NUMBERS, min_size=1),
    st.lists(st.text(max_size=2), min_size=1),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.sampled_from([ObjectId(bytes([n]) * 12) for n in range(3)]), min_size=1),
    st.lists(st.sampled_from([Binary.from_uuid(uuid.UUID(int=n)) for n in range(3)]), min_size=1),
    st.lists(st.dates().map(lambda d: datetime.datetime(d.year, d.month, d.day)), min_size=1),
)


@settings(deadline=None)
@given(OF_ONE_KIND, OF_ONE_KIND)
def test_many_values_match_like_each_alone(stored: list[Any], wanted: list[Any]) -> None:
    documents = [{"a": value} for value in [*stored, *wanted]]
    many = wanted * (1001 // len(wanted) + 1)

    assert found(documents, {"a": {"$in": many}}) == found(documents, {"a": {"$in": wanted}})
    assert found(documents, {"a": {"$nin": many}}) == found(documents, {"a": {"$nin": wanted}})
