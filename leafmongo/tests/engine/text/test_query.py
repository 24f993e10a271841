"""The operators of `$search`: how they combine, compare and reject."""

from typing import Any

import pytest

from leafmongo.engine import CommandError

pytest.importorskip("tantivy")

from leafmongo.engine.text import TextIndex, parse_text_definition, parse_text_query

FIELDS = {
    "t": {"type": "string"},
    "lang": {"type": "token"},
    "year": {"type": "number"},
    "also": {"type": "number"},
}
STORED = [
    {"_id": 1, "t": "red fox", "lang": "en", "year": [1990, 2010]},
    {"_id": 2, "t": "red hen", "lang": "de", "year": 2000},
    {"_id": 3, "t": "blue fox", "lang": ["de", "fr"], "year": 2005.5, "also": 1},
    {"_id": 4, "lang": "en"},
]
RED, FOX, HEN, BLUE = (
    {"text": {"path": "t", "query": word}} for word in ("red", "fox", "hen", "blue")
)
GERMAN = {"equals": {"path": "lang", "value": "de"}}


@pytest.fixture(scope="module")
def index() -> TextIndex:
    index = TextIndex(parse_text_definition({"mappings": {"fields": FIELDS}}))
    index.upsert_many(STORED)
    return index


def scores(index: TextIndex, **operator: Any) -> dict[int, float]:
    return {match.id: match.score for match in index.search(parse_text_query(operator))}


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ({"must": [RED, FOX]}, {1}),
        ({"should": [RED, FOX]}, {1, 2, 3}),
        ({"should": [RED, FOX], "minimumShouldMatch": 2}, {1}),
        ({"must": [RED], "should": [HEN]}, {1, 2}),
        ({"must": [RED], "should": [FOX, HEN], "minimumShouldMatch": 1}, {1, 2}),
        ({"filter": [GERMAN], "should": [RED]}, {2, 3}),
        ({"filter": [GERMAN], "should": [RED], "minimumShouldMatch": 1}, {2}),
        ({"must": [FOX], "mustNot": [BLUE]}, {1}),
        ({"mustNot": [FOX, GERMAN]}, {4}),
        ({"filter": GERMAN, "must": RED}, {2}),
        ({"filter": [{"compound": {"should": [GERMAN, BLUE]}}], "mustNot": [HEN]}, {3}),
        ({"filter": [{"compound": {"mustNot": [GERMAN]}}]}, {1, 4}),
        ({"must": [RED, {"text": {"path": "missing", "query": "red"}}]}, set()),
    ],
    ids=str,
)
def test_clauses_combine(index: TextIndex, clauses: dict[str, Any], expected: set[int]) -> None:
    assert set(scores(index, compound=clauses)) == expected


def test_must_and_should_add_up_and_filters_do_not_count(index: TextIndex) -> None:
    red, hen = scores(index, **RED), scores(index, **HEN)

    found = scores(index, compound={"must": [RED], "should": [HEN], "filter": [FOX, GERMAN]})
    assert found == {}
    found = scores(index, compound={"must": [RED], "should": [HEN], "filter": [GERMAN]})
    assert found == {2: pytest.approx(red[2] + hen[2])}
    assert scores(index, compound={"filter": [RED]}) == {1: 0, 2: 0}
    assert scores(index, compound={"mustNot": [RED]}) == {3: 0, 4: 0}


def test_comparisons_that_score_score_one(index: TextIndex) -> None:
    red = scores(index, **RED)

    assert scores(index, **GERMAN) == {2: 1, 3: 1}
    assert scores(index, compound={"must": [RED], "should": [GERMAN]}) == pytest.approx(
        {2: red[2] + 1, 1: red[1]}
    )


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ({"equals": {"path": "year", "value": 2000.0}}, {2}),
        ({"equals": {"path": "year", "value": 2005}}, set()),
        ({"equals": {"path": "undeclared", "value": 1}}, set()),
        ({"in": {"path": "lang", "value": ["fr", "en"]}}, {1, 3, 4}),
        ({"in": {"path": "lang", "value": "fr"}}, {3}),
        ({"in": {"path": ["year", "also"], "value": [1, 2000]}}, {2, 3}),
        ({"range": {"path": "year", "gt": 2000}}, {1, 3}),
        ({"range": {"path": "year", "gte": 2000, "lt": 2005.5}}, {2}),
        ({"range": {"path": "year", "gt": 1995, "lt": 2005}}, {2}),
        ({"range": {"path": ["year", "also"], "lte": 1}}, {3}),
        ({"range": {"path": "lang", "gte": "e", "lt": "f"}}, {1, 4}),
        ({"exists": {"path": "t"}}, {1, 2, 3}),
        ({"exists": {"path": "undeclared"}}, set()),
    ],
    ids=str,
)
def test_comparisons_find(index: TextIndex, operator: dict[str, Any], expected: set[int]) -> None:
    """One value has to meet both bounds: 1990 and 2010 are not between 1995 and 2005."""
    assert set(scores(index, **operator)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", {1}), ("a.b", {2}), ("*", {1, 2, 3}), ("a*", {1, 2}), ("*.b", {2, 3}), ("x", set())],
)
def test_wildcard_stands_for_any_characters(path: str, expected: set[int]) -> None:
    index = TextIndex(parse_text_definition({"mappings": {"dynamic": True}}))
    index.upsert_many(
        [{"_id": 1, "a": "w"}, {"_id": 2, "a": {"b": "w"}}, {"_id": 3, "c": {"b": "w"}}]
    )

    assert set(scores(index, text={"path": {"wildcard": path}, "query": "w"})) == expected


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({}, r"needs one operator of \[compound, equals, exists, in, range, text\]"),
        ({"text": {"path": "t", "query": "a"}, "exists": {"path": "t"}}, "exists|text"),
        ({"phrase": {"path": "t", "query": "a"}}, '"phrase" is not supported here'),
        ({"txet": {"path": "t", "query": "a"}}, "needs one operator"),
        ({**RED, "indx": "a"}, 'unrecognized field "indx"'),
        ({**RED, "index": 1}, '"index" must be a string'),
        ({**RED, "highlight": {"path": "t"}}, '"highlight" is not supported here'),
        ({**RED, "count": {"type": "total"}}, '"count" is not supported here'),
        ({**RED, "sort": {"year": 1}}, '"sort" is not supported here'),
        ({**RED, "returnStoredSource": True}, '"returnStoredSource" is not supported here'),
        ({**RED, "scoreDetails": True}, '"scoreDetails" is not supported here'),
        ({"text": "red"}, '"text" must be a document'),
        ({"text": {"query": "a"}}, '"text.path" is required'),
        ({"text": {"path": "t"}}, '"text.query" is required'),
        ({"text": {"path": "t", "query": ""}}, "text.query"),
        ({"text": {"path": [], "query": "a"}}, "text.path"),
        ({"text": {"path": 1, "query": "a"}}, "text.path"),
        ({"text": {"path": {"wildcard": "a**"}, "query": "a"}}, "in a row"),
        ({"text": {"path": {"value": "a", "multi": "b"}, "query": "a"}}, "multi"),
        ({"text": {"path": {}, "query": "a"}}, "value, wildcard"),
        ({"text": {"path": "t", "query": "a", "fuzzy": {}}}, '"text.fuzzy" is not supported'),
        ({"text": {"path": "t", "query": "a", "score": {"boost": {}}}}, "score"),
        ({"text": {"path": "t", "query": "a", "matchCriteria": "some"}}, r"\[all, any\]"),
        ({"text": {"path": "t", "query": "a", "slop": 1}}, 'unrecognized field "text.slop"'),
        ({"compound": {}}, "needs a clause"),
        ({"compound": {"must": []}}, "needs a clause"),
        ({"compound": {"must": [1]}}, r'"compound.must\[0\]" must be a document'),
        ({"compound": {"must": [{}]}}, r'"compound.must\[0\]" needs one operator'),
        ({"compound": {"must": [{"near": {}}]}}, r'"compound.must\[0\].near" is not supported'),
        ({"compound": {"should": [RED], "minimumShouldMatch": 2}}, r"\[0..1\]"),
        ({"equals": {"path": "lang"}}, '"equals.value" is required'),
        ({"equals": {"path": ["lang"], "value": "a"}}, '"equals.path" must be a string'),
        ({"equals": {"path": "lang", "value": {"a": 1}}}, '"equals.value" must be'),
        ({"in": {"path": "lang", "value": ["a", 1]}}, "same type"),
        ({"in": {"path": "lang", "value": []}}, "cannot be empty"),
        ({"range": {"path": "year"}}, "gt, gte"),
        ({"range": {"path": "year", "gt": 1, "gte": 1}}, "gt, gte"),
        ({"range": {"path": "year", "gt": 1, "lt": "b"}}, "different types"),
        ({"exists": {}}, '"exists.path" is required'),
    ],
    ids=str,
)
def test_errors_name_the_place(stage: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message) as error:
        parse_text_query(stage)

    assert error.value.code == 8


def test_index_has_a_default_name() -> None:
    assert parse_text_query(RED).index == "default"
    assert parse_text_query({**RED, "index": "x", "concurrent": True}).index == "x"


def test_stage_must_be_a_document() -> None:
    with pytest.raises(CommandError) as error:
        parse_text_query("red")  # type: ignore[arg-type]

    assert error.value.code == 9
