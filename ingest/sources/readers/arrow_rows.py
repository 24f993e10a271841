"""Rows of Arrow tables as records whose values keep their types as far as MongoDB has them."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from bson import Decimal128

from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.sources.files.records import Fields, UnusableRecord, to_document

_KEPT = 10_000  # characters of a rejected row


Row = dict[str, Any] | UnusableRecord


def rows(table: Any, held: Any = None) -> Iterator[Row]:
    """Without what is null: a column of a table has to be there in each row.

    A row with a value that Python has no type for, such as a date after the year 9999, is the
    reason why it cannot be used.
    `held` is what `held_schema` says of the table, for whoever reads many of one schema.
    """
    import pyarrow

    held = held_schema(table.schema) if held is None else held
    # One by one, because Arrow cannot cast a list of nothing but nulls, not even to what it is.
    columns = [
        column if column.type == field.type else column.cast(field.type, safe=False)
        for column, field in zip(table.columns, held, strict=True)
    ]
    coarse = pyarrow.Table.from_arrays(columns, schema=held)
    for row in _converted(coarse):
        if isinstance(row, UnusableRecord):
            yield row
        else:
            yield {name: _plain(value) for name, value in row.items() if value is not None}


def row_document(row: Row, fields: Fields, place: Place, source: str) -> Document | Rejected:
    if isinstance(row, UnusableRecord):
        return Rejected(place, str(row))
    try:
        return to_document({fields.text: None, **row}, fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), str(row)[:_KEPT])


def _converted(table: Any) -> Iterator[Row]:
    try:
        yield from table.to_pylist(maps_as_pydicts="lossy")
    except (OverflowError, ValueError):  # before the first row
        for number in range(table.num_rows):
            yield from _converted_alone(table.slice(number, 1))


def _converted_alone(row: Any) -> list[Row]:
    try:
        return list(row.to_pylist(maps_as_pydicts="lossy"))
    except (OverflowError, ValueError) as error:
        return [UnusableRecord(f"has a value that cannot be read: {error}")]


def held_schema(schema: Any) -> Any:
    """The types that Python and MongoDB have: nothing finer than a microsecond."""
    import pyarrow

    return pyarrow.schema([field.with_type(_coarse(field.type)) for field in schema])


def _coarse(kind: Any) -> Any:
    import pyarrow as pa
    from pyarrow import types

    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_duration(kind):
        return pa.duration("us")
    if types.is_dictionary(kind):
        return _coarse(kind.value_type)
    if types.is_struct(kind):
        return pa.struct([field.with_type(_coarse(field.type)) for field in kind])
    if types.is_large_list(kind):
        return pa.large_list(_coarse(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_coarse(kind.value_type), kind.list_size)
    if types.is_list(kind):
        return pa.list_(_coarse(kind.value_type))
    if types.is_map(kind):
        return pa.map_(_coarse(kind.key_type), _coarse(kind.item_type))
    return kind


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value


def _decimal(value: Decimal) -> Decimal128 | str:
    try:
        return Decimal128(value)
    except (ArithmeticError, ValueError):
        return str(value)  # more than the 34 digits that MongoDB holds
