"""Parquet: each row is a record, and values keep their types as far as MongoDB has them.

A few megabytes of rows are held at a time, whatever the file's row groups are.
"""

from collections.abc import Iterator
from inspect import signature
from itertools import chain
from typing import IO, Any, BinaryIO

from leafsearch.config.text import quote, quote_all, shorten
from leafsearch.ingest.document import Place
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.metadata import DEEPEST
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers.arrow_rows import held_schema, row_document, rows
from leafsearch.ingest.sources.readers.records import Records
from leafsearch.ingest.sources.readers.whole import seekable

_BATCH = 4 * 2**20  # bytes of rows at a time, as they are in memory
_MOST_ROWS = 4096
_FEW_ROWS = 512  # up to so many, row groups are read together: each alone costs as much as 50 rows
# Levels of a schema, of which a list has two; its own default is 100.
_DEEPEST = 2 * DEEPEST + 10
_PAGE_BUFFER = 2**16


def read_parquet(stream: BinaryIO, file: str, fields: Fields, source: str = "") -> Records:
    """A row's number counts from 1. Raises SourceError."""
    import pyarrow

    number = 0
    try:
        with seekable(stream) as opened:
            parquet = _opened(opened, file, fields)
            held = held_schema(parquet.schema_arrow)
            for row in chain.from_iterable(rows(table, held) for table in _tables(parquet)):
                number += 1
                yield row_document(row, fields, Place(file, number), source)
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

    options: dict[str, Any] = {}
    if "schema_depth_limit" in signature(ParquetFile).parameters:  # since pyarrow 26
        options["schema_depth_limit"] = _DEEPEST
    parquet = ParquetFile(stream, pre_buffer=False, buffer_size=_PAGE_BUFFER, **options)
    names = parquet.schema_arrow.names
    if fields.text not in names:
        raise SourceError(
            f"{file}: no column {quote(fields.text)} (columns: {quote_all(names) or 'none'}); "
            "name the text's column with --text-field"
        )
    if len(set(names)) < len(names):
        raise SourceError(f"{file}: a column name stands twice: {quote_all(names)}")
    return parquet


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
                pass  # what comes before the damage is read below
        for group in groups:
            for batch in _batches(parquet, [group], most):
                yield pyarrow.Table.from_batches([batch])


def _batches(parquet: Any, groups: list[int], most: int) -> Iterator[Any]:
    batches: Iterator[Any] = parquet.iter_batches(
        batch_size=most, row_groups=groups, use_threads=False
    )
    return batches


def _together(metadata: Any) -> Iterator[tuple[list[int], int]]:
    """Row groups, the smallest many at a time, and how many of their rows to hold at once."""
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
