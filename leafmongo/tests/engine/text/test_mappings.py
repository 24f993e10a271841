"""Definitions of text indexes: what is accepted, rejected and indexed."""

import uuid
from datetime import datetime
from typing import Any

import pytest
from bson import Binary, ObjectId

from leafmongo.engine import CommandError

pytest.importorskip("tantivy")

from leafmongo.engine.text import TextIndex, parse_text_definition, parse_text_query

Fields = dict[str, Any]
STRING, TOKEN = {"type": "string"}, {"type": "token"}
MOMENT, SOME_ID, SOME_UUID = datetime(2024, 5, 6), ObjectId(), uuid.UUID(int=7)


def index(fields: Fields, document: dict[str, Any], *, dynamic: bool = False) -> TextIndex:
    made = TextIndex(parse_text_definition({"mappings": {"dynamic": dynamic, "fields": fields}}))
    made.upsert_many([{"_id": 0, **document}])
    return made


def finds(index: TextIndex, **operator: Any) -> bool:
    return bool(index.search(parse_text_query(operator)))


def has(index: TextIndex, path: str, word: str) -> bool:
    return finds(index, text={"path": path, "query": word})


def is_equal(index: TextIndex, path: str, value: Any) -> bool:
    return finds(index, equals={"path": path, "value": value})


def test_only_declared_fields_are_indexed() -> None:
    made = index({"a": STRING}, {"a": "one", "b": "two", "c": {"a": "three"}})

    assert has(made, "a", "one")
    assert not has(made, "b", "two")
    assert not has(made, "c.a", "three")


def test_dynamic_mapping_goes_into_documents_and_arrays() -> None:
    made = index(
        {}, {"a": {"b": [{"c": "deep"}, [{"c": "deeper"}]]}, "x.y": "dotted"}, dynamic=True
    )

    assert has(made, "a.b.c", "deep")
    assert has(made, "a.b.c", "deeper")
    assert has(made, "x.y", "dotted")


def test_declared_field_is_not_dynamic() -> None:
    made = index({"a": TOKEN, "d": {"type": "document"}}, {"a": "x", "d": {"e": "y"}}, dynamic=True)

    assert not has(made, "a", "x")
    assert not has(made, "d.e", "y")


def test_document_can_be_dynamic_or_declared() -> None:
    fields = {
        "a": {"type": "document", "dynamic": True},
        "b": {"type": "document", "fields": {"c": STRING}},
    }
    made = index(fields, {"a": {"x": "one"}, "b": {"c": "two", "d": "three"}})

    assert has(made, "a.x", "one")
    assert has(made, "b.c", "two")
    assert not has(made, "b.d", "three")


def test_field_can_be_of_several_types() -> None:
    made = index({"a": [STRING, TOKEN, {"type": "number"}]}, {"a": ["Two words", 7]})

    assert has(made, "a", "words")
    assert is_equal(made, "a", "Two words")
    assert is_equal(made, "a", 7)
    assert not is_equal(made, "a", "words")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", 3),
        ("number", 2.5),
        ("date", MOMENT),
        ("boolean", True),
        ("objectId", SOME_ID),
        ("uuid", Binary.from_uuid(SOME_UUID)),
    ],
)
def test_values_are_indexed_by_their_type(kind: str, value: Any) -> None:
    other = "boolean" if kind != "boolean" else "number"

    assert is_equal(index({"a": {"type": kind}}, {"a": value}), "a", value)
    assert is_equal(index({}, {"a": value}, dynamic=True), "a", value)
    assert not is_equal(index({"a": {"type": other}}, {"a": value}), "a", value)


def test_only_tokens_are_compared() -> None:
    made = index({"a": STRING}, {"a": "x"}, dynamic=True)

    for path in ("a", "b"):
        with pytest.raises(CommandError, match=f"'{path}' needs to be indexed as token"):
            is_equal(made, path, "x")


def test_token_can_be_in_lower_case() -> None:
    made = index({"a": {**TOKEN, "normalizer": "lowercase"}, "b": TOKEN}, {"a": "Ä X", "b": "Ä X"})

    assert is_equal(made, "a", "ä x")
    assert is_equal(made, "a", "Ä X")
    assert not is_equal(made, "b", "ä x")


def test_null_and_missing_are_not_the_same() -> None:
    made = index({"a": TOKEN, "b": TOKEN}, {"a": None})

    assert is_equal(made, "a", None)
    assert not is_equal(made, "b", None)
    assert finds(made, exists={"path": "a"})
    assert not finds(made, exists={"path": "b"})


def test_path_exists_with_any_value() -> None:
    made = index({}, {"a": {"b": []}, "c": b"\x00"}, dynamic=True)

    assert all(finds(made, exists={"path": path}) for path in ("_id", "a", "a.b", "c"))


@pytest.mark.parametrize(
    ("definition", "projection"),
    [
        ({"dynamic": True}, None),
        ({"fields": {"a": STRING, "b": {"type": "document"}}}, {"a": 1, "b": 1, "_id": 1}),
    ],
)
def test_projection_has_only_indexed_fields(definition: Fields, projection: Any) -> None:
    made = TextIndex(parse_text_definition({"mappings": definition}))

    assert made.projection() == projection


@pytest.mark.parametrize(
    "definition",
    [
        {"mappings": {"dynamic": True}, "analyzer": "lucene.standard", "numPartitions": 2},
        {"mappings": {"dynamic": True}, "storedSource": False, "synonyms": [], "unknown": 1},
        {"mappings": {"fields": {"a": {**STRING, "indexOptions": "positions", "store": True}}}},
        {"mappings": {"fields": {"a": {"type": "number", "representation": "double"}}}},
    ],
    ids=str,
)
def test_options_without_effect_are_accepted(definition: Fields) -> None:
    parse_text_definition(definition)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, '"userCommand.indexes.0..mappings" is required'),
        ({"mappings": {}}, "indexes nothing"),
        ({"mappings": {"dynamic": 1}}, "must be a boolean"),
        ({"mappings": {"dynamic": {"typeSet": "t"}}}, "type sets are not supported"),
        ({"mappings": {"dynamic": True, "feilds": {}}}, 'unrecognized field .*feilds"'),
        ({"mappings": {"fields": {"a": {}}}}, 'fields.a.type" is required'),
        ({"mappings": {"fields": {"a": {"type": "geo"}}}}, "supported are boolean, date"),
        ({"mappings": {"fields": {"a": [STRING, STRING]}}}, "twice"),
        ({"mappings": {"fields": {"a": []}}}, "cannot be empty"),
        ({"mappings": {"fields": {"a": "string"}}}, "must be a document"),
        ({"mappings": {"fields": {"a.b": STRING}}}, "nest"),
        ({"mappings": {"fields": {"a": {**STRING, "multi": {}}}}}, "multi"),
        ({"mappings": {"fields": {"a": {**STRING, "analyzer": "lucene.thai"}}}}, "lucene.english"),
        ({"mappings": {"dynamic": True}, "analyzer": "lucene.keyword"}, "lucene.standard"),
        ({"mappings": {"dynamic": True}, "synonyms": [{}]}, "synonyms"),
        ({"mappings": {"dynamic": True}, "storedSource": True}, "storedSource"),
        ({"mappings": {"dynamic": True}, "numPartitions": 3}, "numPartitions"),
    ],
    ids=str,
)
def test_unsupported_options_are_rejected(definition: Fields, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        parse_text_definition(definition)


def test_update_refuses_unknown_keys() -> None:
    with pytest.raises(CommandError, match="unknown"):
        parse_text_definition({"mappings": {"dynamic": True}, "unknown": 1}, strict=True)


def test_definitions_compare_by_what_they_index() -> None:
    plain = {"mappings": {"fields": {"a": STRING}}}
    same = {"mappings": {"dynamic": False, "fields": {"a": [{**STRING, "store": False}]}}}

    english = {**plain, "analyzer": "lucene.english"}

    assert parse_text_definition(plain) == parse_text_definition(same)
    assert parse_text_definition(plain) != parse_text_definition(english)
    assert parse_text_definition(plain) != parse_text_definition({"mappings": {"dynamic": True}})
