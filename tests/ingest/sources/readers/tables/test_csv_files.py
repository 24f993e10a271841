"""CSV as programs write it: delimiters, marks, encodings, headers; and streams read twice."""

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from leafsearch.ingest import Corpus, Document, Fields, Rejected, SourceError
from leafsearch.ingest.sources.readers import read_csv
from leafsearch.ingest.sources.readers.tables.columns import AskedTypes, Columns
from leafsearch.ingest.sources.readers.tables.replay import replayed
from leafsearch.ingest.sources.readers.tables.utf8 import as_utf8


class Bytes(io.RawIOBase):
    def __init__(self, raw: bytes) -> None:
        self._rest = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def pipe(raw: bytes) -> io.BufferedReader:
    """A stream that cannot seek."""
    return io.BufferedReader(Bytes(raw))


def read(raw: bytes, fields: Fields | None = None, usual: str | None = None) -> list[Any]:
    return list(read_csv(io.BytesIO(raw), "f", fields or Fields(), usual))


def shown(found: list[Any]) -> list[Any]:
    return [
        (r.id, r.text, dict(r.metadata)) if isinstance(r, Document) else r.reason for r in found
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    rows = [["id", "text", "n"], ["a", '"one, two; three | four"', "1"]]
    raw = "\n".join(delimiter.join(row) for row in rows).encode()

    assert shown(read(raw)) == [("a", "one, two; three | four", {"n": 1})]


@pytest.mark.parametrize("usual", [None, "\t"])
@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_excels_line_names_the_delimiter(line: str, usual: str | None) -> None:
    raw = f"{line}\r\nid;text;n\r\na;one;1\r\nb;two,2\r\n".encode()

    first, second = read(raw, usual=usual)

    assert shown([first]) == [("a", "one", {"n": 1})]
    assert isinstance(second, Rejected)
    assert str(second.place) == "f:4"


def test_a_delimiter_inside_of_names_is_not_taken() -> None:
    assert shown(read(b'id;text;"a,b,c,d,e"\nx;T;1\n')) == [("x", "T", {"a,b,c,d,e": 1})]
    assert shown(read(b"id,text;note,n\nx,T,1\n", Fields(text="text;note"))) == [
        ("x", "T", {"n": 1})
    ]


def test_commas_in_a_tsv_are_taken_only_where_tabs_give_no_text() -> None:
    assert shown(read(b"id,text,n\nx,T,1\n", usual="\t")) == [("x", "T", {"n": 1})]
    assert shown(read(b"id\ttext\ta,b,c\nx\tT\t1\n", usual="\t")) == [("x", "T", {"a,b,c": 1})]


@pytest.mark.parametrize(
    "charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
@pytest.mark.parametrize("stream", [io.BytesIO, pipe])
def test_marks_of_unicode_are_honoured(charset: str, stream: Any) -> None:
    text = "id\ttext\tprice\r\na\tнасос 水 𝄞\t1.50\r\nb\tx\t2\r\n"
    mark = "\ufeff" if charset.endswith("e") else ""

    found = list(read_csv(stream((mark + text).encode(charset)), "f", Fields(), "\t"))

    assert shown(found) == [("a", "насос 水 𝄞", {"price": 1.5}), ("b", "x", {"price": 2.0})]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("id,text\na,b\n".encode("utf-16-le"), "NUL at byte 1, as in UTF-16LE without a byte"),
        ("id,text\na,b\n".encode("utf-16-be"), "NUL at byte 0, as in UTF-16BE without a byte"),
    ],
)
def test_utf16_without_a_mark_is_named_once(raw: bytes, expected: str) -> None:
    with pytest.raises(SourceError, match=expected):
        read(raw)


def test_a_damaged_utf16_file_is_read_up_to_the_damage() -> None:
    raw = "\ufeffid,text\na,b\nc,d\n".encode("utf-16-le") + b"x"

    found: list[Any] = []
    with pytest.raises(SourceError, match="is not UTF-16 at byte 34"):
        found.extend(read_csv(pipe(raw), "f", Fields(), None))
    assert [r.id for r in found] == ["a", "c"]


def test_bytes_of_another_charset_reject_their_row_with_the_position() -> None:
    raw = 'id,text,city\na,fine,Rome\nb,"caf\xe9",Rome\nc,ok,K\xf6ln\n'.encode("cp1252")

    found = read(raw)

    assert shown(found) == [
        ("a", "fine", {"city": "Rome"}),
        "not UTF-8 at byte 6",
        "not UTF-8 at byte 6",
    ]
    assert [str(r.place) for r in found[1:]] == ["f:3", "f:4"]


def test_a_doubled_column_that_no_option_names_is_kept_under_another_name() -> None:
    columns = Columns()
    raw = b"id,text,note,note,note_2,,\na,T,1,x,y,z,\n"

    (found,) = read_csv(io.BytesIO(raw), "f", Fields(), None, "", columns)

    assert isinstance(found, Document)
    assert found.metadata == {"note": 1, "note_3": "x", "note_2": "y", "column_6": "z"}
    assert list(columns.report.lines(AskedTypes())) == [
        "f: note is integer, note_3, note_2 and column_6 are text, another column note is note_3"
    ]


@pytest.mark.parametrize("name", ["id", "text", "title"])
def test_a_doubled_column_that_is_asked_for_is_an_error(name: str) -> None:
    with pytest.raises(SourceError, match=f"column '{name}' occurs twice in the header"):
        read(f"id,text,title,{name}\na,b,c,d\n".encode())


def test_a_header_may_have_blank_lines_before_it_and_line_ends_in_it() -> None:
    raw = b'\n\nid, text ,"price\nin EUR"\na,T,1.50\nb,U\n'

    first, second = read(raw)

    assert shown([first]) == [("a", "T", {"price in EUR": 1.5})]
    assert str(second.place) == "f:6"


def test_every_text_column_must_be_there() -> None:
    fields = Fields(text=["title", "body"])

    assert shown(read(b"id,title,body\na,T,B\n", fields)) == [("a", "T\n\nB", {"title": "T"})]
    assert shown(read(b"id,title,body\na,T,\n", fields))[0][1] == "T"
    with pytest.raises(SourceError, match="no column 'body' in the header"):
        read(b"id,title,boddy\na,T,B\n", fields)


def test_a_string_column_called_metadata_is_an_ordinary_one() -> None:
    assert shown(read(b"id,text,metadata\na,T,some words\n")) == [
        ("a", "T", {"metadata": "some words"})
    ]


def test_carriage_returns_alone_end_lines() -> None:
    assert shown(read(b"id,text,n\ra,T,1\rb,U,2\r")) == [("a", "T", {"n": 1}), ("b", "U", {"n": 2})]


def test_a_packed_file_is_read_up_to_its_break_with_one_type_a_column(tmp_path: Path) -> None:
    rows = b"".join(b"%d,text number %d,%d.50\n" % (n, n, n) for n in range(20_000))
    packed = gzip.compress(b"id,text,price\n" + rows)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found: list[Any] = []

    with pytest.raises(SourceError, match="truncated"):
        found.extend(Corpus([str(path)]).records())
    for record in Corpus([str(tmp_path)]).records():
        found.append(record)

    assert len(found) > 5000
    assert isinstance(found[-1], Rejected)
    documents = [r for r in found if isinstance(r, Document)]
    assert all(type(r.metadata["price"]) is float for r in documents)


def test_what_is_read_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text,n\n" + b"a,b,1\n" * 10_000)
    corpus = Corpus([str(path)])

    assert sum(1 for _ in corpus.records()) == 10_000
    assert corpus.bytes_read == path.stat().st_size


@pytest.mark.parametrize("most", [1, 7, 100, 10**6])
def test_a_stream_beyond_the_bound_of_its_copy_is_read_whole_the_second_time(most: int) -> None:
    raw = bytes(range(256)) * 4

    with replayed(pipe(raw), most) as replay:
        first = replay.first().read()
        is_whole = replay.is_whole
        second = replay.second().read()

    assert second == raw
    assert raw.startswith(first)
    assert is_whole == (most > len(raw))


def test_text_in_utf8_is_not_touched() -> None:
    stream = io.BytesIO(b"\xef\xbb\xbfid,text")

    assert as_utf8(stream) is stream
    assert stream.read(3) == b"\xef\xbb\xbf"
