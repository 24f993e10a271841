"""A $vectorSearch stage: who checks what (section 0), options (3.1), queryVector (3.2)."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import Decimal128, Int64
from bson.binary import VECTOR_SUBTYPE, Binary

from leafmongo.engine import CommandError, VectorIndex, VectorQuery, parse_query
from leafmongo.engine.documents.vectors import VectorDtype

Stage = Callable[..., dict[str, Any]]
WRAPPED = "PlanExecutor error during aggregation :: caused by :: "


def refusal(stage: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        parse_query(stage)
    return caught.value


@pytest.mark.semantics("3.1")
def test_stage_is_parsed(stage: Stage) -> None:
    query = parse_query(stage(limit=5.0, numCandidates=Int64(20)))

    assert (query.index, query.path, query.limit) == ("default", "v", 5)
    assert (query.num_candidates, query.exact) == (20, False)
    assert (query.filter, query.parent_filter, query.score_mode) == (None, None, None)
    assert not query.return_stored_source
    assert query.vector is not None
    assert query.vector.values.tolist() == [1.0, 0.0]


@pytest.mark.semantics("3.1")
def test_exact_has_no_candidates_and_no_upper_limit(exact: Stage) -> None:
    query = parse_query(exact(limit=1_000_000))

    assert (query.num_candidates, query.exact, query.limit) == (None, True, 1_000_000)


@pytest.mark.semantics("3.1")
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, Int64(2), 0.5], VectorDtype.FLOAT32),
        (Binary(b"\x27\x00\x00\x00\x80\x3f", VECTOR_SUBTYPE), VectorDtype.FLOAT32),
        (Binary(b"\x03\x00\x01", VECTOR_SUBTYPE), VectorDtype.INT8),
        (Binary(b"\x10\x00\x01", VECTOR_SUBTYPE), VectorDtype.PACKED_BIT),
    ],
)
def test_kinds_of_query_vectors(stage: Stage, given: Any, kind: VectorDtype) -> None:
    vector = parse_query(stage(queryVector=given)).vector

    assert vector is not None
    assert vector.kind is kind


@pytest.mark.semantics("3.1")
@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"query": "words", "queryVector": ...}, ("words", None)),
        ({"query": {"text": "words"}, "queryVector": ..., "model": "m"}, ("words", None)),
        ({"nestedOptions": {}}, (None, "max")),
        ({"nestedOptions": {"scoreMode": "avg"}}, (None, "avg")),
        ({"searchNodePreference": {"key": "k"}}, (None, None)),
        ({"explainOptions": {"traceDocumentIds": [1]}}, (None, None)),
        ({"unknownOption": {"x": 1}, "concurrent": True}, (None, None)),
        ({"queryVector": ..., "query": {"text": "words", "more": 1}}, ("words", None)),
        ({"filter": None, "exact": None, "nestedOptions": None}, (None, None)),
    ],
)
def test_accepts(stage: Stage, changes: dict[str, Any], seen: tuple[Any, Any]) -> None:
    query = parse_query(stage(**changes))

    assert (query.text, query.score_mode) == seen


@pytest.mark.semantics("0")
@pytest.mark.parametrize(
    ("changes", "code", "name", "text"),
    [
        ({"limit": "10"}, 8575100, "Location8575100", "limit must be a number"),
        ({"limit": True}, 8575100, "Location8575100", "limit must be a number"),
        ({"limit": None}, 8575100, "Location8575100", "limit must be a number"),
        ({"limit": 0}, 7912700, "Location7912700", "limit must be positive"),
        ({"limit": -0.5}, 7912700, "Location7912700", "limit must be positive"),
        ({"limit": Decimal128("0")}, 7912700, "Location7912700", "limit must be positive"),
        ({"filter": {"$foo": 1}}, 2, "BadValue", "unknown top level operator: $foo"),
        ({"filter": {"a": {"$foo": 1}}}, 2, "BadValue", "unknown operator: $foo"),
        ({"filter": {"a": {"$gt": 1, "b": 2}}}, 2, "BadValue", "unknown operator: b"),
        ({"filter": {"a": {"$not": {"$foo": 1}}}}, 2, "BadValue", "unknown operator: $foo"),
        ({"filter": {"a": {"$not": {}}}}, 2, "BadValue", "cannot be empty"),
        ({"filter": {"a": {"$in": 1}}}, 2, "BadValue", "needs an array"),
        ({"filter": {"$and": []}}, 2, "BadValue", "nonempty"),
        ({"filter": {"$or": {}}}, 2, "BadValue", "must be an array"),
        ({"filter": {"$nor": [1]}}, 2, "BadValue", "full objects"),
        ({"filter": {"$or": [{"$foo": 1}]}}, 2, "BadValue", "unknown top level operator"),
    ],
)
def test_rejected_by_mongod(
    stage: Stage, changes: dict[str, Any], code: int, name: str, text: str
) -> None:
    """mongod rejects these before all other errors, without the prefix of the search process."""
    error = refusal(stage(index=..., **changes))

    assert (error.code, error.code_name) == (code, name)
    assert text in error.message
    assert WRAPPED not in error.message


@pytest.mark.semantics("0")
def test_stage_must_be_an_object() -> None:
    error = refusal([1])

    assert (error.code, error.code_name) == (9, "FailedToParse")


@pytest.mark.semantics("3.1", "3.2")
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"index": ...}, '"index" is required'),
        ({"index": ""}, '"index" cannot be empty'),
        ({"index": 1}, '"index" must be a string'),
        ({"path": ...}, '"path" is required'),
        ({"path": None}, '"path" is required'),
        ({"exact": "true"}, '"exact" must be a boolean'),
        ({"exact": 1}, '"exact" must be a boolean'),
        ({"numCandidates": ...}, "numCandidates is required for approximate vector search"),
        ({"numCandidates": 0}, '"numCandidates" must be within bounds [1..10000]'),
        ({"numCandidates": 10_001}, '"numCandidates" must be within bounds [1..10000]'),
        ({"numCandidates": 10.5}, '"numCandidates" must be an integer'),
        ({"exact": True}, '"numCandidates" must be omitted when "exact" is set to true'),
        ({"exact": True, "numCandidates": 0}, "must be within bounds"),
        ({"limit": ...}, '"limit" is required'),
        ({"limit": 1.5}, '"limit" must be an integer'),
        ({"limit": Decimal128("3")}, '"limit" must be an integer'),
        ({"limit": 101}, "limit should be less than or equal to numCandidates"),
        ({"queryVector": ...}, "Exactly one and only one of query and queryVector"),
        ({"query": "words"}, "Exactly one and only one of query and queryVector"),
        ({"query": "", "queryVector": ...}, '"query" cannot be empty'),
        ({"query": {"text": ""}, "queryVector": ...}, '"query.text" cannot be empty'),
        ({"query": {}, "queryVector": ...}, '"query.text" is required'),
        ({"query": 5, "queryVector": ...}, '"query" must be a string'),
        ({"query": "words", "queryVector": ..., "model": ""}, '"model" cannot be empty'),
        ({"model": "m"}, '"model" is only allowed with query'),
        ({"queryVector": [1.0, "x"]}, "Unsupported BsonValue type: STRING"),
        ({"queryVector": [1.0, None]}, "Unsupported BsonValue type: NULL"),
        ({"queryVector": [True]}, "Unsupported BsonValue type: BOOLEAN"),
        ({"queryVector": [[1.0]]}, "Unsupported BsonValue type: ARRAY"),
        ({"queryVector": 1.0}, '"queryVector" Unexpected type found when parsing vector'),
        ({"queryVector": b"\x27\x00"}, '"queryVector" Unexpected type'),
        ({"queryVector": Binary(b"\x27\x01", VECTOR_SUBTYPE)}, "padding"),
        ({"queryVector": Binary(b"\x55\x00", VECTOR_SUBTYPE)}, "0x55"),
        (
            {"queryVector": [0.0, float("nan")]},
            "non-finite value (Infinity or NaN) at position [1]",
        ),
        ({"queryVector": [1e39]}, "at position [0]"),
        ({"filter": [1]}, "filter must be a document"),
        ({"filter": "x"}, "filter must be a document"),
        ({"filter": {"a": {"$regex": "x"}}}, 'unrecognized field "filter.a.$regex"'),
        ({"parentFilter": {"a": {"$size": 1}}}, 'unrecognized field "parentFilter.a.$size"'),
        ({"parentFilter": 1}, "parentFilter must be a document"),
        ({"filter": {"a": {"$type": "int"}}}, 'unrecognized field "filter.a.$type"'),
        ({"filter": {"a": {"$mod": [2, 0]}}}, 'unrecognized field "filter.a.$mod"'),
        ({"filter": {"a": {"$all": [1]}}}, 'unrecognized field "filter.a.$all"'),
        ({"filter": {"a": {"$elemMatch": {"$gt": 1}}}}, 'unrecognized field "filter.a.$elemMatch"'),
        ({"filter": {"$expr": {"$gt": 1, "x": 2}}}, 'unrecognized field "filter.$expr.x"'),
        ({"filter": {"$text": {"$search": "x"}}}, 'unrecognized field "filter.$text.$search"'),
        ({"returnStoredSource": 1}, '"returnStoredSource" must be a boolean'),
        ({"nestedOptions": 1}, '"nestedOptions" must be a document'),
        ({"nestedOptions": {"scoreMode": "min"}}, "must be one of [avg, max]"),
        ({"nestedOptions": {"x": 1}}, 'unrecognized field "nestedOptions.x"'),
        ({"explainOptions": {}}, '"explainOptions.traceDocumentIds" is required'),
        ({"explainOptions": {"traceDocumentIds": []}}, "cannot be empty"),
        ({"explainOptions": {"traceDocumentIds": [1], "x": 1}}, "unrecognized field"),
        ({"searchNodePreference": {}}, '"searchNodePreference.key" is required'),
        ({"searchNodePreference": {"key": ""}}, '"searchNodePreference.key" cannot be empty'),
    ],
)
def test_rejected_by_the_search_process(stage: Stage, changes: dict[str, Any], text: str) -> None:
    error = refusal(stage(**changes))

    assert (error.code, error.code_name) == (8, "UnknownError")
    assert error.message.startswith(WRAPPED)
    assert text in error.message


@pytest.mark.semantics("0")
def test_first_of_many_problems_is_named(stage: Stage) -> None:
    """Each option is invalid; removing them one by one shows the order of the checks."""
    wrong: dict[str, Any] = {
        "searchNodePreference": 1,
        "index": 1,
        "path": 1,
        "exact": 1,
        "numCandidates": 0,
        "limit": 1.5,
        "queryVector": "x",
        "query": 1,
        "filter": {"a": []},
        "parentFilter": 1,
        "explainOptions": 1,
        "returnStoredSource": 1,
        "nestedOptions": 1,
    }
    for name in list(wrong):
        assert name in refusal(stage(**wrong)).message.removeprefix(WRAPPED)
        del wrong[name]
        if name == "queryVector":
            wrong["queryVector"] = ...
        if name == "query":
            del wrong["queryVector"]


@pytest.mark.semantics("0", "3.2")
def test_dimensions_are_checked_before_values(stage: Stage) -> None:
    not_finite = [float("nan"), 0.0]

    both = refusal(stage(queryVector=not_finite, query="words", filter=1))
    one = refusal(stage(queryVector=not_finite, filter=1))

    assert "Exactly one and only one" in both.message
    assert "non-finite" in one.message


@pytest.fixture
def query(stage: Stage) -> Callable[..., VectorQuery]:
    return lambda **changes: parse_query(stage(**changes))


@pytest.mark.semantics("3.1", "3.2", "4.3")
@pytest.mark.parametrize(
    ("similarity", "changes", "text"),
    [
        ("cosine", {"path": "w"}, "w is not indexed as vector"),
        ("cosine", {"path": "f"}, "f is not indexed as vector"),
        ("cosine", {"queryVector": [1.0]}, "indexed with 8 dimensions but queried with 1"),
        ("cosine", {"queryVector": []}, "indexed with 8 dimensions but queried with 0"),
        (
            "euclidean",
            {"queryVector": Binary(b"\x10\x00\x01\x01", VECTOR_SUBTYPE)},
            "indexed with 8 dimensions but queried with 16",
        ),
        ("cosine", {"queryVector": [0.0] * 8}, "cannot be calculated against a zero vector"),
        (
            "dotProduct",
            {"queryVector": Binary(b"\x10\x00\x01", VECTOR_SUBTYPE)},
            "Binary vectors can only be used with fields indexed with Euclidean",
        ),
        ("cosine", {"nestedOptions": {}}, "nestedRoot"),
        ("cosine", {"query": "words", "queryVector": ...}, "auto-embedding"),
        ("cosine", {"returnStoredSource": True}, "storedSource is not configured"),
        ("cosine", {"filter": {"g": 1}}, "Path 'g' needs to be indexed as filter"),
        ("cosine", {"filter": {"v": 1}}, "Path 'v' needs to be indexed as filter"),
    ],
)
def test_rejected_by_the_index(
    make_index: Callable[..., VectorIndex],
    query: Callable[..., VectorQuery],
    similarity: str,
    changes: dict[str, Any],
    text: str,
) -> None:
    index = make_index(filters=["f"], numDimensions=8, similarity=similarity)

    with pytest.raises(CommandError) as caught:
        index.search(query(**{"queryVector": [1.0] * 8, **changes}))

    assert caught.value.code == 8
    assert caught.value.message.startswith(WRAPPED)
    assert text in caught.value.message


@pytest.mark.semantics("3.2")
@pytest.mark.parametrize("similarity", ["euclidean", "dotProduct"])
def test_zero_query_is_valid_without_cosine(
    make_index: Callable[..., VectorIndex], ids: Callable[..., list[Any]], similarity: str
) -> None:
    index = make_index([{"_id": 1, "v": [1.0, 0.0]}], similarity=similarity)

    assert ids(index, queryVector=[0.0, 0.0]) == [1]


@pytest.mark.semantics("0")
def test_index_names_the_first_of_many_problems(
    make_index: Callable[..., VectorIndex], stage: Stage
) -> None:
    """Each error is corrected once it has been reported."""
    index = make_index(filters=["f"], numDimensions=8, similarity="cosine")
    options = {
        "returnStoredSource": True,
        "path": "w",
        "queryVector": [0.0],
        "filter": {"g": 1},
    }
    steps: list[tuple[str, dict[str, Any]]] = [
        ("storedSource is not configured", {"returnStoredSource": False}),
        ("w is not indexed as vector", {"path": "v"}),
        ("8 dimensions but queried with 1", {"queryVector": Binary(b"\x10\x00\x00", 9)}),
        ("Path 'g' needs to be indexed", {"filter": {"f": 1}}),
        ("against a zero vector", {"queryVector": Binary(b"\x10\x00\x01", 9)}),
        ("Binary vectors can only be used", {"queryVector": [1.0] * 8}),
    ]

    for text, right in steps:
        with pytest.raises(CommandError, match=text):
            index.search(parse_query(stage(**options)))
        options |= right

    assert index.search(parse_query(stage(**options))) == []
