"""storedSource: which definitions stand (section 1.1) and what comes back (section 3.1)."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from bson.binary import Binary

from leafmongo.engine import CommandError, VectorIndex, parse_definition, parse_query
from leafmongo.engine.documents.stored_source import StoredSource

DOCUMENT = {
    "_id": 1,
    "v": [1.0, 0.0],
    "a": {"b": 1, "c": 2},
    "list": [{"b": 1, "c": 2}, 7, [{"b": 3}]],
    "t": "text",
}


@pytest.mark.semantics("1.1")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true is not supported"),
        ("t", "must be a document"),
        ({}, "exactly one of [exclude, include]"),
        ({"include": ["a"], "exclude": ["b"]}, "exactly one of [exclude, include]"),
        ({"include": []}, "cannot be empty"),
        ({"exclude": []}, "cannot be empty"),
        ({"include": "a"}, "must be an array"),
        ({"include": ["a", " "]}, 'storedSource.include[1]" cannot be blank'),
        ({"include": [1]}, 'storedSource.include[0]" must be a string'),
        ({"include": ["a.b", "a"]}, 'colliding paths "a" and "a.b"'),
        ({"exclude": ["a", "a"]}, "twice"),
        ({"include": ["a"], "x": 1}, "unrecognized field"),
    ],
)
def test_rejects_a_stored_source(
    value: Any, text: str, vector_field: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(CommandError, match="storedSource") as caught:
        parse_definition({"fields": [vector_field()], "storedSource": value})

    assert text in caught.value.message


@pytest.mark.semantics("1.1")
def test_false_stores_nothing(vector_field: Callable[..., dict[str, Any]]) -> None:
    parsed = parse_definition({"fields": [vector_field()], "storedSource": False})

    assert parsed.stored_source is None


@pytest.mark.semantics("1.1")
@pytest.mark.parametrize(
    ("source", "kept"),
    [
        (StoredSource(("t",)), {"_id": 1, "t": "text"}),
        (StoredSource(("a.b", "missing")), {"_id": 1, "a": {"b": 1}}),
        (StoredSource(("list.b",)), {"_id": 1, "list": [{"b": 1}, [{"b": 3}]]}),
        (StoredSource(("t.x",)), {"_id": 1}),
        (
            StoredSource(("v", "t", "a.c", "list.b"), exclude=True),
            {"_id": 1, "a": {"b": 1}, "list": [{"c": 2}, 7, [{}]]},
        ),
    ],
)
def test_stored_paths(source: StoredSource, kept: dict[str, Any]) -> None:
    assert source.of(DOCUMENT) == kept


@pytest.mark.semantics("3.1")
def test_stored_source_is_returned_on_request(
    make_index: Callable[..., VectorIndex], stage: Callable[..., dict[str, Any]]
) -> None:
    index = make_index([DOCUMENT], top={"storedSource": {"include": ["t"]}})

    asked = index.search(parse_query(stage(returnStoredSource=True)))
    unasked = index.search(parse_query(stage()))

    assert asked[0].stored_source == {"_id": 1, "t": "text"}
    assert unasked[0].stored_source is None


@pytest.mark.semantics("3.1")
def test_every_type_survives(
    make_index: Callable[..., VectorIndex], stage: Callable[..., dict[str, Any]]
) -> None:
    """UUIDs are returned as BSON binary; later changes by the caller have no effect."""
    identity = uuid.UUID(int=7)
    document: dict[str, Any] = {
        "_id": ObjectId(),
        "v": [1.0, 0.0],
        "d": Decimal128("1.5"),
        "u": identity,
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5, 678000),
        "n": [1, 2],
    }
    index = make_index([document], top={"storedSource": {"exclude": ["v"]}})
    document["n"].append(3)

    found = index.search(parse_query(stage(returnStoredSource=True)))[0].stored_source

    expected = {key: value for key, value in document.items() if key not in ("v", "n")}
    assert found == {**expected, "u": Binary(identity.bytes, 4), "n": [1, 2]}


@pytest.mark.semantics("3.1")
def test_request_without_stored_source_is_rejected(
    make_index: Callable[..., VectorIndex], stage: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(CommandError, match="storedSource is not configured for this index"):
        make_index().search(parse_query(stage(returnStoredSource=True)))
