"""Parquet: each row is a record, and values keep their types as far as MongoDB has them.

A few megabytes of rows are held at a time, whatever the file's row groups are.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import IO, Any, BinaryIO

from bson import Decimal128

from ingest.document import Document, Place, Rejected
from ingest.errors import SourceError
from ingest.readers.records import Records
from ingest.readers.whole import seekable
from ingest.records import Fields, UnusableRecord, to_document

_BATCH = 4 * 2**20  # bytes of rows at a time, as they are in memory
_MOST_ROWS = 4096
_PAGE_BUFFER = 2**16


def read_parquet(stream: BinaryIO, file: str, fields: Fields, source: str = "") -> Records:
    """A row's number counts from 1. Raises SourceError."""
    import pyarrow

    number = 0
    try:
        with seekable(stream) as rows:
            parquet = _opened(rows, file, fields)
            held = _held(parquet.schema_arrow)
            for row in chain.from_iterable(_rows(batch, held) for batch in _batches(parquet)):
                number += 1
                yield _document(row, fields, Place(file, number), source)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def demand_parquet_column(stream: BinaryIO, file: str, fields: Fields) -> None:
    """Raises SourceError, as read_parquet would, for a file that cannot be used."""
    import pyarrow

    try:
        _opened(stream, file, fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _opened(stream: IO[bytes], file: str, fields: Fields) -> Any:
    from pyarrow.parquet import ParquetFile

    parquet = ParquetFile(stream, pre_buffer=False, buffer_size=_PAGE_BUFFER)
    names = parquet.schema_arrow.names
    if fields.text not in names:
        raise SourceError(
            f"{file}: no column {fields.text!r} (columns: {', '.join(names) or 'none'}); "
            "name the text's column with --text-field"
        )
    if len(set(names)) < len(names):
        raise SourceError(f"{file}: a column name stands twice: {names}")
    return parquet


def _damaged(file: str, error: Exception) -> SourceError:
    return SourceError(f"{file}: not Parquet, or damaged: {' '.join(str(error).split())}")


def _batches(parquet: Any) -> Iterator[Any]:
    for group in range(parquet.num_row_groups):
        about = parquet.metadata.row_group(group)
        if not about.num_rows:
            continue
        rows = _BATCH * about.num_rows // max(about.total_byte_size, 1)
        rows = max(1, min(rows, _MOST_ROWS))
        yield from parquet.iter_batches(batch_size=rows, row_groups=[group], use_threads=False)


def _rows(batch: Any, held: Any) -> Iterator[dict[str, Any]]:
    """Without what is null: a column of a table has to be there in each row."""
    import pyarrow

    table = pyarrow.Table.from_batches([batch]).cast(held, safe=False)
    for row in table.to_pylist(maps_as_pydicts="lossy"):
        yield {name: _plain(value) for name, value in row.items() if value is not None}


def _document(
    row: dict[str, Any], fields: Fields, place: Place, source: str
) -> Document | Rejected:
    try:
        return to_document({fields.text: None, **row}, fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), str(row)[:10_000])


def _held(schema: Any) -> Any:
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
