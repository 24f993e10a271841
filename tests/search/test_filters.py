from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from bson import Binary, Decimal128, ObjectId, Regex

from leafsearch.search import FilterError, UndeclaredPath
from leafsearch.search.filters import check_filter, required_values

DECLARED = ("document", "metadata.year", "metadata.tags")


@pytest.mark.parametrize(
    "filter",
    [
        {"metadata.year": 2020},
        {"metadata.year": {"$gte": 2020, "$lt": 2030}},
        {"metadata.year": {"$not": {"$in": [1, 2]}}, "document": {"$exists": True}},
        {"$or": [{"document": "a"}, {"$and": [{"metadata.tags": {"$nin": ["x"]}}]}]},
        {"metadata.year": None},
        {"metadata.year": {"$in": [1, 2.5]}, "metadata.tags": {"$ne": None}},
        {"metadata.year": datetime(2024, 5, 1), "metadata.tags": ObjectId()},
        {"metadata.year": Binary.from_uuid(UUID(int=7)), "metadata.tags": UUID(int=7)},
    ],
)
def test_a_filter_that_search_can_apply_passes(filter: dict[str, Any]) -> None:
    check_filter(filter, DECLARED)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"year": 1}, "did you mean metadata.year?"),
        ({"metadata.yaer": 1}, "did you mean metadata.year?"),
        ({"colour": 1}, "`leaf-ingest PATH --filter-field metadata.colour`"),
        ({"$or": [{"document": 1}, {"text": 1}]}, "filter path text is not declared"),
        ({"metadata.year": {"$regex": "2"}}, "$regex is unknown"),
        ({"metadata.year": {"$not": {"$mod": [2, 0]}}}, "$mod is unknown"),
        ({"$where": "1"}, "operator $where is unknown"),
        ({"$and": {}}, "expected a list of filters"),
        ({"$and": []}, "expected a list of filters"),
        ({"$and": ["x"]}, "expected an object"),
        ({"metadata.tags": ["x"]}, "for several values {'$in': [...]}"),
        ({"metadata.tags": {"$in": "x"}}, "$in holds 'x'; expected a list"),
        ({"metadata.tags": {"$in": []}}, "$in holds []; expected a list of values"),
        ({"metadata.tags": {"$in": ["a", 1]}}, "expected values of one kind"),
        ({"metadata.tags": {"$in": [None]}}, "$in holds None; expected a string"),
        ({"metadata.tags": {"$gt": None}}, "$gt holds None; expected a string"),
        ({"metadata.tags": {}}, "filter metadata.tags holds {}"),
        ({"metadata.tags": {"a": 1}}, "a is unknown"),
        ({"metadata.tags": {"$not": 1}}, "$not holds 1; expected {operator: ...}"),
        ({"metadata.tags": {"$exists": "yes"}}, "$exists holds 'yes'; expected true or false"),
        ({"metadata.tags": Regex("x")}, "expected a string, number"),
        ({"metadata.tags": Decimal128("1")}, "expected a string, number"),
        ({1: 2}, "filter path 1; expected text"),
        ({"metadata.year": 2**63}, "cannot be sent"),
        ({"$or": [{"metadata.year": {"$in": [np.int64(2020)]}}]}, "cannot be sent"),
        ({"metadata.year": {"$gt": np.float32(1.5)}}, "expected Python's own numbers"),
        ({"metadata.year": Fraction(1, 2)}, "cannot be sent"),
        ({"metadata.tags": "\udcff"}, "cannot be sent"),
    ],
)
def test_a_filter_that_search_cannot_apply_is_refused(
    filter: dict[str, Any], expected: str
) -> None:
    with pytest.raises(FilterError) as caught:
        check_filter(filter, DECLARED)
    assert expected in str(caught.value)
    depends_on_the_collection = "declared" in expected or "--filter-field" in expected
    assert isinstance(caught.value, UndeclaredPath) == (
        depends_on_the_collection or "did you mean" in expected
    )


def test_before_a_collection_is_opened_any_path_may_be_declared() -> None:
    assert check_filter({"colour": 1}, None) == {"colour": 1}
    with pytest.raises(FilterError, match="is unknown"):
        check_filter({"colour": {"$regex": "r"}}, None)


def test_only_what_a_filter_demands_is_compared_with_what_is_stored() -> None:
    filter = {
        "a": {"$ne": "x", "$gte": 1},
        "b": {"$not": {"$eq": "x"}, "$in": ["y", "z"]},
        "c": {"$nin": ["x"], "$exists": True},
        "$nor": [{"a": "x"}],
        "$or": [{"a": 2}, {"d": None}],
    }

    assert required_values(filter) == {"a": [1, 2], "b": ["y", "z"], "c": [], "d": [None]}


def test_a_uuid_is_sent_as_mongodb_holds_it() -> None:
    id = UUID(int=7)

    sent = check_filter({"$or": [{"document": {"$in": [id]}}, {"document": id}]}, DECLARED)

    binary = Binary.from_uuid(id)
    assert sent == {"$or": [{"document": {"$in": [binary]}}, {"document": binary}]}


def nested(depth: int) -> dict[str, Any]:
    filter: dict[str, Any] = {"document": "x"}
    for _ in range(depth):
        filter = {"$and": [filter]}
    return filter


def test_a_filter_of_any_depth_passes_or_is_refused() -> None:
    assert check_filter(nested(80), DECLARED) == nested(80)
    negated: Any = {"$eq": "x"}
    for _ in range(1000):
        negated = {"$not": negated}
    for filter in (nested(91), nested(100_000), {"document": negated}):
        with pytest.raises(FilterError, match="at most 90"):
            check_filter(filter, DECLARED)


def test_no_message_is_as_long_as_the_filter() -> None:
    long = "x" * 1_000_000
    for filter in (
        {long: 1},
        {f"${long}": 1},
        {"document": {f"${long}": 1}},
        {"document": {"$in": [1, *[long] * 100]}},
        {"document": {"$gt": [long]}},
        {"$and": long},
    ):
        with pytest.raises(FilterError) as caught:
            check_filter(filter, DECLARED)
        assert len(str(caught.value)) < 1000
