"""A corpus: the paths of a command line as a stream of documents."""

import io
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leafsearch.config.text import is_unicode, quote, shorten
from leafsearch.ingest.document import Place, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.files import STDIN, Files, SourceFile, name_of, resolve
from leafsearch.ingest.sources.files.formats import (
    COMPRESSIONS,
    ENDINGS,
    FORMATS,
    Format,
    compression_of,
    format_of,
    is_zip,
)
from leafsearch.ingest.sources.files.patterns import FilePatterns
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers import Records, Whole, read, require_readable
from leafsearch.ingest.sources.readers.packed.compression import (
    Buffered,
    open_zipped_documents,
    unpack,
)

__all__ = ["FORMATS", "Corpus", "Format"]

Count = Callable[[int], None]

_READ = 2**18  # bytes at once
_SHOWN = 200  # characters of a path in messages
NAMELESS = "--source: expected a name"
_IS_REJECTS = "{}: is the file for rejects; leave it out, or choose another with --rejects"


@contextmanager
def open_source(source: SourceFile, count: Count = lambda read: None) -> Iterator[Buffered]:
    """Calls `count` with the number of bytes of each read. Raises OSError or SourceError."""
    if source.is_stdin:
        yield unpack(sys.stdin.buffer, None)  # type: ignore[arg-type]
        return
    with io.BufferedReader(_CountedFile(source.path, count), _READ) as stream:
        if is_zip(source.path):
            with open_zipped_documents(stream) as documents:
                yield documents
        else:
            yield unpack(stream, compression_of(source.path))


class _CountedFile(io.FileIO):
    def __init__(self, path: Path, count: Count) -> None:
        super().__init__(path)
        self._count = count

    def readinto(self, buffer: Any, /) -> int:
        read = super().readinto(buffer)
        self._count(read)
        return read


@dataclass
class Corpus:
    """`ignored` counts files of other kinds in folders, by ending; `bytes_read` grows while
    records are read. The file `rejects` is never read. `source` replaces the source name of all
    documents."""

    paths: Sequence[str]
    fields: Fields = field(default_factory=Fields)
    format: Format | None = None
    rejects: Path | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    choice: FilePatterns = field(default_factory=FilePatterns)
    source: str | None = None

    def problems(self) -> Iterator[str]:
        """Paths that cannot be read, before any work is done."""
        yield from self.choice.problems()
        if self.source == "":
            yield NAMELESS
        elif not is_unicode(self.source or ""):
            yield f"--source {quote(self.source)}: expected text in UTF-8"
        for given in self.paths:
            if given in STDIN:
                yield from self._stdin_problems(given)
            else:
                yield from self._path_problems(given, Path(given))

    def size(self) -> int | None:
        """Bytes of all files; None if a pipe or device is among them."""
        sources = [source for source in self._files() if isinstance(source, SourceFile)]
        if any(source.is_stream for source in sources):
            return None
        return sum(source.size for source in sources)

    @property
    def names(self) -> list[str]:
        """Source names of all given paths, including paths without documents."""
        return [self.source] if self.source else list(dict.fromkeys(map(name_of, self.paths)))

    def records(self) -> Records:
        self.ignored.clear()
        self.bytes_read = 0
        files = self._files()
        for source in files:
            if isinstance(source, Rejected):
                yield source
            else:
                yield from self._read(source)
        self.ignored.update(files.ignored)

    def _files(self) -> Files:
        rejects = resolve(self.rejects) if self.rejects else None
        return Files(self.paths, lambda p: self.format_of(p) is not None, rejects, self.choice)

    def format_of(self, path: Path) -> Format | None:
        return self.format or format_of(path)

    def _stdin_problems(self, given: str) -> Iterator[str]:
        with suppress(OSError, ValueError, AttributeError):  # there may be no standard input
            if self.rejects and os.path.samestat(os.fstat(sys.stdin.fileno()), self.rejects.stat()):
                yield _IS_REJECTS.format(given)

    def _path_problems(self, given: str, path: Path) -> Iterator[str]:
        shown = shorten(given, _SHOWN)
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            yield f"{shown}: no such file or folder"
            return
        except (OSError, ValueError) as error:
            yield f"{shown}: cannot be read: {getattr(error, 'strerror', None) or error}"
            return
        if self._files().is_rejects(path):
            yield _IS_REJECTS.format(shown)
        elif not _is_readable_kind(mode, path):
            yield f"{shown}: expected a file, a folder or a pipe"
        elif stat.S_ISREG(mode) and self.format_of(path) is None and not is_zip(path):
            yield (
                f"{shown}: cannot tell the format from its ending; expected one of "
                f"{' '.join(ENDINGS)}, also followed by {' or '.join(COMPRESSIONS)}, "
                "or give --format"
            )
        elif stat.S_ISREG(mode):
            yield from self._file_problems(given, path)

    def _file_problems(self, given: str, path: Path) -> Iterator[str]:
        source = SourceFile(path, given, named=True, of=given)
        try:
            with open_source(source) as stream:
                require_readable(stream, self.format_of(path) or "jsonl", given, self.fields)
        except (OSError, SourceError) as error:
            yield f"{given}: {_reason(error, given)}"

    def _read(self, source: SourceFile) -> Records:
        """A problem with a whole file is a reject, unless the file was given itself."""
        format = self.format_of(source.path) or "jsonl"
        whole = Whole(source.place, source.id, self.source or source.of)
        try:
            with open_source(source, self._count) as stream:
                yield from read(stream, format, whole, self.fields)
        except (OSError, SourceError) as error:
            reason = _reason(error, source.place)
            if source.named:
                raise SourceError(f"{source.place}: {reason}") from error
            yield Rejected(Place(source.place), reason)

    def _count(self, read: int) -> None:
        self.bytes_read += read


def _is_readable_kind(mode: int, path: Path) -> bool:
    """Devices never end, except terminals and the null device."""
    if stat.S_ISCHR(mode):
        return resolve(path).as_posix().startswith(("/dev/null", "/dev/tty", "/dev/pts/"))
    return not (stat.S_ISSOCK(mode) or stat.S_ISBLK(mode))


def _reason(error: OSError | SourceError, file: str) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error).removeprefix(f"{file}: ")
