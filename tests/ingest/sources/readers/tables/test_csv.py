"""A quote that is not closed costs its own record, not those after it."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafsearch.ingest import Document, Fields, Rejected, SourceError
from leafsearch.ingest.sources.readers import read_csv


def csv_of(*lines: str, header: str = "id,text") -> list[Document | Rejected]:
    raw = "\n".join([header, *lines, ""]).encode("utf-8", "surrogatepass")
    return list(read_csv(io.BytesIO(raw), "f", Fields(), None))


def outcome(read: list[Document | Rejected]) -> list[str]:
    """Ids of the documents, places of the rejects."""
    return [r.id if isinstance(r, Document) else str(r.place) for r in read]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['a,"open', "b,fine", "c,fine"], ["f:2", "b", "c"]),
        (['a,"open', "b,fine", 'c,"quoted"', "d,fine"], ["f:2", "b", "c", "d"]),
        (["a,fine", "b,fine", 'c,"open'], ["a", "b", "f:4"]),
        (['a,"open', 'b,"open', "c,fine"], ["f:2", "c"]),  # one reject holds both
        (['a,"open', "", "b,fine"], ["f:2", "b"]),
        (['a,"open', "too,many,columns", "b,fine", "c,fine"], ["f:2", "f:3", "b", "c"]),
    ],
)
def test_the_rows_after_an_open_quote_are_read(lines: list[str], expected: list[str]) -> None:
    assert outcome(csv_of(*lines)) == expected


def test_the_reason_names_the_line_and_keeps_the_record() -> None:
    rejected, _ = csv_of('a,"open', "b,fine")

    assert isinstance(rejected, Rejected)
    assert rejected.record == 'a,"open'
    assert rejected.reason == (
        "not CSV: a quote that opens in this record is not closed (up to line 3); the lines after "
        "its first are read as rows of their own"
    )


def test_lines_of_a_broken_text_do_not_become_documents() -> None:
    """It has a comma here and there; what stands between the quotes is not a row."""
    rejected, after = csv_of('a,"one', "two, three", 'and four"x', "b,fine")

    assert isinstance(rejected, Rejected)
    assert "up to line 4" in rejected.reason
    assert rejected.record == 'a,"one\ntwo, three\nand four"x'
    assert outcome([after]) == ["b"]


def test_text_after_a_closing_quote_is_refused() -> None:
    assert outcome(csv_of('a,"closed"x', "b,fine")) == ["f:2", "b"]


def test_quotes_as_they_should_be_are_taken() -> None:
    (found,) = csv_of('a,"say ""this""\n\nand, that"')

    assert isinstance(found, Document)
    assert found.text == 'say "this"\n\nand, that'
    assert outcome(csv_of('a,5" disk')) == ["a"]


def test_a_row_of_another_width_tells_where_it_ends() -> None:
    (rejected,) = csv_of('a,"two\nlines",c')

    assert isinstance(rejected, Rejected)
    assert rejected.reason == "3 columns; the header has 2 (up to line 3)"


def test_a_header_with_an_open_quote_is_an_error() -> None:
    with pytest.raises(SourceError, match="the header, line 1, is not CSV"):
        csv_of("a,b", header='id,"text')


@pytest.mark.long
def test_an_open_quote_in_a_long_file_costs_no_more_than_its_lines() -> None:
    lines = [f"{n},fine" for n in range(50_000)]
    tracemalloc.start()

    read = csv_of('a,"open', *lines)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(read) == 50_001
    assert peak < 200 * 2**20


@given(st.lists(st.text(st.sampled_from('ab",;\n\r'), max_size=12), max_size=8))
def test_every_line_of_a_csv_ends_in_a_document_or_a_reject(lines: list[str]) -> None:
    for record in csv_of(*lines):
        assert isinstance(record, Document | Rejected)


@given(st.lists(st.text(st.sampled_from('ab",\n'), min_size=1, max_size=12), max_size=8))
def test_csv_round_trips(texts: list[str]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([n, f"x{t}x"] for n, t in enumerate(texts))

    read = csv_of(*written.getvalue().splitlines()) if texts else []

    assert [r.text for r in read if isinstance(r, Document)] == [f"x{t}x" for t in texts]


@pytest.mark.parametrize("header", ["x" * 1_000_000, ",".join(["name"] * 100_000)])
def test_no_message_is_as_long_as_the_header(header: str) -> None:
    for columns in (header, f"text,text,{header},{header}"):
        with pytest.raises(SourceError) as caught:
            csv_of("a", header=columns)
        assert len(str(caught.value)) < 1500
        assert "column" in str(caught.value)
