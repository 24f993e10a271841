"""Parquet: each row is a record, and values keep their types as far as MongoDB has them.

A few megabytes of rows are held at a time, whatever the file's row groups are.
"""

from collections.abc import Iterator
from itertools import chain
from typing import IO, Any, BinaryIO

from ingest.corpus.readers.arrow_rows import held_schema, row_document, rows
from ingest.corpus.readers.records import Records
from ingest.corpus.readers.whole import seekable
from ingest.corpus.records import Fields
from ingest.document import Place
from ingest.errors import SourceError

_BATCH = 4 * 2**20  # bytes of rows at a time, as they are in memory
_MOST_ROWS = 4096
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


def _tables(parquet: Any) -> Iterator[Any]:
    import pyarrow

    for group in range(parquet.num_row_groups):
        about = parquet.metadata.row_group(group)
        if not about.num_rows:
            continue
        most = _BATCH * about.num_rows // max(about.total_byte_size, 1)
        most = max(1, min(most, _MOST_ROWS))
        for batch in parquet.iter_batches(batch_size=most, row_groups=[group], use_threads=False):
            yield pyarrow.Table.from_batches([batch])
