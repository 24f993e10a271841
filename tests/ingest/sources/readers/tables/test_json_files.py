"""JSON as programs write it: arrays and records over many lines in a .jsonl, marks, odd numbers."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from leafsearch.ingest import Corpus, Document, Fields, Rejected, SourceError
from leafsearch.ingest.sources.readers import read_json, read_json_lines

RECORDS = [{"id": "a", "text": "one", "n": 1}, {"id": "b", "text": "two", "n": 2}]
BOTH = pytest.mark.parametrize("reader", [read_json, read_json_lines])


def read(raw: bytes, reader: Any = read_json_lines) -> list[Document | Rejected]:
    return list(reader(io.BytesIO(raw), "f", Fields()))


def ids(found: list[Document | Rejected]) -> list[str]:
    return [r.id if isinstance(r, Document) else f"{r.place} {r.reason}" for r in found]


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n\n[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n",
        "[" + ",\n".join(map(json.dumps, RECORDS)) + "]",
        "\n".join(json.dumps(record, indent=2) for record in RECORDS),
        "\n".join(json.dumps(record, indent=2).replace("\n", "\n\n") for record in RECORDS),
        "\ufeff" + json.dumps(RECORDS, indent=2).replace("\n", "\r\n"),
        "\n".join(map(json.dumps, RECORDS)),
    ],
)
@BOTH
def test_records_are_read_however_they_are_laid_out(raw: str, reader: Any) -> None:
    assert ids(read(raw.encode(), reader)) == ["a", "b"]


@pytest.mark.parametrize(
    "first",
    ['{"id": "a", "text": "one"', "{'id': 'a'}", '{"id"', "[1]", "[x", "[INFO] starting", "{"],
)
def test_a_broken_first_line_costs_no_other(first: str) -> None:
    found = read(f"{first}\n{json.dumps(RECORDS[1])}\n".encode())

    assert isinstance(found[0], Rejected)
    assert ids(found[1:]) == ["b"]
    assert str(found[1].place) == "f:2"


def test_several_records_on_a_line_name_the_option() -> None:
    (rejected,) = read(b'{"text": "T"} {"text": "U"}\n')

    assert isinstance(rejected, Rejected)
    assert rejected.reason.endswith("; --format json takes several records on a line")


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@BOTH
def test_marks_of_unicode_are_honoured(charset: str, reader: Any) -> None:
    text = '{"id": "a", "text": "水 𝄞"}\r\n{"id": "b", "text": "x"}\r\n'
    raw = (("\ufeff" if charset == "utf-16-be" else "") + text).encode(charset)

    found = read(raw, reader)

    assert ids(found) == ["a", "b"]
    assert isinstance(found[0], Document)
    assert found[0].text == "水 𝄞"


@BOTH
def test_utf16_without_a_mark_is_named_once(reader: Any) -> None:
    with pytest.raises(SourceError, match="NUL at byte 1, as in UTF-16LE without a byte order"):
        read('{"text": "T"}\n'.encode("utf-16-le"), reader)


@pytest.mark.parametrize("form", ["%s", "[%s]"])
def test_json_reads_what_json_lines_reads(form: str) -> None:
    raw = (
        '{"id": "a", "text": "T", "n": NaN, "i": Infinity, "x": {"$date": "2024-05-01T00:00:00Z"}}'
    )

    (lines,) = read(raw.encode())
    (array,) = read((form % raw).encode(), read_json)

    assert isinstance(lines, Document)
    assert repr(array) == repr(lines)


def test_records_before_a_broken_end_are_kept() -> None:
    raw = b'[{"id": "a", "text": "T"}, {"id": "b", "text": "U"}, {"i": [1, 2'

    first, second, rejected = read(raw, read_json)

    assert ids([first, second]) == ["a", "b"]
    assert isinstance(rejected, Rejected)
    assert rejected.reason == (
        "not JSON after 2 records: the file ends within a record; the file is not read from byte "
        "64 on"
    )
    assert rejected.record == '{"i": [1, 2'


@pytest.mark.parametrize(
    ("value", "expected", "note"),
    [
        ("18446744073709551615", "18446744073709551615", "an integer beyond 64 bits"),
        ("[-9223372036854775809]", ["-9223372036854775809"], "an integer beyond 64 bits"),
        ("1" * 5000, "1" * 5000, "an integer beyond 64 bits"),
        (
            '{"$date": {"$numberLong": "253402300800000"}}',
            "10000-01-01T00:00:00.000",
            "a date outside the years 1 to 9999",
        ),
    ],
    ids=["uint64", "array", "5000 digits", "date"],
)
@BOTH
def test_values_that_mongodb_has_no_type_for_become_text_and_are_named(
    value: str, expected: Any, note: str, reader: Any
) -> None:
    (found,) = read(f'{{"text": "T", "a": {{"b": {value}}}}}'.encode(), reader)

    assert isinstance(found, Document), found
    assert found.metadata == {"a": {"b": expected}}
    assert list(found.notes) == [f"metadata.a.b is {note}, which is stored as text"]


def test_a_slow_pipe_gives_its_first_record_at_once(tmp_path: Path) -> None:
    class Slow(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            assert self.tell() == 0, "only the first line is there yet"
            return super().readline(size)

    found = next(read_json_lines(Slow(b'{"id": "a", "text": "T"}\n{"text": "U"}\n'), "f", Fields()))

    assert ids([found]) == ["a"]


def test_the_texts_of_several_fields_come_from_any_format(tmp_path: Path) -> None:
    record = {"id": "a", "head": "H", "doc": {"body": "B"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    (tmp_path / "b.json").write_text(json.dumps([record]))
    fields = Fields(text=["head", "doc.body"])

    found = list(Corpus([str(tmp_path)], fields).records())

    assert [r.text for r in found if isinstance(r, Document)] == ["H\n\nB"] * 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_one_of_several_texts_that_no_record_has_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"head": "H", "body": "B"} \n {"head": "H"}')
    path = str(tmp_path / name)
    right, wrong = (
        Corpus([path], Fields(text=["head", "body"])),
        Corpus([path], Fields(text=["head", "bdoy"])),
    )

    assert [sum(1 for _ in corpus.records()) for corpus in (right, wrong)] == [2, 2]
    assert list(right.columns.lines(right.asked_types)) == []
    assert list(wrong.columns.lines(wrong.asked_types)) == [
        f"{path}: no record has the field 'bdoy'"
    ]


@BOTH
def test_an_empty_array_is_an_empty_file(reader: Any) -> None:
    assert read(b"[]\n", reader) == []
