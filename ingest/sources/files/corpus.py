"""A corpus: the paths of a command line as a stream of documents."""

import io
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from leafsearch.config.text import escape_surrogates, is_unicode, quote, shorten
from leafsearch.ingest.document import Place, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.archived import Archived
from leafsearch.ingest.sources.files.files import (
    STDIN,
    Files,
    SourceFile,
    ending_of,
    name_of,
    resolve,
)
from leafsearch.ingest.sources.files.formats import (
    ARCHIVES,
    COMPRESSIONS,
    ENDINGS,
    FORMATS,
    SHOWN_ENDINGS,
    Format,
    compression_of,
    format_of,
    inner_ending,
    is_archive,
    old_format,
)
from leafsearch.ingest.sources.files.patterns import FilePatterns
from leafsearch.ingest.sources.files.records import MAX_TEXT, Fields
from leafsearch.ingest.sources.files.sniff import HEAD, head_of, may_hold_text, sniff
from leafsearch.ingest.sources.readers import Records, Whole, read, require_readable
from leafsearch.ingest.sources.readers.charset import kind_of_binary
from leafsearch.ingest.sources.readers.packed.archive import ArchiveError, Bounds, Entry
from leafsearch.ingest.sources.readers.packed.compression import (
    Buffered,
    break_of,
    compression_in,
    unpack,
)
from leafsearch.ingest.sources.readers.packed.cut import settle_break
from leafsearch.ingest.sources.readers.tables.columns import AskedTypes, ColumnReport, Columns

__all__ = ["FORMATS", "Corpus", "Format"]

Count = Callable[[int], None]

_READ = 2**18  # bytes at once
_SHOWN = 200  # characters of a path in messages
_BESIDE_PAGES = {"_static", "node_modules", "__pycache__"}  # programs that come with pages
NAMELESS = "--source: expected a name"
_IS_REJECTS = "{}: is the file for rejects; leave it out, or choose another with --rejects"


@contextmanager
def open_source(source: SourceFile, count: Count = lambda read: None) -> Iterator[Buffered]:
    """Calls `count` with the number of bytes of each read. Raises OSError or SourceError."""
    if source.is_stdin:
        yield unpack(sys.stdin.buffer, None)  # type: ignore[arg-type]
        return
    with io.BufferedReader(_CountedFile(source.path, count), _READ) as stream:
        yield unpack(stream, compression_of(source.path))


class _CountedFile(io.FileIO):
    def __init__(self, path: Path, count: Count) -> None:
        super().__init__(path)
        self._count = count
        self._read = 0

    def readinto(self, buffer: Any, /) -> int:
        read = super().readinto(buffer)
        self._count(read)
        self._read += read
        return read

    def on_rewind(self) -> None:
        """What was read so far is read again."""
        self._count(-self._read)
        self._read = 0


@dataclass
class Corpus:
    """`ignored` counts files of other kinds in folders and archives, by ending. `sniffed` counts
    files that were read as their content shows, by name or ending, and by format. `bytes_read`
    grows while records are read. The file `rejects` is never read. `source` replaces the source
    name of all documents. `columns` reports the types of the columns of tables."""

    paths: Sequence[str]
    fields: Fields = field(default_factory=Fields)
    format: Format | None = None
    rejects: Path | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    choice: FilePatterns = field(default_factory=FilePatterns)
    source: str | None = None
    sniffed: Counter[tuple[str, Format]] = field(default_factory=Counter)
    bounds: Bounds = field(default_factory=Bounds)
    asked_types: AskedTypes = field(default_factory=AskedTypes)
    columns: ColumnReport = field(default_factory=ColumnReport)

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
        self.sniffed.clear()
        self.bytes_read = 0
        self.columns = ColumnReport()
        files = self._files()
        for source in files:
            if isinstance(source, Rejected):
                yield source
            else:
                yield from self._read(source)
        self.ignored.update(files.ignored)

    def _files(self) -> Files:
        rejects = resolve(self.rejects) if self.rejects else None
        return Files(self.paths, self._is_read, rejects, self.choice)

    def format_of(self, path: PurePath) -> Format | None:
        return self.format or format_of(path)

    def _is_read(self, path: Path) -> bool:
        """Whether a file of a folder is read; one of an unknown ending by its content."""
        if form := self.format_of(path):
            return not _is_beside_page(form, path)
        # An old document is rejected, or read as what it is beneath its name.
        if is_archive(path.name) or old_format(path):
            return True
        if not may_hold_text(path):
            return False
        try:
            ending = sniff(_head(path), self.fields)
        except (OSError, SourceError):
            return inner_ending(path) in ENDINGS
        is_long = ending == ".txt" and os.path.getsize(path) > MAX_TEXT
        return ending in ENDINGS and not is_long

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
        elif stat.S_ISREG(mode):
            yield from self._file_problems(given, path)

    def _file_problems(self, given: str, path: Path) -> Iterator[str]:
        source = SourceFile(path, given, named=True, of=given)
        stream = None
        try:
            with open_source(source) as stream:
                self._require_readable(stream, source)
        except (OSError, SourceError) as error:
            yield f"{given}: {break_of(stream) or _reason(error, given)}"

    def _require_readable(self, stream: Buffered, source: SourceFile) -> None:
        ending = self._ending(stream, source.path)
        if ending in ARCHIVES:
            next(self._archived(source).files(stream), None)
        elif format := self._format(source.path, ending):
            require_readable(stream, format, source.place, self.fields)
        else:
            _unless_old(source.path, source.place)
            raise SourceError(
                "cannot tell the format, neither from its ending nor from its content "
                f"({kind_of_binary(head_of(stream)) or 'binary data'}); expected one of "
                f"{' '.join([*ARCHIVES, *SHOWN_ENDINGS])}, also followed by "
                f"{' or '.join(COMPRESSIONS)}, or give --format"
            )

    def _ending(self, stream: Buffered, path: PurePath) -> str:
        """The ending that tells what to do: the file's own, or if that tells nothing the one of
        its content."""
        ending = inner_ending(path)
        if self.format or ending in ENDINGS or ending in ARCHIVES:
            return ending
        return sniff(head_of(stream), self.fields)

    def _format(self, path: PurePath, ending: str) -> Format | None:
        return self.format_of(path) or ENDINGS.get(ending)

    def _archived(self, source: SourceFile) -> Archived:
        inside = "" if source.named else f"{source.id.partition('/')[2]}/"
        return Archived(
            source.place,
            inside,
            self.choice,
            self.ignored,
            lambda path: self.format_of(path) is not None,
            self.bounds,
        )

    def _read(self, source: SourceFile) -> Records:
        """A problem with a whole file is a reject, unless the file was given itself."""
        begin = self.bytes_read
        try:
            with open_source(source, self._count) as stream:
                ending = self._ending(stream, source.path)
                if ending in ARCHIVES:
                    yield from self._read_archive(stream, source)
                    # Parts of it may be skipped, or read twice.
                    self.bytes_read = begin + source.size
                else:
                    yield from self._read_file(stream, source, ending)
        except (OSError, SourceError) as error:
            reason = _reason(error, source.place)
            if source.named:
                raise SourceError(f"{source.place}: {reason}") from error
            yield Rejected(Place(source.place), reason)

    def _read_file(self, stream: Buffered, source: SourceFile, ending: str) -> Records:
        whole = Whole(source.place, source.id, self.source or source.of)
        known = self.format_of(source.path)
        if source.named and source.is_stream:
            format = known or "jsonl"
        else:
            format = known or ENDINGS.get(ending) or _unless_old(source.path, source.place)
            if not known:
                label = source.place if source.named else ending_of(source.path)
                self.sniffed[label, format] += 1
        yield from settle_break(self._records(stream, format, whole), stream, format)

    def _records(self, stream: Buffered, format: Format, whole: Whole) -> Records:
        return read(stream, format, whole, self.fields, Columns(self.asked_types, self.columns))

    def _read_archive(self, stream: Buffered, source: SourceFile) -> Records:
        root = source.path.name if source.named else source.id
        root = "stdin" if source.is_stdin else escape_surrogates(root)
        archived = self._archived(source)
        for entry in archived.files(stream):
            if isinstance(entry, Rejected):
                yield entry
                continue
            place = f"{source.place}/{entry.name}"
            whole = Whole(place, f"{root}/{entry.name}", self.source or source.of)
            try:
                yield from self._read_entry(entry, whole)
            except ArchiveError:
                raise
            except SourceError as error:
                yield Rejected(Place(place), _reason(error, place))

    def _read_entry(self, entry: Entry, whole: Whole) -> Records:
        path = PurePosixPath(entry.name)
        known = self.format_of(path)
        is_looked_into = known or may_hold_text(path) or old_format(path)
        if not is_looked_into or _is_beside_page(known, path):
            self.ignored[ending_of(path)] += 1
            return
        with entry.open() as packed:
            stream = unpack(packed, compression_of(path))
            format = self._format(path, self._ending(stream, path))
            if format is None:
                _unless_old(path, whole.file)
                self.ignored[ending_of(path)] += 1
                return
            if not known:
                self.sniffed[ending_of(path), format] += 1
            yield from settle_break(self._records(stream, format, whole), stream, format)

    def _count(self, read: int) -> None:
        self.bytes_read += read


def _is_beside_page(format: Format | None, path: PurePath) -> bool:
    return format == "code" and not _BESIDE_PAGES.isdisjoint(path.parts)


def _unless_old(path: PurePath, place: str) -> Format:
    """Text, if nothing is known of a file. Raises SourceError for an old binary document."""
    if new := old_format(path):
        raise SourceError(
            f"is in an old binary format ({path.suffix}); convert it first: "
            f"soffice --headless --convert-to {new} {shorten(place, _SHOWN)}"
        )
    return "text"


def _head(path: Path) -> bytes:
    """The first bytes of a file, unpacked."""
    with path.open("rb", buffering=0) as file:
        head = file.read(HEAD)
    if not (compression_of(path) or compression_in(head[:16])):
        return head
    with open_source(SourceFile(path, "", named=False, of="")) as stream:
        return head_of(stream)


def _is_readable_kind(mode: int, path: Path) -> bool:
    """Devices never end, except terminals and the null device."""
    if stat.S_ISCHR(mode):
        return resolve(path).as_posix().startswith(("/dev/null", "/dev/tty", "/dev/pts/"))
    return not (stat.S_ISSOCK(mode) or stat.S_ISBLK(mode))


def _reason(error: OSError | SourceError, file: str) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error).removeprefix(f"{file}: ")
