"""A column of a CSV file has one type, decided from all its values or asked for."""

import io
import math
from datetime import UTC, datetime
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafsearch.ingest import Document, Fields, Rejected
from leafsearch.ingest.sources.readers import read_csv
from leafsearch.ingest.sources.readers.tables.columns import AskedTypes, ColumnReport, Columns

CRATES = b"""id,text,price
a,Apple crate,1.50
b,Pear crate,2.75
c,Plum crate,3.00
d,Quince crate,12
e,Fig crate,0.90
"""


class Pipe(io.BytesIO):
    """Bytes that cannot be read twice."""

    def seekable(self) -> bool:
        return False

    def seek(self, *position: int) -> int:
        raise io.UnsupportedOperation


def read(
    stream: BinaryIO | bytes, asked: dict[str, str] | None = None, fields: Fields | None = None
) -> tuple[list[Document | Rejected], ColumnReport]:
    options = [f"{name}={kind}" for name, kind in (asked or {}).items()]
    columns = Columns(AskedTypes.parse(options), ColumnReport())
    opened = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    return list(read_csv(opened, "f.csv", fields or Fields(), None, "", columns)), columns.report


def column(*values: str, asked: str = "", delimiter: str = ",") -> list[Any]:
    """What a column `x` of these values holds; missing values and rejects are None."""
    rows = [f'"t"{delimiter}"{value}"' for value in values]
    raw = "\n".join([f"text{delimiter}x", *rows]).encode()
    found, _ = read(raw, {"x": asked} if asked else None)
    return [r.metadata.get("x") if isinstance(r, Document) else None for r in found]


def said(raw: bytes, asked: dict[str, str] | None = None) -> list[str]:
    _, report = read(raw, asked)
    return list(report.lines(AskedTypes.parse([f"{n}={k}" for n, k in (asked or {}).items()])))


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_prices_with_and_without_trailing_zeros_are_numbers(stream: Any) -> None:
    found, report = read(stream(CRATES))

    prices = [r.metadata["price"] for r in found if isinstance(r, Document)]
    assert prices == [1.5, 2.75, 3.0, 12.0, 0.9]
    assert {type(price) for price in prices} == {float}
    assert report.as_object() == {"f.csv": {"price": "float"}}
    assert list(report.lines(AskedTypes())) == ["f.csv: price is float"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "0"], [1, -2, 0]),
        ([" 1", "2 "], [1, 2]),
        ([str(2**63 - 1), str(-(2**63))], [2**63 - 1, -(2**63)]),
        (["1", "2.5"], [1.0, 2.5]),
        (["-0.50", "1.5e3", "1E-05", "2.5E+10", "-0"], [-0.5, 1500.0, 1e-05, 2.5e10, -0.0]),
        (["true", "FALSE", "True"], [True, False, True]),
        (["2024-05-01", ""], [datetime(2024, 5, 1), None]),
        (
            ["2024-05-01T12:30:00Z", "2024-05-01 12:30", "2024-05-01T12:30:00.25+02:00"],
            [
                datetime(2024, 5, 1, 12, 30, tzinfo=UTC),
                datetime(2024, 5, 1, 12, 30),
                datetime(2024, 5, 1, 10, 30, 0, 250_000, tzinfo=UTC),
            ],
        ),
        (["", "1"], [None, 1]),
    ],
)
def test_values_of_one_kind_get_its_type(values: list[str], expected: list[Any]) -> None:
    found = column(*values)

    assert found == expected
    assert len({type(value) for value in found if value is not None}) == 1


@pytest.mark.parametrize(
    "value",
    [
        *("007", "+1", "1e5", "12E4", ".5", "5.", "1,5", "1.234,50", "1,000", "1_000", "0x1f"),
        *("00.5", "-01", "--1", "1.2.3", "inf", "-inf", "1e400", "$5", "5 %", "n/a", "x"),
        *("٣", "١٢", "1\u00a0000", str(2**63), str(-(2**63) - 1), "9" * 40),
        *("true", "2024-05-01", "2024-02-30", "01.05.2024", "2024-5-1", "12:30"),
        *("0000-01-01", "12000-01-01", "0001-01-01T00:00+14:00", "yes", "#DIV/0!"),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_one_value_of_another_form_makes_the_column_text(value: str, place: int) -> None:
    values = ["1.50", "2"]
    values.insert(place, value)

    assert column(*values) == values


def test_a_value_that_is_not_a_number_among_numbers_counts_if_it_is_nan() -> None:
    first, second = column("1.5", "NaN")

    assert first == 1.5
    assert math.isnan(second)
    assert column("nan", "x") == ["nan", "x"]
    assert column("NaN") == ["NaN"]


def test_an_integer_that_a_float_would_round_makes_a_mixed_column_text() -> None:
    assert column("9007199254740993", "1.5") == ["9007199254740993", "1.5"]
    assert column("9007199254740993", "1") == [9007199254740993, 1]


def test_a_value_far_behind_decides_too() -> None:
    values = [str(number) for number in range(30_000)]

    assert column(*values, "007")[:2] == ["0", "1"]


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ("007", "007 in line 3 has a leading zero"),
        ("+1", "+1 in line 3 has a plus sign"),
        ("1e5", "1e5 in line 3 may be a code, without a point or a sign"),
        ('"1,000"', "1,000 in line 3 has marks between thousands"),
        ('"1,5"', "1,5 in line 3 has a decimal comma"),
        ("5%", "5% in line 3 is a percentage"),
        (str(2**64), f"{2**64} in line 3 is beyond 64 bits"),
        ("n/a", "n/a in line 3 is no number"),
        ("2024-05-01", "it holds 12 in line 2 and 2024-05-01 in line 3"),
        ("two words", "'two words' in line 3 is no number"),
    ],
)
def test_the_report_says_what_makes_a_column_text(last: str, why: str) -> None:
    raw = f"text,x\nT,12\nT,{last}\n".encode()

    assert said(raw) == [f"f.csv: x is text ({why})"]


def test_the_report_names_every_column_but_ids_texts_and_titles() -> None:
    raw = b"id,title,text,year,city,day,zip,none\n1,2,3,2020,Rome,2024-05-01,00501,\n"

    assert said(raw) == [
        "f.csv: year is integer, city is text, day is date, zip is text (00501 in line 2 has a "
        "leading zero)"
    ]
    assert said(b"id,title,text\n1,2,3\n") == []


def test_digits_that_a_float_cannot_keep_are_named() -> None:
    raw = b"text,x\nT,1234567890.123456789012\n"

    assert said(raw) == [
        "f.csv: x is float (1234567890.123456789012 in line 2 is rounded to 17 digits)"
    ]


def test_the_report_of_many_files_stays_short_and_names_columns_that_differ() -> None:
    columns = Columns()
    for number in range(200):
        raw = b"text,sku,n\nT,007,1\n" if number == 7 else b"text,sku,n\nT,12,1.5\n"
        list(read_csv(io.BytesIO(raw), f"{number}.csv", Fields(), None, "", columns))
    for number in range(10):
        raw = b"text,x%d\nT,1\n" % number
        list(read_csv(io.BytesIO(raw), f"x{number}.csv", Fields(), None, "", columns))

    assert list(columns.report.lines(AskedTypes())) == [
        "0.csv and 198 more files: sku is integer, n is float",
        "7.csv: sku is text (007 in line 2 has a leading zero), n is integer",
        *(f"x{number}.csv: x{number} is integer" for number in range(3)),
        "the types of the columns of 7 more files are in --json",
        "column sku is integer in 0.csv and text in 7.csv; --column-type sku=text stores it alike "
        "in all files",
    ]
    assert len(columns.report.as_object()) == 101


@pytest.mark.parametrize(
    ("asked", "value", "expected"),
    [
        ("text", "1.50", "1.50"),
        ("text", " NA ", " NA "),
        ("integer", "007", 7),
        ("integer", "+5", 5),
        ("float", "1.50", 1.5),
        ("float", ".5", 0.5),
        ("float", "1e5", 100_000.0),
        ("float", "12", 12.0),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("date", "2024-05-01", datetime(2024, 5, 1)),
        *(("float", missing, None) for missing in ("NA", "n/a", "null", "None", "-", "NaN", "\\N")),
    ],
)
def test_a_type_that_is_asked_for_takes_more_forms(asked: str, value: str, expected: Any) -> None:
    (found,) = column(value, asked=asked)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ("integer", "1.5"),
        ("integer", str(2**63)),
        ("float", "1,5"),
        ("float", "x"),
        ("float", "1e999"),
        ("boolean", "2"),
        ("date", "01.05.2024"),
        ("date", "2024-02-30"),
    ],
)
def test_a_value_that_does_not_fit_the_asked_type_rejects_its_row(asked: str, value: str) -> None:
    raw = f'text,x\nT,"{value}"\nU,\n'.encode()

    (rejected, kept), _ = read(raw, {"x": asked})

    assert isinstance(rejected, Rejected)
    assert rejected.reason == f"field 'x': {value!r} does not fit --column-type x={asked}"
    assert (str(rejected.place), isinstance(kept, Document)) == ("f.csv:2", True)


def test_a_decimal_comma_is_taken_where_the_comma_separates_no_columns() -> None:
    assert column("1,50", "-2", asked="float", delimiter=";") == [1.5, -2.0]


def test_a_column_type_that_no_file_has_is_named() -> None:
    assert said(CRATES, {"prcie": "float"})[-1] == "--column-type prcie: no table has such a column"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["price"], "--column-type price: expected COLUMN=TYPE; expected one of text, integer"),
        (["price=flaot"], "did you mean float?"),
        (["=float"], "expected COLUMN=TYPE"),
        (["x=float", "x=text"], "--column-type x=text: 'x' has another type already"),
        (["text=float"], "--column-type text: ids, texts and titles are text"),
    ],
)
def test_options_that_are_no_types_are_usage_errors(options: list[str], problem: str) -> None:
    (found,) = AskedTypes.parse(options).problems(Fields().always_text)

    assert problem in found


def test_names_with_an_equals_sign_are_taken() -> None:
    assert AskedTypes.parse(["a=b=text"]).types == {"a=b": "text"}


def test_a_pipe_with_nothing_to_decide_is_read_once_and_at_once() -> None:
    class Slow(Pipe):
        def read1(self, size: int | None = -1, /) -> bytes:
            return super().read1(20)

    columns = Columns(AskedTypes.parse(["price=float"]))
    stream = Slow(CRATES)

    first = next(read_csv(stream, "f", Fields(), None, "", columns))

    assert isinstance(first, Document)
    assert stream.tell() < len(CRATES)


numbers = st.integers(-(2**70), 2**70).map(str) | st.floats(allow_nan=False).map(repr)


@given(st.lists(numbers | st.sampled_from(["", "x", "007", "true", "2024-05-01"]), max_size=6))
def test_every_column_has_one_type_and_loses_nothing(values: list[str]) -> None:
    found = column(*values)

    assert len({type(value) for value in found if value is not None}) <= 1
    for value, made in zip(values, found, strict=True):
        assert (made is None) == (value == "")
        if isinstance(made, str | bool):
            assert str(made).lower() == value
        elif isinstance(made, int | float):
            assert made == (int(value) if isinstance(made, int) else float(value))
