"""From the paths of the command line to a stream of documents."""

import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from ingest.document import Place, Rejected
from ingest.errors import SourceError
from ingest.files import STDIN, Files, Source
from ingest.readers import Records, demand_columns, read_csv, read_json_lines, read_text
from ingest.records import Fields

Format = Literal["jsonl", "csv", "tsv", "text", "markdown"]
FORMATS: tuple[str, ...] = get_args(Format)
_ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
}
_DELIMITERS: dict[str | None, str | None] = {"csv": None, "tsv": "\t"}  # None: the header tells
_IS_REJECTS = "{}: is the file for rejects; leave it out, or name another with --rejects"


@dataclass
class Corpus:
    """`ignored` counts the files of other kinds that folders held, by ending; `bytes_read` grows
    while records are read. The file `rejects` is never read."""

    paths: Sequence[str]
    fields: Fields = field(default_factory=Fields)
    format: Format | None = None
    rejects: Path | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0

    def problems(self) -> Iterator[str]:
        """What cannot be read, told before any work is done."""
        for given in self.paths:
            if given in STDIN:
                yield from self._stdin_problems(given)
            else:
                yield from self._path_problems(given, Path(given))

    def size(self) -> int | None:
        """Bytes of all files; None where nobody can know."""
        sources = [source for source in self._files() if isinstance(source, Source)]
        if any(source.is_stream for source in sources):
            return None
        return sum(source.size for source in sources)

    @property
    def names(self) -> list[str]:
        return []

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
        rejects = self.rejects.resolve() if self.rejects else None
        return Files(self.paths, lambda path: self._format(path) is not None, rejects)

    def _format(self, path: Path) -> Format | None:
        return self.format or _ENDINGS.get(path.suffix.lower())

    def _stdin_problems(self, given: str) -> Iterator[str]:
        with suppress(OSError, ValueError, AttributeError):  # where there is no standard input
            if self.rejects and os.path.samestat(os.fstat(sys.stdin.fileno()), self.rejects.stat()):
                yield _IS_REJECTS.format(given)

    def _path_problems(self, given: str, path: Path) -> Iterator[str]:
        if not path.exists():
            yield f"{given}: no such file or folder"
        elif self._files().is_rejects(path):
            yield _IS_REJECTS.format(given)
        elif path.is_socket() or path.is_block_device():
            yield f"{given}: expected a file, a folder or a pipe"
        elif path.is_file() and self._format(path) is None:
            yield (
                f"{given}: cannot tell the format from its ending; expected one of "
                f"{' '.join(_ENDINGS)}, or give --format"
            )
        elif path.is_file():
            yield from self._file_problems(given, path)

    def _file_problems(self, given: str, path: Path) -> Iterator[str]:
        format = self._format(path)
        try:
            with path.open("rb") as stream:
                if format in _DELIMITERS:
                    demand_columns(stream, given, self.fields, _DELIMITERS[format])
        except OSError as error:
            yield f"{given}: cannot be read: {error.strerror or error}"
        except SourceError as error:
            yield str(error)

    def _read(self, source: Source) -> Records:
        """What is wrong with all of a file is a reject, unless the file was named itself."""
        try:
            if source.is_stdin:
                yield from self._parsed(sys.stdin.buffer, source)
                return
            with io.BufferedReader(_CountedFile(source.path, self._count)) as stream:
                yield from self._parsed(stream, source)
        except (OSError, SourceError) as error:
            reason = str(error).removeprefix(f"{source.path}: ")
            if isinstance(error, OSError):
                reason = f"cannot be read: {error.strerror or error}"
            if source.named:
                raise SourceError(f"{source.path}: {reason}") from error
            yield Rejected(Place(str(source.path)), reason)

    def _parsed(self, stream: BinaryIO | io.BufferedReader, source: Source) -> Records:
        format, name = self._format(source.path) or "jsonl", source.place
        if format == "jsonl":
            return read_json_lines(stream, name, self.fields)
        if format in _DELIMITERS:
            return read_csv(stream, name, self.fields, _DELIMITERS[format])
        return read_text(stream, name, source.id, markdown=format == "markdown")

    def _count(self, read: int) -> None:
        self.bytes_read += read


class _CountedFile(io.FileIO):
    def __init__(self, path: Path, count: Callable[[int], None]) -> None:
        super().__init__(path)
        self._count = count

    def readinto(self, buffer: Any, /) -> int:
        read = super().readinto(buffer)
        self._count(read)
        return read
