"""nestedRoot: one child per element (section 2.3), scores of parents (section 5)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bson.binary import Binary

from leafmongo.engine import CommandError, VectorIndex, parse_query
from leafmongo.engine.documents.vector_column import MISSING, WRONG_DIMENSIONS

pytestmark = pytest.mark.semantics("2.3")

Make = Callable[..., VectorIndex]
Ids = Callable[..., list[Any]]
Stage = Callable[..., dict[str, Any]]

# Scores against the query (1, 0) by dotProduct: (1 + x) / 2.
BOOKS: list[dict[str, Any]] = [
    {"_id": "a", "lang": "de", "s": [{"v": [0.9, 0], "n": 1}, {"v": [0.1, 0], "n": 2}]},
    {"_id": "b", "lang": "en", "s": [{"v": [0.6, 0], "n": 2}, {"v": [0.5, 0], "n": 3}]},
    {"_id": "c", "lang": "de", "s": [{"v": [0.2, 0], "n": 1}]},
]


@pytest.fixture
def books(make_index: Make) -> VectorIndex:
    return make_index(
        BOOKS, ["lang", "s.n"], {"nestedRoot": "s"}, path="s.v", similarity="dotProduct"
    )


def scores(index: VectorIndex, given: dict[str, Any]) -> dict[Any, float]:
    return {match.id: match.score for match in index.search(parse_query(given))}


@pytest.mark.semantics("5")
def test_parent_has_the_best_score_of_its_children(books: VectorIndex, stage: Stage) -> None:
    found = scores(books, stage(path="s.v"))

    assert list(found) == ["a", "b", "c"]
    assert found == pytest.approx({"a": 0.95, "b": 0.8, "c": 0.6})


@pytest.mark.semantics("5")
def test_parent_can_have_the_average_score(books: VectorIndex, stage: Stage, exact: Stage) -> None:
    for build in (stage, exact):
        found = scores(books, build(path="s.v", nestedOptions={"scoreMode": "avg"}))

        assert list(found) == ["b", "a", "c"]
        assert found == pytest.approx({"b": 0.775, "a": 0.75, "c": 0.6})


@pytest.mark.semantics("5")
def test_approximate_average_counts_all_children_of_what_was_found(
    books: VectorIndex, stage: Stage
) -> None:
    options = {"path": "s.v", "nestedOptions": {"scoreMode": "avg"}, "limit": 1}

    assert scores(books, stage(numCandidates=1, **options)) == pytest.approx({"a": 0.75})


@pytest.mark.semantics("5")
def test_average_under_a_filter(books: VectorIndex, stage: Stage, exact: Stage) -> None:
    """The exact average is over the children that pass; the approximate one is over all."""
    options = {"path": "s.v", "nestedOptions": {"scoreMode": "avg"}, "filter": {"s.n": 2}}

    assert scores(books, exact(**options)) == pytest.approx({"b": 0.8, "a": 0.55})
    assert scores(books, stage(**options)) == pytest.approx({"b": 0.775, "a": 0.75})


@pytest.mark.semantics("5")
def test_other_kinds_average_the_children_that_were_found(
    make_index: Make, stage: Stage, binary: Callable[..., Binary]
) -> None:
    children = [{"v": binary("packed_bit", [value])} for value in (0b11111111, 0b00001111)]
    index = make_index(
        [{"_id": 1, "s": children}], top={"nestedRoot": "s"}, path="s.v", numDimensions=8
    )
    options = stage(
        path="s.v",
        queryVector=binary("packed_bit", [0b11111111]),
        nestedOptions={"scoreMode": "avg"},
        limit=1,
    )

    assert scores(index, {**options, "numCandidates": 1}) == {1: 1.0}
    assert scores(index, {**options, "numCandidates": 2}) == {1: 0.75}


@pytest.mark.semantics("5")
def test_candidates_are_children_so_there_may_be_fewer_parents(
    books: VectorIndex, ids: Ids
) -> None:
    assert ids(books, path="s.v", limit=2, numCandidates=2) == ["a", "b"]
    assert ids(books, path="s.v", limit=3, numCandidates=3) == ["a", "b"]


def test_filter_applies_to_each_child(books: VectorIndex, stage: Stage, exact: Stage) -> None:
    for build in (stage, exact):
        found = scores(books, build(path="s.v", filter={"s.n": 2}))

        assert found == pytest.approx({"b": 0.8, "a": 0.55})


def test_one_child_must_meet_all_conditions(books: VectorIndex, ids: Ids) -> None:
    condition = {"$and": [{"s.n": {"$gte": 2}}, {"s.n": {"$lte": 2}}]}

    assert ids(books, path="s.v", filter=condition) == ["b", "a"]
    assert ids(books, path="s.v", filter={"s.n": {"$gt": 1, "$lt": 2}}) == []


def test_parent_filter_looks_at_the_document(books: VectorIndex, ids: Ids) -> None:
    assert ids(books, path="s.v", parentFilter={"lang": "de"}) == ["a", "c"]
    assert ids(books, path="s.v", parentFilter={"lang": "de"}, filter={"s.n": 2}) == ["a"]


@pytest.mark.semantics("3.1")
def test_parent_filter_may_leave_fewer_but_not_in_an_exact_search(
    books: VectorIndex, ids: Ids, exact: Stage
) -> None:
    options = {"path": "s.v", "parentFilter": {"lang": "en"}, "limit": 1}

    assert ids(books, numCandidates=1, **options) == []
    assert list(scores(books, exact(**options))) == ["b"]


def test_each_filter_applies_to_its_own_level(books: VectorIndex, ids: Ids) -> None:
    assert ids(books, path="s.v", filter={"lang": "de"}) == []
    assert ids(books, path="s.v", filter={"lang": {"$ne": "de"}}) == ["a", "b", "c"]
    assert ids(books, path="s.v", parentFilter={"s.n": 1}) == []


@pytest.mark.semantics("3.1")
def test_nested_options_need_a_nested_path(make_index: Make, stage: Stage) -> None:
    with pytest.raises(CommandError, match="nestedRoot"):
        make_index().search(parse_query(stage(nestedOptions={"scoreMode": "max"})))


def test_deeper_arrays_belong_to_the_child(make_index: Make, stage: Stage) -> None:
    sections = [{"p": [{"v": [0.3, 0]}, {"v": [0.9, 0]}], "n": [[1], 2]}]
    index = make_index(
        [{"_id": 1, "s": sections}],
        ["s.n"],
        {"nestedRoot": "s"},
        path="s.p.v",
        similarity="dotProduct",
    )

    assert scores(index, stage(path="s.p.v", filter={"s.n": 1})) == pytest.approx({1: 0.65})


def test_root_may_hold_the_vectors_themselves(make_index: Make, stage: Stage) -> None:
    index = make_index(
        [{"_id": 1, "v": [[0.1, 0.0], [0.9, 0.0]]}, {"_id": 2, "v": [[0.2, 0.0]]}],
        top={"nestedRoot": "v"},
        similarity="dotProduct",
    )

    assert scores(index, stage()) == pytest.approx({1: 0.95, 2: 0.6})


def test_single_document_is_an_array_of_one(make_index: Make, ids: Ids) -> None:
    index = make_index([{"_id": 1, "s": {"v": [1.0, 0.0]}}], top={"nestedRoot": "s"}, path="s.v")

    assert ids(index, path="s.v") == [1]


def test_elements_without_a_vector_do_not_hurt_the_others(make_index: Make, ids: Ids) -> None:
    index = make_index(
        [
            {"_id": 1, "s": [{"x": 1}, 5, {"v": [1.0]}, {"v": [1.0, 0.0]}]},
            {"_id": 2, "s": []},
            {"_id": 3},
            {"_id": 4, "s": [5, "x", None, {"v": [2.0, 0.0]}]},
        ],
        top={"nestedRoot": "s"},
        path="s.v",
    )

    stats = index.stats()

    assert ids(index, path="s.v") == [1, 4]
    assert (stats.documents, stats.vectors) == (4, 2)
    assert stats.skipped == {MISSING: 3, WRONG_DIMENSIONS: 1}


def test_of_equal_parents_the_first_inserted_comes_first(make_index: Make, ids: Ids) -> None:
    docs = [{"_id": each, "s": [{"v": [0.5, 0]}, {"v": [0.1, 0]}]} for each in (3, 1, 2)]
    index = make_index(docs, top={"nestedRoot": "s"}, path="s.v")

    assert ids(index, path="s.v", limit=2) == [3, 1]
    index.upsert_many([docs[0]])
    assert ids(index, path="s.v") == [1, 2, 3]


@pytest.mark.semantics("5")
@pytest.mark.parametrize("quantization", ["none", "scalar", "binary"])
@pytest.mark.parametrize("mode", ["max", "avg"])
def test_many_children_against_numpy(
    make_index: Make, stage: Stage, quantization: str, mode: str
) -> None:
    rows = np.random.default_rng(2).normal(size=(40, 5, 8)).astype(np.float32)
    index = make_index(
        ({"_id": i, "s": [{"v": row.tolist()} for row in each]} for i, each in enumerate(rows)),
        top={"nestedRoot": "s"},
        path="s.v",
        numDimensions=8,
        quantization=quantization,
    )
    query = np.ones(8, dtype=np.float32)
    each = 1 / (1 + ((rows.astype(np.float64) - query) ** 2).sum(axis=2))
    expected = each.max(axis=1) if mode == "max" else each.mean(axis=1)

    found = scores(
        index,
        stage(
            path="s.v",
            queryVector=query.tolist(),
            limit=200,
            numCandidates=200,
            nestedOptions={"scoreMode": mode},
        ),
    )

    # Eight dimensions are few for 7 bits: a tenth of all values is cut off.
    close = {"abs": 0.05} if quantization == "scalar" else {"rel": 1e-6}
    assert found == pytest.approx(dict(enumerate(expected.tolist())), **close)


@pytest.mark.semantics("4.3")
@pytest.mark.parametrize("path", ["n", "s", "s.n.x"])
def test_paths_of_filters_are_whole_and_as_declared(
    books: VectorIndex, stage: Stage, path: str
) -> None:
    with pytest.raises(CommandError, match=f"Path '{path}' needs to be indexed as filter"):
        books.search(parse_query(stage(path="s.v", filter={path: 1})))
