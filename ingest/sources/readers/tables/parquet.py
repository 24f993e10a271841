"""Parquet: each row is a record, and values keep their types as far as MongoDB has them.

A few megabytes of rows are held at a time, however large the file's row groups are. `rows` and
`row_document` do the same for any Arrow table.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from inspect import signature
from itertools import chain
from typing import IO, Any, BinaryIO

from leafsearch.config.text import quote, quote_all, shorten
from leafsearch.ingest.document import KEPT, Document, Place, Records, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import DEEPEST, Fields, UnusableRecord, to_document
from leafsearch.ingest.sources.files.storable import far_date
from leafsearch.ingest.sources.readers.tables.columns import Columns
from leafsearch.ingest.sources.readers.tables.header import plain_names
from leafsearch.ingest.sources.readers.text import as_seekable

Row = dict[str, Any] | UnusableRecord
_BATCH = 4 * 2**20  # bytes of rows at a time, as they are in memory
_MOST_ROWS = 4096
_FEW_ROWS = 512  # up to so many, row groups are read together: each alone costs as much as 50 rows
# Levels of a schema, of which a list has two; its own default is 100.
_DEEPEST = 2 * DEEPEST + 10
_PAGE_BUFFER = 2**16


def rows(table: Any, held: Any = None) -> Iterator[Row]:
    """Rows without their null values: every row of a table has all columns.

    A date outside the years 1 to 9999 is a FarDate, which becomes text. A row with another value
    that Python has no type for yields the reason for rejecting it. `held` is the result of
    `held_schema`, for callers that read many tables of one schema.
    """
    import pyarrow

    held = held_schema(table.schema) if held is None else held
    # One by one, because Arrow cannot cast a list of nulls, not even to its own type.
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
        return to_document({**_absent(row, fields), **row}, fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), str(row)[:KEPT])


def _absent(row: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """Text columns that are null in this row: a row comes without its null values."""
    paths = [path for path in fields.texts if path not in row]
    return {path: None for path in paths if path.partition(".")[0] not in row}


def _converted(table: Any) -> Iterator[Row]:
    try:
        yield from table.to_pylist(maps_as_pydicts="lossy")
    except (OverflowError, ValueError):  # before the first row
        for number in range(table.num_rows):
            yield from _converted_alone(table.slice(number, 1))


def _converted_alone(row: Any) -> list[Row]:
    """One row, value by value, so that only a value that Python has no type for changes."""
    found: dict[str, Any] = {}
    for name, column in zip(row.column_names, row.columns, strict=True):
        try:
            found[name] = _value_of(column[0])
        except (OverflowError, ValueError) as error:
            return [UnusableRecord(f"field {quote(name)} has a value that cannot be read: {error}")]
    return [found]


def _value_of(scalar: Any) -> Any:
    from pyarrow import types

    try:
        return scalar.as_py(maps_as_pydicts="lossy")
    except (OverflowError, ValueError):
        kind = scalar.type
        if types.is_timestamp(kind):
            return far_date(scalar.value, kind.unit)
        if types.is_date64(kind):
            return far_date(scalar.value, "ms")
        if types.is_date32(kind):
            return far_date(scalar.value, "D")
        if types.is_struct(kind):
            return {field.name: _value_of(scalar[field.name]) for field in kind}
        if types.is_map(kind):
            return {str(_value_of(pair[0])): _value_of(pair[1]) for pair in scalar.values}
        if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            return [_value_of(value) for value in scalar.values]
        raise


def held_schema(schema: Any) -> Any:
    """The schema in types that Python and MongoDB have: nothing finer than a microsecond."""
    import pyarrow

    return pyarrow.schema([field.with_type(_coarse(field.type)) for field in schema])


def _coarse(kind: Any) -> Any:
    import pyarrow as pa
    from pyarrow import types

    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz) if kind.unit == "ns" else kind
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_duration(kind):
        return pa.duration("us") if kind.unit == "ns" else kind
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
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value


def read_parquet(
    stream: BinaryIO, file: str, fields: Fields, source: str = "", columns: Columns | None = None
) -> Records:
    """A row's number counts from 1. Raises SourceError."""
    import pyarrow

    number = 0
    try:
        with as_seekable(stream) as opened:
            parquet = _opened(opened, file, fields)
            names, repeated = plain_names(parquet.schema_arrow.names, file, fields)
            (columns or Columns()).report.add(file, [], repeated)
            held = held_schema(parquet.schema_arrow)
            held = pyarrow.schema([f.with_name(n) for f, n in zip(held, names, strict=True)])
            for row in chain.from_iterable(rows(table, held) for table in _tables(parquet)):
                number += 1
                yield row_document(row, fields, Place(file, number), source)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def require_parquet_column(stream: BinaryIO, file: str, fields: Fields) -> None:
    """Raises SourceError, as read_parquet would, for an unusable file."""
    import pyarrow

    try:
        _opened(stream, file, fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _opened(stream: IO[bytes], file: str, fields: Fields) -> Any:
    from pyarrow.parquet import ParquetFile

    options: dict[str, Any] = {}
    if "schema_depth_limit" in signature(ParquetFile).parameters:  # since pyarrow 26
        options["schema_depth_limit"] = _DEEPEST
    parquet = ParquetFile(stream, pre_buffer=False, buffer_size=_PAGE_BUFFER, **options)
    schema = parquet.schema_arrow
    if missing := [path for path in fields.texts if not _has(schema, path)]:
        raise SourceError(
            f"{file}: no column {' or '.join(map(quote, missing[:8]))} (columns: "
            f"{quote_all(schema.names) or 'none'}); name the text's column with --text-field"
        )
    plain_names(schema.names, file, fields)
    return parquet


def _has(fields: Any, path: str) -> bool:
    """Whether a schema or a struct has a column at the path, also inside of lists."""
    found = {field.name: field.type for field in fields}
    if path in found:
        return True
    name, _, below = path.partition(".")
    kind = found.get(name)
    while kind is not None and hasattr(kind, "value_type"):  # lists, and dictionaries
        kind = kind.value_type
    is_struct = kind is not None and hasattr(kind, "num_fields") and kind.num_fields > 0
    return bool(below) and is_struct and _has(kind, below)


def _damaged(file: str, error: Exception) -> SourceError:
    reason = shorten(" ".join(str(error).split()), 300)
    if "too deeply nested" in reason:
        return SourceError(f"{file}: its columns are nested more than {_DEEPEST} levels deep")
    if "flatbuffers" in reason:  # of the Arrow schema in the file, which ends at 128 levels
        return SourceError(f"{file}: its columns are nested too deeply, or it is damaged: {reason}")
    return SourceError(f"{file}: not Parquet, or damaged: {reason}")


def _tables(parquet: Any) -> Iterator[Any]:
    import pyarrow

    for groups, most in _together(parquet.metadata):
        if len(groups) > 1:
            try:
                yield pyarrow.Table.from_batches(list(_batches(parquet, groups, most)))
                continue
            except (pyarrow.ArrowException, OSError):
                pass  # read what comes before the damage below
        for group in groups:
            for batch in _batches(parquet, [group], most):
                yield pyarrow.Table.from_batches([batch])


def _batches(parquet: Any, groups: list[int], most: int) -> Iterator[Any]:
    batches: Iterator[Any] = parquet.iter_batches(
        batch_size=most, row_groups=groups, use_threads=False
    )
    return batches


def _together(metadata: Any) -> Iterator[tuple[list[int], int]]:
    """Row groups, small ones together, and how many of their rows to hold at once."""
    groups: list[int] = []
    rows = size = 0
    for number in range(metadata.num_row_groups):
        about = metadata.row_group(number)
        if not about.num_rows:
            continue
        if groups and (rows + about.num_rows > _FEW_ROWS or size + about.total_byte_size > _BATCH):
            yield groups, _rows_at_once(rows, size)
            groups, rows, size = [], 0, 0
        groups.append(number)
        rows += about.num_rows
        size += about.total_byte_size
    if groups:
        yield groups, _rows_at_once(rows, size)


def _rows_at_once(rows: int, size: int) -> int:
    return max(1, min(_BATCH * rows // max(size, 1), _MOST_ROWS))
