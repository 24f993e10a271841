"""Texts, titles and ids by path, several texts, and values that MongoDB has no type for."""

from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from leafsearch.ingest import Document, Fields, Place
from leafsearch.ingest.sources.files.records import UnusableRecord, to_document
from leafsearch.ingest.sources.files.storable import FarDate, store


def made(record: dict[str, Any], fields: Fields) -> Document:
    return to_document({"id": "a", **record}, fields, Place("f"))


@pytest.mark.parametrize(
    ("record", "text", "metadata"),
    [
        ({"doc": {"text": "T", "year": 1}}, "T", {"doc": {"year": 1}}),
        ({"doc": {"text": "T"}, "n": 1}, "T", {"n": 1}),
        ({"doc.text": "T", "doc": {"text": "U"}}, "T", {"doc": {"text": "U"}}),
        ({"doc": [{"text": "T", "page": 1}, {"text": "U"}]}, "T\n\nU", {"doc": [{"page": 1}]}),
        ({"doc": [{"page": 1}, {"text": "U"}, 7]}, "U", {"doc": [{"page": 1}, 7]}),
    ],
)
def test_a_text_is_found_by_its_path(
    record: dict[str, Any], text: str, metadata: dict[str, Any]
) -> None:
    before = repr(record)

    found = made(record, Fields(text="doc.text"))

    assert (found.text, found.metadata) == (text, metadata)
    assert repr(record) == before


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"doc": {"body": "T"}}, "no field 'doc.text' (fields: 'id', 'doc'); see --text-field"),
        ({"doc": "T"}, "no field 'doc.text'"),
        ({"doc": {"text": 5}}, "field 'doc.text' is a number; expected a string"),
        ({"doc": {"text": ["T"]}}, "field 'doc.text' is an array; expected a string"),
        ({"doc": {"text": None}}, "field 'doc.text' is null; expected a string"),
        ({"doc": [{"text": "T"}, {"text": 5}]}, "field 'doc.text' is a number; expected a string"),
        ({"doc": [{"text": " "}, {"text": ""}]}, "field 'doc.text' is empty"),
    ],
)
def test_a_path_without_a_text_is_a_reject(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableRecord) as caught:
        made(record, Fields(text="doc.text"))

    assert str(caught.value).startswith(reason)


def test_several_texts_are_joined_by_a_blank_line_in_the_order_of_the_options() -> None:
    fields = Fields(text=["head", "doc.body"], title="name")

    found = made({"doc": {"body": "B"}, "head": "H", "name": "N", "k": 1}, fields)

    assert (found.text, found.title) == ("H\n\nB", "N")
    assert found.metadata == {"title": "N", "k": 1}


@pytest.mark.parametrize("body", [{}, {"body": None}, {"body": ""}])
def test_one_of_several_texts_is_enough(body: dict[str, Any]) -> None:
    assert made({"head": "H", **body}, Fields(text=["head", "body"])).text == "H"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"x": 1}, "no field 'head' or 'body' (fields: 'id', 'x'); see --text-field"),
        ({"head": "", "body": " "}, "field 'head' or 'body' is empty"),
        ({"head": "H", "body": 5}, "field 'body' is a number; expected a string"),
    ],
)
def test_several_texts_without_one_are_a_reject(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableRecord) as caught:
        made(record, Fields(text=["head", "body"]))

    assert str(caught.value) == reason


def test_a_title_that_is_a_text_too_is_stored_and_not_encoded_twice() -> None:
    found = made({"title": "T", "body": "B"}, Fields(text=["title", "body"]))

    assert (found.text, found.title, found.metadata) == ("T\n\nB", "", {"title": "T"})


def test_ids_and_titles_have_paths_too() -> None:
    fields = Fields("meta.key", "text", "meta.name")

    found = to_document({"meta": {"key": 7, "name": "N"}, "text": "T"}, fields, Place("f"))

    assert (found.id, found.title, found.metadata) == ("7", "N", {"title": "N"})


def test_a_title_of_many_objects_is_a_reject() -> None:
    with pytest.raises(UnusableRecord, match=r"field 'a\.b' occurs 2 times, in an array"):
        made({"text": "T", "a": [{"b": "x"}, {"b": "y"}]}, Fields(title="a.b"))


@pytest.mark.parametrize("value", ["a string", ["x"], 7, False])
def test_a_field_called_metadata_that_is_no_object_is_an_ordinary_one(value: Any) -> None:
    assert made({"text": "T", "metadata": value}, Fields()).metadata == {"metadata": value}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (Fields("x", "x"), "--id-field x: is a text or the title as well"),
        (Fields("x", "y", "x"), "--id-field x: is a text or the title as well"),
        (Fields("id", ["a", "a"]), "--text-field: expected different fields"),
        (Fields("id", []), "--text-field: expected the name of a field"),
        (Fields("id", ["a", ""]), "--text-field: expected the name of a field"),
        (Fields("id", "a..b"), "--text-field: expected the name of a field"),
        (Fields(".id"), "--id-field: expected the name of a field"),
        (Fields("id", ["id", "b"]), "--id-field id: is a text or the title as well"),
    ],
)
def test_fields_that_can_never_be_meant(fields: Fields, problem: str) -> None:
    assert any(problem in found for found in fields.problems())


def test_fields_of_one_text_are_equal_however_they_are_given() -> None:
    assert Fields(text="a") == Fields(text=["a"])
    assert list(Fields(text=("title", "body")).problems()) == []
    assert list(Fields(text="title").problems()) == []


@pytest.mark.parametrize(
    ("value", "expected", "what"),
    [
        (2**63, "9223372036854775808", "an integer beyond 64 bits"),
        (-(2**63) - 1, "-9223372036854775809", "an integer beyond 64 bits"),
        (10**4200 + 7, "1" + "0" * 4199 + "7", "an integer beyond 64 bits"),
        (FarDate("12000-01-01"), "12000-01-01", "a date outside the years 1 to 9999"),
        (Decimal("1." + "3" * 40), "1." + "3" * 40, "a decimal of more than 34 digits"),
    ],
)
def test_what_mongodb_has_no_type_for_becomes_text(value: Any, expected: str, what: str) -> None:
    stored = store({"a": {"b": value}, "list": [{"c": value}, 1], "kept": 2**62})

    assert stored.metadata == {"a": {"b": expected}, "list": [{"c": expected}, 1], "kept": 2**62}
    assert list(stored.notes) == [
        f"metadata.{path} is {what}, which is stored as text" for path in ("a.b", "list.c")
    ]


def test_what_mongodb_has_a_type_for_keeps_it() -> None:
    stored = store({"n": 2**63 - 1, "m": -(2**63), "d": Decimal("1.50")})

    assert stored.metadata == {"n": 2**63 - 1, "m": -(2**63), "d": Decimal128("1.50")}
    assert stored.notes == ()


def test_an_object_around_the_records_is_answered_with_the_way_to_them() -> None:
    wrapped = {"count": 1, "data": [{"id": "a", "text": "Inner."}]}

    with pytest.raises(UnusableRecord, match=r"the records are in the array 'data'.*jq '\.data'"):
        to_document(wrapped, Fields(), Place("f"))
    with pytest.raises(UnusableRecord, match="see --text-field"):
        to_document({"tags": [{"name": "x"}]}, Fields(), Place("f"))
