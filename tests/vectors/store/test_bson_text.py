from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Int64, ObjectId

from leafsearch.vectors.store import id_to_text, ids_from_text, is_encodable_id

IDS = [
    "a",
    "",
    "7",
    "ü#0",
    7,
    -7,
    0,
    2**53 + 1,
    Int64(2**62),
    ObjectId("65f0c0ffee65f0c0ffee65f0"),
    "65f0c0ffee65f0c0ffee65f0",
    Binary.from_uuid(UUID("12345678-1234-5678-1234-567812345678")),
    "12345678-1234-5678-1234-567812345678",
]


@pytest.mark.parametrize("id", IDS, ids=repr)
def test_an_id_is_among_those_that_its_text_finds(id: Any) -> None:
    text = id_to_text(id)

    assert text is not None
    assert id in ids_from_text(text)
    assert {id_to_text(each) for each in ids_from_text(text)} == {text}


@pytest.mark.parametrize(
    "text", ["07", "1.5", "+1", "1" * 30, "٣", "65F0C0FFEE65F0C0FFEE65F0", "x"]
)
def test_a_text_that_no_other_id_prints_finds_itself(text: str) -> None:
    assert ids_from_text(text) == [text]


def test_the_mongo_shells_whole_numbers_are_found_as_integers() -> None:
    assert id_to_text(7.0) == "7"
    assert 7 in ids_from_text("7")


@pytest.mark.parametrize("id", [None, True, 1.5, {"a": 1}, [1], datetime(2020, 1, 1), b"x"])
def test_some_ids_have_no_text(id: Any) -> None:
    assert id_to_text(id) is None


def test_an_id_with_bytes_that_are_not_utf8_cannot_be_encoded() -> None:
    assert is_encodable_id({"of": ["é", 1]})
    assert not is_encodable_id("\udca7")
    assert not is_encodable_id({"of": ["\udca7"]})
