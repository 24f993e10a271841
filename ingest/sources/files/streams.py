"""A source opened: its bytes as they are read, whatever they are packed in."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leafsearch.ingest.sources.files.files import Source
from leafsearch.ingest.sources.files.formats import compression_of, is_zip
from leafsearch.ingest.sources.readers.beir_zip import zipped_documents
from leafsearch.ingest.sources.readers.compression import Buffered, unpacked

Count = Callable[[int], None]

_READ = 2**18  # bytes at once


@contextmanager
def opened(source: Source, count: Count = lambda read: None) -> Iterator[Buffered]:
    """`count` hears of each read how many bytes it had. Raises OSError or SourceError."""
    if source.is_stdin:
        yield unpacked(sys.stdin.buffer, None)  # type: ignore[arg-type]
        return
    with io.BufferedReader(_CountedFile(source.path, count), _READ) as stream:
        if is_zip(source.path):
            with zipped_documents(stream) as documents:
                yield documents
        else:
            yield unpacked(stream, compression_of(source.path))


class _CountedFile(io.FileIO):
    def __init__(self, path: Path, count: Count) -> None:
        super().__init__(path)
        self._count = count

    def readinto(self, buffer: Any, /) -> int:
        read = super().readinto(buffer)
        self._count(read)
        return read
