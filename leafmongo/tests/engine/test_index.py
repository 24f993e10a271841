"""A vector index: changes against a model, ids, order, removal of dead slots, threads."""

import datetime
import itertools
import threading
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bson import Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.binary import Binary
from hypothesis import given, settings
from hypothesis import strategies as st

from leafmongo.engine import VectorIndex, parse_definition, parse_query
from leafmongo.engine.documents import contents

Make = Callable[..., VectorIndex]
Ids = Callable[..., list[Any]]

FIELDS = [
    {"type": "vector", "path": "v", "numDimensions": 1, "similarity": "euclidean"},
    {"type": "vector", "path": "s.v", "numDimensions": 1, "similarity": "euclidean"},
    {"type": "filter", "path": "f"},
    {"type": "filter", "path": "s.f"},
]
DEFINITION = {"fields": FIELDS, "nestedRoot": "s", "storedSource": {"include": ["f"]}}


def document(id_: int, value: int) -> dict[str, Any]:
    """A document with an array of `value` elements and, unless `value` is 0, a vector."""
    found: dict[str, Any] = {"_id": id_, "f": str(value)}
    found["s"] = [{"v": [float(value)], "f": number} for number in range(value)]
    return {**found, "v": [float(value)]} if value else found


def asked(index: VectorIndex, path: str, **options: Any) -> list[tuple[int, Any]]:
    stage = {"index": "i", "path": path, "queryVector": [2.0], "limit": 99, "exact": True}
    found = index.search(parse_query({**stage, "returnStoredSource": True, **options}))
    return [(match.id, (match.stored_source or {})["f"]) for match in found]


upserts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=6)
removals = st.lists(st.integers(0, 7), max_size=4)
steps = st.lists(
    st.one_of(
        upserts.map(lambda given: ("upsert", given)),
        removals.map(lambda given: ("remove", given)),
        st.just(("clear", [])),
    ),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(steps, st.sampled_from([0, 3, 1000]))
def test_any_sequence_of_changes_agrees_with_a_dict(steps: Any, few: int) -> None:
    """Dead slots are removed at once, later or never; a dict keeps insertion order."""
    index = VectorIndex(parse_definition(DEFINITION))
    model: dict[int, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "_FEW", few)
        for action, given in steps:
            if action == "upsert":
                index.upsert_many(document(*each) for each in given)
                for id_, value in given:
                    model.pop(id_, None)
                    model[id_] = value
            elif action == "remove":
                index.remove_many(given)
                model = {id_: value for id_, value in model.items() if id_ not in given}
            else:
                index.clear()
                model = {}

    ranked = sorted((id_ for id_ in model if model[id_]), key=lambda id_: abs(model[id_] - 2))
    expected = [(id_, str(model[id_])) for id_ in ranked]
    assert asked(index, "v") == expected
    assert asked(index, "s.v") == expected
    assert asked(index, "v", filter={"f": {"$in": ["1", "3"]}}) == [
        (id_, value) for id_, value in expected if value in "13"
    ]
    assert asked(index, "s.v", filter={"s.f": {"$gte": 1}}, parentFilter={"f": {"$ne": "3"}}) == [
        (id_, value) for id_, value in expected if value == "2"
    ]
    stats = index.stats()
    assert stats.documents == len(model)
    assert stats.vectors == sum(1 + value for value in model.values() if value)
    assert sum(stats.skipped.values()) == sum(1 for value in model.values() if not value)


def test_update_counts_as_a_new_insertion(make_index: Make, ids: Ids) -> None:
    index = make_index({"_id": each, "v": [1.0, 0.0]} for each in "abc")

    index.upsert_many([{"_id": "a", "v": [1.0, 0.0]}])

    assert ids(index) == ["b", "c", "a"]


def test_document_updated_without_vector_is_not_found(make_index: Make, ids: Ids) -> None:
    index = make_index([{"_id": 1, "v": [1.0, 0.0]}])

    index.upsert_many([{"_id": 1, "v": None}])

    assert ids(index) == []
    assert index.stats().documents == 1


def test_last_document_of_an_id_in_a_batch_wins(
    make_index: Make, ids: Ids, stage: Callable[..., dict[str, Any]]
) -> None:
    index = make_index([{"_id": 1, "v": [9.0, 0.0]}, {"_id": 1, "v": [1.0, 0.0]}])

    found = index.search(parse_query(stage()))

    assert [(match.id, match.score) for match in found] == [(1, 1.0)]


@pytest.mark.parametrize(
    "id_",
    [
        1,
        Int64(1),
        1.5,
        "x",
        None,
        True,
        ObjectId(),
        b"bytes",
        Binary(b"x", 9),
        uuid.UUID(int=7),
        datetime.datetime(2026, 1, 1),
        Decimal128("1.5"),
        Timestamp(1, 2),
        {"a": 1, "b": [1, {"c": None}]},
        Regex("x"),
    ],
    ids=lambda id_: type(id_).__name__,
)
def test_id_can_be_anything(make_index: Make, ids: Ids, id_: Any) -> None:
    index = make_index([{"_id": id_, "v": [1.0, 0.0]}, {"_id": "other", "v": [0.0, 0.0]}])

    assert ids(index)[0] == id_
    index.upsert_many([{"_id": id_, "v": [5.0, 5.0]}])
    assert ids(index) == ["other", id_]
    index.remove_many([id_])
    assert ids(index) == ["other"]


def test_key_order_makes_two_ids(make_index: Make) -> None:
    docs = [{"_id": {"a": 1, "b": 2}}, {"_id": {"b": 2, "a": 1}}]

    assert make_index(docs).stats().documents == 2


def test_empty_changes_change_nothing(make_index: Make, ids: Ids) -> None:
    index = make_index([{"_id": 1, "v": [1.0, 0.0]}])

    index.upsert_many([])
    index.remove_many([])
    index.remove_many(["not there"])

    assert ids(index) == [1]


def test_empty_index_finds_nothing(make_index: Make, ids: Ids) -> None:
    index = make_index(filters=["f"])

    assert ids(index, filter={"f": 1}) == []
    assert ids(index) == []
    assert index.stats().documents == 0


def test_dead_slots_are_removed(make_index: Make, ids: Ids) -> None:
    """Many updates of few documents do not grow the index."""
    index = make_index(filters=["f"])
    for turn in range(40):
        index.upsert_many({"_id": i, "v": [float(i), 0.0], "f": f"{turn}-{i}"} for i in range(100))

    assert index.stats().bytes < 200_000
    assert ids(index, filter={"f": "39-7"}) == [7]
    assert ids(index, filter={"f": "38-7"}) == []
    assert ids(index, queryVector=[50.2, 0.0], limit=3) == [50, 51, 49]


def test_bytes_grow_with_the_vectors(make_index: Make) -> None:
    small = make_index([{"_id": 1, "v": [1.0] * 512}], numDimensions=512).stats().bytes
    large = (
        make_index(({"_id": i, "v": [1.0] * 512} for i in range(300)), numDimensions=512)
        .stats()
        .bytes
    )

    assert large > small + 150 * 512 * 4


def test_several_vectors_of_a_document_are_separate() -> None:
    index = VectorIndex(parse_definition(DEFINITION))
    index.upsert_many([{"_id": 1, "v": [2.0]}, {"_id": 2, "s": {"v": [2.0]}}])
    stage = {"index": "i", "queryVector": [2.0], "limit": 9, "numCandidates": 9}

    assert [match.id for match in index.search(parse_query({**stage, "path": "v"}))] == [1]
    assert [match.id for match in index.search(parse_query({**stage, "path": "s.v"}))] == [2]


def test_concurrent_searches_and_changes(make_index: Make, ids: Ids) -> None:
    """Each id has one vector, so its score shows whether a search saw an inconsistent state."""
    index = make_index(filters=["f"])
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 2)).tolist()
    docs = [{"_id": i, "v": vector, "f": i % 2} for i, vector in enumerate(vectors)]
    expected = {i: 1 / (1 + (v[0] - 1) ** 2 + v[1] ** 2) for i, v in enumerate(vectors)}
    done, problems = threading.Event(), []
    stage = {"index": "i", "path": "v", "queryVector": [1.0, 0.0], "limit": 50, "exact": True}
    query = parse_query({**stage, "filter": {"f": 1}})

    def search() -> None:
        while not done.is_set():
            for match in index.search(query):
                if match.id % 2 == 0 or abs(match.score - expected[match.id]) > 1e-6:
                    problems.append(match)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        index.upsert_many(docs)
        index.remove_many(range(turn % 3, 500, 3))
    done.set()
    for thread in threads:
        thread.join()

    assert problems == []
    assert index.stats().documents == 500 - 166


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ({}, {"_id": 1, "v": 1, "f": 1, "s.f": 1, "s.v": 1}),
        ({"nestedRoot": "s"}, {"_id": 1, "v": 1, "f": 1, "s": 1}),
        (
            {"storedSource": {"include": ["t", "s.x", "f"]}},
            {"_id": 1, "v": 1, "f": 1, "s.f": 1, "s.v": 1, "s.x": 1, "t": 1},
        ),
        ({"storedSource": {"include": ["s"]}}, {"_id": 1, "v": 1, "f": 1, "s": 1}),
        ({"storedSource": {"exclude": ["t.x", "v", "s", "_id"]}}, {"t.x": 0}),
        ({"storedSource": {"exclude": ["v"]}}, None),
    ],
)
def test_projection_has_the_needed_fields(top: dict[str, Any], expected: Any) -> None:
    index = VectorIndex(parse_definition({"fields": FIELDS, **top}))

    assert index.projection() == expected


def test_projection_never_has_a_path_below_another() -> None:
    fields = [{**FIELDS[0], "path": "a.b.c"}, {"type": "filter", "path": "a.b"}]
    definition = {"fields": [*fields, {"type": "filter", "path": "ab"}]}

    projection = VectorIndex(parse_definition(definition)).projection()

    assert projection == {"_id": 1, "a.b": 1, "ab": 1}
    for first, other in itertools.permutations(projection, 2):
        assert not other.startswith(first + ".")
