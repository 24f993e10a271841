"""Rows become records whose values keep their types, a few at a time."""

import gzip
import io
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128

from leafsearch.ingest import Corpus, Document, Fields, Rejected, SourceError
from leafsearch.ingest.sources.readers import read_parquet

pa: Any = pytest.importorskip("pyarrow", reason="needs the extra [formats]")
pq: Any = pytest.importorskip("pyarrow.parquet")


def written(rows: list[dict[str, Any]], **options: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(rows, schema=options.pop("schema", None)), target, **options
    )
    return target.getvalue()


def read(raw: bytes, fields: Fields | None = None) -> list[Document | Rejected]:
    return list(read_parquet(io.BytesIO(raw), "f", fields or Fields(), "of"))


def document(raw: bytes) -> Document:
    (found,) = read(raw)
    assert isinstance(found, Document), found
    return found


def test_a_row_becomes_a_document_and_the_rest_metadata() -> None:
    found = document(written([{"id": 7, "text": "T", "title": "H", "year": 2020}]))

    assert (found.id, found.text, found.title, found.source) == ("7", "T", "H", "of")
    assert found.metadata == {"title": "H", "year": 2020}
    assert str(found.place) == "f:1"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.int8(), -5, -5),
        (pa.uint32(), 2**32 - 1, 2**32 - 1),
        (pa.float32(), 0.5, 0.5),
        (pa.float16(), 0.5, 0.5),
        (pa.bool_(), True, True),
        (pa.large_string(), "é", "é"),
        (pa.dictionary(pa.int8(), pa.string()), "word", "word"),
        (pa.binary(), b"\0\xff", b"\0\xff"),
        (pa.date32(), date(2024, 5, 1), datetime(2024, 5, 1)),
        (pa.date64(), date(1890, 5, 1), datetime(1890, 5, 1)),
        (pa.timestamp("s"), datetime(2024, 5, 1, 12), datetime(2024, 5, 1, 12)),
        (pa.timestamp("ns"), 1_714_521_600_123_456_789, datetime(2024, 5, 1, 0, 0, 0, 123_456)),
        (
            pa.timestamp("us", "Europe/Berlin"),
            datetime(2024, 5, 1, 12, tzinfo=UTC),
            datetime(2024, 5, 1, 12, tzinfo=UTC),
        ),
        (pa.time64("ns"), time(12, 30), "12:30:00"),
        (pa.duration("ms"), timedelta(seconds=1.5), 1.5),
        (pa.decimal128(10, 2), Decimal("12.50"), Decimal128("12.50")),
        (pa.decimal256(60, 0), Decimal(10**50 + 1), str(10**50 + 1)),
        (pa.list_(pa.date32()), [date(2024, 5, 1)], [datetime(2024, 5, 1)]),
        (pa.large_list(pa.int64()), [1, None], [1, None]),
        (pa.list_(pa.null()), [None, None], [None, None]),
        (pa.list_(pa.float32(), 2), [0.5, 1.5], [0.5, 1.5]),
        (
            pa.struct([("a", pa.timestamp("ns")), ("b", pa.list_(pa.string()))]),
            {"a": datetime(2024, 5, 1), "b": ["x"]},
            {"a": datetime(2024, 5, 1), "b": ["x"]},
        ),
        (pa.map_(pa.string(), pa.int64()), {"a": 1}, {"a": 1}),
    ],
    ids=str,
)
def test_values_keep_their_types(kind: Any, value: object, expected: object) -> None:
    schema = pa.schema([("text", pa.string()), ("x", kind)])
    given = (
        [value] if not isinstance(value, dict) or pa.types.is_struct(kind) else [[*value.items()]]
    )
    table = pa.table({"text": ["T"], "x": pa.array(given, kind)}, schema=schema)
    target = io.BytesIO()
    pq.write_table(table, target)

    found = document(target.getvalue()).metadata

    assert found == {"x": expected}
    assert type(found["x"]) is type(expected)
    assert bson.encode(found)


def test_null_values_are_left_out() -> None:
    first, second = read(written([{"text": "T", "n": 1, "id": None}, {"text": "U", "n": None}]))

    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.metadata, second.metadata) == ({"n": 1}, {})


def test_a_row_that_cannot_be_used_is_rejected_with_its_number() -> None:
    rows = [{"text": "T", "n": 1}, {"text": None, "n": 2}, {"text": " ", "n": 3}]

    good, null, blank = read(written(rows))

    assert isinstance(good, Document)
    assert isinstance(null, Rejected)
    assert isinstance(blank, Rejected)
    assert (str(null.place), null.reason) == ("f:2", "field 'text' is null; expected a string")
    assert (str(blank.place), blank.reason) == ("f:3", "field 'text' is empty")
    assert blank.record == "{'text': ' ', 'n': 3}"


def test_dates_outside_the_years_of_python_become_text_and_are_named() -> None:
    days = pa.array([0, 4_000_000, 1], pa.int32()).cast(pa.date32())
    micros = pa.array([0, 0, 400_000 * 10**12], pa.int64()).cast(pa.timestamp("us"))
    millis = pa.array([0, 2**55, 0], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    inner = pa.StructArray.from_arrays([micros, pa.array([1, 2, 3])], ["at", "n"])
    listed = pa.array([[], [0], [400_000 * 10**12]], pa.list_(pa.timestamp("us")))
    columns = {"day": days, "at": micros, "ms": millis, "inner": inner, "list": listed}
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b", "c"], **columns}), stream)

    found = read(stream.getvalue())

    first, second, third = [r for r in found if isinstance(r, Document)]
    assert first.metadata["day"] == datetime(1970, 1, 1)
    assert first.notes == ()
    assert second.metadata["day"] == "12921-08-18"
    assert second.metadata["ms"].startswith("1143677-")
    assert second.metadata["list"] == [datetime(1970, 1, 1)]
    assert third.metadata["at"] == third.metadata["inner"]["at"] == third.metadata["list"][0]
    assert third.metadata["at"].startswith("14645-")
    assert third.metadata["inner"]["n"] == 3
    what = "is a date outside the years 1 to 9999, which is stored as text"
    assert list(second.notes) == [f"metadata.day {what}", f"metadata.ms {what}"]
    assert list(third.notes) == [f"metadata.{path} {what}" for path in ("at", "inner.at", "list")]


def test_integers_beyond_64_bits_and_long_decimals_become_text_and_are_named() -> None:
    long = Decimal("1" * 40)
    schema = pa.schema([("text", pa.string()), ("n", pa.uint64()), ("d", pa.decimal256(45, 2))])
    rows = [
        {"text": "a", "n": 2**63 - 1, "d": Decimal(1)},
        {"text": "b", "n": 2**64 - 1, "d": long},
    ]

    small, big = read(written(rows, schema=schema))

    assert isinstance(small, Document)
    assert isinstance(big, Document)
    assert small.metadata == {"n": 2**63 - 1, "d": Decimal128("1.00")}
    assert big.metadata == {"n": "18446744073709551615", "d": "1" * 40 + ".00"}
    assert list(big.notes) == [
        "metadata.n is an integer beyond 64 bits, which is stored as text",
        "metadata.d is a decimal of more than 34 digits, which is stored as text",
    ]


def test_texts_titles_and_ids_may_lie_in_structs_and_lists() -> None:
    rows = [
        {"meta": {"key": 7, "name": "N"}, "doc": {"text": "T", "n": 1}, "parts": [{"t": "a"}]},
        {"meta": {"key": 8, "name": None}, "doc": None, "parts": [{"t": "b"}, {"t": "c"}]},
        {"meta": {"key": 9, "name": None}, "doc": {"text": None, "n": 2}, "parts": []},
    ]
    fields = Fields("meta.key", ["doc.text", "parts.t"], "meta.name")

    first, second, third = read(written(rows), fields)

    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.id, first.title, first.text) == ("7", "N", "T\n\na")
    assert first.metadata == {"title": "N", "doc": {"n": 1}}
    assert (second.id, second.text) == ("8", "b\n\nc")
    assert isinstance(third, Rejected)
    assert third.reason == "field 'doc.text' or 'parts.t' is empty"


@pytest.mark.parametrize("path", ["doc.txt", "text.x", "doc.text.x", "nothing"])
def test_a_path_that_the_schema_lacks_is_an_error(path: str) -> None:
    raw = written([{"text": "T", "doc": {"text": "U"}}])

    with pytest.raises(SourceError, match=f"no column '{path}' .columns: text, doc"):
        read(raw, Fields(text=path))


def test_a_doubled_column_that_no_option_names_is_kept_under_another_name() -> None:
    table = pa.Table.from_arrays(
        [pa.array(["T"]), pa.array([1]), pa.array(["x"])], ["text", "note", "note"]
    )
    stream = io.BytesIO()
    pq.write_table(table, stream)

    (found,) = read(stream.getvalue())

    assert isinstance(found, Document)
    assert found.metadata == {"note": 1, "note_2": "x"}


def test_a_file_without_the_column_of_the_text_is_reported_before_any_work() -> None:
    Path("a.parquet").write_bytes(written([{"body": "T", "n": 1}]))

    expected = "a.parquet: no column 'text' (columns: body, n); name the text's column"
    (problem,) = Corpus(["a.parquet"]).problems()
    assert problem.startswith(expected)
    with pytest.raises(SourceError) as raised:
        list(Corpus(["a.parquet"]).records())
    assert str(raised.value).startswith(expected)
    assert list(Corpus(["a.parquet"], Fields(text="body")).problems()) == []


@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_a_file_that_is_not_parquet_or_damaged_is_reported(cut: int) -> None:
    Path("a.parquet").write_bytes(written([{"text": "T"}])[:cut])

    (problem,) = Corpus(["a.parquet"]).problems()

    assert problem.startswith("a.parquet: not Parquet, or damaged: ")
    assert "\n" not in problem


def test_damage_in_the_middle_is_reported_and_what_came_before_is_read() -> None:
    rows = [{"id": str(n), "text": f"Text {n}." * 20} for n in range(4000)]
    raw = bytearray(written(rows, row_group_size=500, compression="zstd"))
    middle = len(raw) * 2 // 3
    raw[middle : middle + 500] = b"\xff" * 500
    Path("a.parquet").write_bytes(raw)
    records = Corpus(["a.parquet"]).records()
    read: list[Document | Rejected] = []

    with pytest.raises(SourceError, match=r"^a\.parquet: not Parquet, or damaged: "):
        read.extend(records)

    assert 500 <= len(read) < 4000
    assert all(isinstance(record, Document) for record in read)


def test_a_packed_one_and_one_from_standard_input_are_read() -> None:
    raw = written([{"id": "a", "text": "T"}])
    Path("a.parquet.gz").write_bytes(gzip.compress(raw))
    corpus = "Corpus(['-'], format='parquet')"
    program = f"from leafsearch.ingest import Corpus; print([d.id for d in {corpus}.records()])"

    (found,) = Corpus(["a.parquet.gz"]).records()
    ended = subprocess.run(
        [sys.executable, "-c", program], input=raw, capture_output=True, check=True
    )

    assert isinstance(found, Document)
    assert found.id == "a"
    assert ended.stdout == b"['a']\n"


@pytest.mark.long
def test_a_long_file_costs_no_more_memory_than_a_short_one() -> None:
    """Even in one row group, as some libraries write everything."""

    def peak(rows: int) -> int:
        written = io.BytesIO()
        schema = pa.schema([("text", pa.string()), ("n", pa.int64())])
        with pq.ParquetWriter(written, schema) as writer:
            texts = [f"{n} {'words ' * 150}" for n in range(rows)]
            writer.write_table(pa.table({"text": texts, "n": range(rows)}), row_group_size=rows)
        del texts
        Path("a.parquet").write_bytes(written.getvalue())
        pool = pa.default_memory_pool()
        before, most = pool.bytes_allocated(), 0
        for _ in Corpus(["a.parquet"]).records():
            most = max(most, pool.bytes_allocated() - before)
        return most

    assert peak(100_000) < peak(10_000) + 20 * 2**20


def nested_lists(depth: int) -> bytes:
    kind: Any = pa.int64()
    value: Any = 1
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    schema = pa.schema({"text": pa.string(), "m": kind})
    return written([{"text": "T", "m": value}, {"text": "U", "m": None}], schema=schema)


@pytest.mark.parametrize("depth", [30, 60, 95, 120])
def test_nested_columns_are_read(depth: int) -> None:
    Path("a.parquet").write_bytes(nested_lists(depth))

    first, second = Corpus(["a.parquet"]).records()

    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert second.metadata == {}
    inner = first.metadata["m"]
    for _ in range(depth):
        (inner,) = inner
    assert inner == 1


@pytest.mark.parametrize("depth", [170, 250])
def test_columns_nested_too_deeply_are_reported(depth: int) -> None:
    Path("a.parquet").write_bytes(nested_lists(depth))

    (problem,) = Corpus(["a.parquet"]).problems()

    assert "nested" in problem


def test_many_small_row_groups_are_read_together() -> None:
    rows = [{"id": str(n), "text": f"T {n}"} for n in range(3000)]
    Path("a.parquet").write_bytes(written(rows, row_group_size=1))

    read = [r.id for r in Corpus(["a.parquet"]).records() if isinstance(r, Document)]

    assert read == [row["id"] for row in rows]
