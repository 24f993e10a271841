"""JSON over several lines: an array of records, or one record behind another."""

import io
import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafsearch.ingest import Corpus, Document, Fields, Rejected, SourceError
from leafsearch.ingest.sources.readers import read_json


def read(raw: bytes) -> list[Document | Rejected]:
    return list(read_json(io.BytesIO(raw), "f", Fields()))


def texts(raw: bytes) -> list[str]:
    return [r.text for r in read(raw) if isinstance(r, Document)]


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps([{"text": "T"}, {"text": "U"}], indent=2).encode(),
        b'\xef\xbb\xbf [{"text": "T"},{"text": "U"}]',
        b'{"text": "T"}\n{"text": "U"}\n',
        b'{\n"text": "T"\n}{"text":\n"U"}',
    ],
)
def test_an_array_or_records_one_after_another_are_read(raw: bytes) -> None:
    assert texts(raw) == ["T", "U"]


@pytest.mark.parametrize("raw", [b"", b" \n", b"[]", b"[ ]"])
def test_a_file_without_records_has_none(raw: bytes) -> None:
    assert read(raw) == []


def test_values_keep_their_types() -> None:
    record: dict[str, Any] = {
        "text": "é\U0001f600",
        "whole": 2**63 - 1,
        "fraction": 0.1,
        "whole fraction": 1.0,
        "none": None,
        "yes": True,
        "list": [1, {"a": "b"}],
        "at": {"$date": "2024-05-01T00:00:00Z"},
    }

    (found,) = read(json.dumps([record]).encode())

    assert isinstance(found, Document)
    assert found.text == record.pop("text")
    assert found.metadata == {**record, "at": datetime(2024, 5, 1)}
    assert type(found.metadata["whole fraction"]) is float


def test_a_record_that_cannot_be_used_is_rejected_with_its_number() -> None:
    good, bad, date, last = read(
        b'[{"text": "T"}, {"txt": 1.5}, {"text": "T", "x": {"$date": "no"}}, {"text": "U"}]'
    )

    assert isinstance(good, Document)
    assert isinstance(bad, Rejected)
    assert isinstance(date, Rejected)
    assert isinstance(last, Document)
    assert (str(bad.place), bad.record) == ("f:2", '{"txt": 1.5}')
    assert "is not a value that Extended JSON knows" in date.reason


def test_a_value_nested_deeply_is_a_reject() -> None:
    deep = b"[" * 3_000 + b"]" * 3_000

    (rejected, last) = read(b'[{"text": "T", "x": ' + deep + b'}, {"text": "U"}]')

    assert isinstance(rejected, Rejected)
    assert rejected.reason == "nested more than 179 levels deep, which MongoDB cannot store"
    assert isinstance(last, Document)


def test_many_blanks_may_come_first() -> None:
    (found,) = read(b" \n" * 100_000 + b'[{"text": "T"}]')

    assert isinstance(found, Document)


@pytest.mark.parametrize(
    "raw", [b'[{"text": "T"}, {"te', b'[{"text": "T"}, nonsense]', b'[{"text": "T"}, "\xff"]']
)
def test_the_place_where_json_breaks_is_reported(raw: bytes) -> None:
    Path("a.json").write_bytes(raw)

    first, rejected = Corpus(["a.json"]).records()

    assert isinstance(first, Document)
    assert isinstance(rejected, Rejected)
    assert str(rejected.place) == "a.json:2"
    assert rejected.reason.startswith("not JSON after 1 record: ")
    assert "the file is not read from byte" in rejected.reason


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a": 1,}',
        b'{"text": "T", "x": nope}',
        b'{"text": "T", "x": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"text": "T", "x": ' + b"[" * 10**5 + b"]" * 10**5 + b"}",
        b'{"text": "T", "x": "\xff"}',
        b'{"text": "\\ud800"}',
        b"[1, 2]",
        b'"a \\" ] , string"',
        b"null",
    ],
)
def test_a_value_that_is_not_a_record_costs_no_other(bad: bytes) -> None:
    first, rejected, last = read(b'[{"text": "T"}, ' + bad + b' , {"text": "]}\\""}]')

    assert isinstance(first, Document)
    assert isinstance(rejected, Rejected)
    assert len(rejected.reason) < 300
    assert isinstance(last, Document)
    assert last.text == ']}"'
    assert read(b'{"text": "T"}\n' + bad + b' {"text": "U"}')[2:] != []


SIGNS = [*'[]{}",:\\ \n1ae', '"text"', '{"text":"T"}', "\xff"]


@given(st.lists(st.sampled_from(SIGNS), max_size=40))
def test_no_characters_make_the_reader_fail(signs: list[str]) -> None:
    found: list[Document | Rejected] = []
    with suppress(SourceError):
        found.extend(read("".join(signs).encode("latin-1")))
    assert all(isinstance(record, Document | Rejected) for record in found)
