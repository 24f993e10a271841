import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from leafsearch.ingest import Corpus, Document, Fields, Rejected, SourceError
from leafsearch.ingest.sources.readers import Whole, read_csv, read_json_lines, read_text

EXTENDED = (
    "oid date binary uuid numberInt numberLong numberDouble numberDecimal regex regularExpression "
    "timestamp code scope symbol dbPointer ref minKey undefined"
)


def json_lines(*lines: object) -> list[Document | Rejected]:
    raw = b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
    return list(read_json_lines(io.BytesIO(raw), "f", Fields()))


def csv_of(text: str | bytes, delimiter: str | None = None) -> list[Document | Rejected]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(read_csv(io.BytesIO(raw), "f", Fields(), delimiter))


def reason(read: list[Document | Rejected]) -> str:
    (rejected,) = read
    assert isinstance(rejected, Rejected)
    return rejected.reason


def document(read: list[Document | Rejected]) -> Document:
    (found,) = read
    assert isinstance(found, Document), found
    return found


def test_a_record_becomes_a_document_and_the_rest_metadata() -> None:
    found = document(json_lines({"id": "a", "text": "T", "title": "H", "year": 2020, "x": [1]}))

    assert (found.id, found.text, found.title) == ("a", "T", "H")
    assert found.metadata == {"title": "H", "year": 2020, "x": [1]}
    assert str(found.place) == "f:1"


def test_an_object_called_metadata_is_opened() -> None:
    assert document(json_lines({"text": "T", "metadata": {"a": 1}, "b": 2})).metadata == {
        "a": 1,
        "b": 2,
    }
    assert "both beside and inside" in reason(
        json_lines({"text": "T", "metadata": {"a": 1}, "a": 2})
    )


def test_beir_names_are_understood() -> None:
    assert document(json_lines({"_id": "MED-1", "title": "", "text": "T"})).id == "MED-1"


def test_numbers_are_ids_too_and_a_missing_one_is_made_of_the_content() -> None:
    assert document(json_lines({"id": 7, "text": "T"})).id == "7"
    one, same, other = json_lines({"text": "T"}, {"text": "T"}, {"text": "T", "a": 1})
    assert isinstance(one, Document)
    assert isinstance(same, Document)
    assert isinstance(other, Document)
    assert one.id == same.id != other.id


def test_extended_json_keeps_its_types() -> None:
    line = b'{"text": "T", "at": {"$date": "2024-05-01T00:00:00Z"}, "by": {"$oid": "%b"}}' % (
        b"a" * 24
    )

    found = document(json_lines(line))

    assert found.metadata == {"at": datetime(2024, 5, 1), "by": ObjectId("a" * 24)}


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ({"$oid": "0123456789abcdef01234567"}, "0123456789abcdef01234567"),
        ({"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}, "00112233-4455-6677-8899-aabbccddeeff"),
        (
            {"$binary": {"base64": "ABEiM0RVZneImaq7zN3u/w==", "subType": "04"}},
            "00112233-4455-6677-8899-aabbccddeeff",
        ),
        ({"$numberInt": "7"}, "7"),
        ({"$numberLong": "7"}, "7"),
        ({"$numberDouble": "7.0"}, "7"),
        (7.0, "7"),
    ],
)
def test_ids_as_mongoexport_writes_them_are_taken_as_text(id: object, expected: str) -> None:
    assert document(json_lines({"_id": id, "text": "T"})).id == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"_id": {"$date": "2024-05-01T00:00:00Z"}}, "field '_id' is a date; expected a string"),
        ({"_id": {"a": 1}}, "field '_id' is an object"),
        ({"_id": 1.5}, "field '_id' is a number with a fraction"),
        ({"_id": 2.0**60}, "field '_id' is a number with a fraction"),
        ({"_id": {"$numberDecimal": "7"}}, "field '_id' is a decimal number"),
        ({"_id": {"$binary": {"base64": "AA==", "subType": "00"}}}, "field '_id' is binary"),
        ({"_id": {"$minKey": 1}}, "field '_id' is of another type"),
        ({"id": True}, "field 'id' is a boolean"),
        ({"x": {"$oid": "short"}}, """{"$oid": "short"} is not a value that Extended JSON knows"""),
        ({"x": {"$oid": 3}}, """{"$oid": 3} is not a value"""),
        ({"x": {"$date": 1e300}}, """{"$date": 1e+300} is not a value"""),
        ({"x": {"$binary": 3}}, """{"$binary": 3} is not a value"""),
        ({"x": [{"y": {"$numberInt": "one"}}]}, """{"$numberInt": "one"} is not a value"""),
        ({"x": {"$uuid": "no"}}, """{"$uuid": "no"} is not a value"""),
        ({"x": {"$regularExpression": 1}}, """{"$regularExpression": 1} is not a value"""),
    ],
)
def test_invalid_extended_json_is_reported(fields: dict[str, Any], expected: str) -> None:
    bad, good = json_lines({"text": "T", **fields}, {"text": "T"})

    assert isinstance(bad, Rejected)
    assert expected in bad.reason
    assert isinstance(good, Document)


@given(
    st.sampled_from(EXTENDED.split()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["base64", "subType", "t", "i", "$id"]), inner)
        ),
        max_leaves=4,
    ),
)
def test_no_extended_json_makes_the_reader_fail(operator: str, value: object) -> None:
    for key in ("_id", "x"):
        (record,) = json_lines({"text": "T", key: {f"${operator}": value}})
        assert isinstance(record, Document | Rejected)


def test_blank_lines_and_a_byte_order_mark_are_passed_over() -> None:
    read = json_lines(b"\xef\xbb\xbf" + b'{"text": "T"}', b"", b"   ", {"text": "U"})

    assert [r.place.line for r in read] == [1, 4]
    assert all(isinstance(r, Document) for r in read)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", "not JSON"),
        (b"[1]", "is JSON, but an array"),
        (b"3", "is JSON, but a number"),
        (b'{"text": "\xff"}', "not UTF-8 at byte 10"),
        ({"body": "T"}, "no field 'text' (fields: 'body'); see --text-field"),
        ({"text": 3}, "'text' is a number"),
        ({"text": " \n"}, "'text' is empty"),
        ({"text": "T", "title": ["x"]}, "'title' is an array"),
        ({"text": "T", "id": ""}, "'id': expected 1 to 1024 bytes"),
        ({"text": "T", "id": True}, "'id' is a boolean"),
        ({"text": "T", "id": 1.5}, "'id' is a number"),
        ({"text": "T", "id": "x" * 1025}, "'id': expected 1 to 1024 bytes"),
        (b'{"text": "T", "id": "\\ud800"}', "not valid Unicode"),
        (b'{"text": "\\ud800"}', "expected valid Unicode"),
        ({"text": "T", "title": "A", "metadata": {"title": "B"}}, "field 'title' occurs twice"),
        ({"text": "T", "": {"a\0b": 1}}, "metadata that MongoDB cannot store"),
        (b"[" * 100_000, "nested more than 179 levels deep"),
    ],
)
def test_a_record_that_cannot_be_used_is_rejected_with_a_reason(
    line: object, expected: str
) -> None:
    assert expected in reason(json_lines(line))


def test_a_reject_carries_the_record_and_its_place() -> None:
    _, rejected = json_lines({"text": "T"}, b'{"txt": "U"}')

    assert isinstance(rejected, Rejected)
    assert (rejected.record, str(rejected.place)) == ('{"txt": "U"}', "f:2")


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(raw: bytes) -> None:
    for record in read_json_lines(io.BytesIO(raw), "f", Fields()):
        assert isinstance(record, Document | Rejected)


def test_csv_numbers_become_numbers_only_if_they_come_back_as_written() -> None:
    found = document(csv_of("id,text,year,zip,share,empty\n1,T,2020,00501,0.5,\n"))

    assert found.id == "1"
    assert found.metadata == {"year": 2020, "zip": "00501", "share": 0.5}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_csv_delimiter_is_found_in_the_header(delimiter: str) -> None:
    raw = delimiter.join(["id", "text"]) + "\n" + delimiter.join(["a", '"T\nwith lines"']) + "\n"

    assert document(csv_of(raw)).text == "T\nwith lines"


def test_csv_lines_are_counted_where_a_record_begins() -> None:
    read = csv_of('id,text\na,"two\nlines"\nb,\nc,ok\n')

    assert [str(r.place) for r in read] == ["f:2", "f:4", "f:5"]


def test_csv_rows_of_another_width_are_rejected() -> None:
    assert "3 columns; the header has 2" in reason(csv_of("id,text\na,b,c\n"))


def test_csv_bytes_that_are_not_utf8_are_rejected_with_their_row_only() -> None:
    bad, good = csv_of(b"id,text\na,\xff\nb,fine\n")

    assert isinstance(bad, Rejected)
    assert isinstance(good, Document)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("id,body\na,b\n", "no column 'text' in the header"),
        ("", "empty"),
        ("text,a,text\n", "twice"),
    ],
)
def test_a_csv_that_cannot_be_read_at_all_says_why(raw: str, expected: str) -> None:
    with pytest.raises(SourceError, match=expected):
        csv_of(raw)


def test_a_text_file_is_one_document() -> None:
    found = document(list(read_text(io.BytesIO(b"a\r\nb"), Whole("f", "id"), markdown=False)))

    assert (found.id, found.text, found.metadata) == ("id", "a\nb", {"path": "id"})


def test_the_first_heading_of_markdown_is_its_title_but_not_one_in_code() -> None:
    raw = b"```\n# not this\n```\n# This *one* #\n# nor this\n"

    assert (
        document(list(read_text(io.BytesIO(raw), Whole("f", "id"), markdown=True))).title
        == "This *one*"
    )


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("#\n\nHello", ""),
        ("#  \n# Second", "Second"),
        ("# About C#", "About C#"),
        ("# Closed ##  ", "Closed"),
        ("## Deeper", ""),
        ("# a" + " " * 20_000 + "b", "a" + " " * 20_000 + "b"),
    ],
)
def test_a_title_is_what_stands_in_the_line_of_the_heading(heading: str, expected: str) -> None:
    raw = f"{heading}\n".encode()

    assert document(list(read_text(io.BytesIO(raw), Whole("f", "id"), markdown=True))).title == (
        expected
    )


@pytest.mark.parametrize(
    ("raw", "expected"), [(b"", "empty file"), (b"\n \n", "empty file"), (b"a\xff", "at byte 1")]
)
def test_a_text_file_that_cannot_be_used_is_rejected(raw: bytes, expected: str) -> None:
    assert expected in reason(list(read_text(io.BytesIO(raw), Whole("f", "id"), markdown=False)))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "docs" / ".git").mkdir()
    for name in ("b.md", "a.txt", "deep/c.jsonl", ".git/d.txt", "e.png", "f"):
        (tmp_path / "docs" / name).write_text('{"text": "T"}')
    (tmp_path / "docs" / "e.png").write_bytes(bytes(20))
    return tmp_path / "docs"


def test_a_folder_is_read_in_order_and_the_rest_is_counted(folder: Path) -> None:
    corpus = Corpus([str(folder)])

    found = [r for r in corpus.records() if isinstance(r, Document)]

    assert [d.id for d in found[:2]] == ["docs/a.txt", "docs/b.md"]
    assert len(found) == 4
    assert corpus.ignored == {".png": 1}
    assert corpus.sniffed == {("no ending", "jsonl"): 1}


def test_ids_do_not_depend_on_where_the_command_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absolute = [r.id for r in Corpus([str(folder)]).records() if isinstance(r, Document)]
    monkeypatch.chdir(folder)
    relative = [r.id for r in Corpus(["."]).records() if isinstance(r, Document)]

    assert relative == absolute


def test_unreadable_paths_are_reported_before_any_work(folder: Path) -> None:
    for path, expected in [
        (folder / "nothing", "no such file or folder"),
        (folder / "e.png", "cannot tell the format"),
    ]:
        (problem,) = Corpus([str(folder), str(path)]).problems()
        assert expected in problem


def test_a_format_can_be_given(folder: Path) -> None:
    (found,) = Corpus([str(folder / "f")], format="jsonl").records()

    assert isinstance(found, Document)
