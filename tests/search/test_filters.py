from typing import Any

import pytest

from search import FilterError
from search.filters import check_filter

DECLARED = ("document", "metadata.year", "metadata.tags")


@pytest.mark.parametrize(
    "filter",
    [
        {"metadata.year": 2020},
        {"metadata.year": {"$gte": 2020, "$lt": 2030}},
        {"metadata.year": {"$not": {"$in": [1, 2]}}, "document": {"$exists": True}},
        {"$or": [{"document": "a"}, {"$and": [{"metadata.tags": {"$nin": ["x"]}}]}]},
        {"metadata.year": None},
    ],
)
def test_a_filter_that_search_can_apply_passes(filter: dict[str, Any]) -> None:
    check_filter(filter, DECLARED)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"year": 1}, "did you mean metadata.year?"),
        ({"metadata.yaer": 1}, "did you mean metadata.year?"),
        ({"colour": 1}, "`leaf-ingest ... --filter-field metadata.colour`"),
        ({"$or": [{"document": 1}, {"text": 1}]}, "filter path text is not declared"),
        ({"metadata.year": {"$regex": "2"}}, "$regex is not known here"),
        ({"metadata.year": {"$not": {"$mod": [2, 0]}}}, "$mod is not known here"),
        ({"$where": "1"}, "operator $where is not known"),
        ({"$and": {}}, "expected a list of filters"),
        ({"$and": []}, "expected a list of filters"),
        ({"$and": ["x"]}, "expected an object"),
        ({"metadata.tags": ["x"]}, "expected {'$in': [...]}"),
        ({"metadata.tags": {"$in": "x"}}, "$in holds 'x'; expected a list"),
    ],
)
def test_a_filter_that_search_cannot_apply_is_refused(
    filter: dict[str, Any], expected: str
) -> None:
    with pytest.raises(FilterError) as caught:
        check_filter(filter, DECLARED)
    assert expected in str(caught.value)
