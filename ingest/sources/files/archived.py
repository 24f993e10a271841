"""The files of an archive, chosen as those of a folder are.

An archive inside an archive is a reject. So is the second file of a name: which one is meant
depends on who unpacks it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath

from leafsearch.ingest.document import Place, Rejected
from leafsearch.ingest.pipeline.rejects import DEFAULT
from leafsearch.ingest.sources.files.files import NO_FILE, QUESTIONS, is_documents, questions_in
from leafsearch.ingest.sources.files.formats import is_archive
from leafsearch.ingest.sources.files.patterns import FilePatterns
from leafsearch.ingest.sources.readers.packed.archive import (
    Bounds,
    Entries,
    Entry,
    Meter,
    is_hidden,
)
from leafsearch.ingest.sources.readers.packed.compression import Buffered, packed_bytes
from leafsearch.ingest.sources.readers.packed.tar_entries import tar_entries
from leafsearch.ingest.sources.readers.packed.zip_entries import zip_entries, zip_names
from leafsearch.ingest.sources.readers.text import as_seekable

_ZIP = b"PK"


@dataclass
class Archived:
    """`place` is the archive in messages; `inside` is its path below the folder that the patterns
    of `choice` are relative to, with a slash at its end, empty if the archive itself was given."""

    place: str
    inside: str
    choice: FilePatterns
    ignored: Counter[str]
    has_format: Callable[[PurePath], bool]
    bounds: Bounds = field(default_factory=Bounds)

    def files(self, stream: Buffered) -> Iterator[Entry | Rejected]:
        """`stream` is the unpacked archive. Raises ArchiveError where it cannot be read on."""
        if stream.peek(2)[:2] == _ZIP:
            with as_seekable(stream) as file:
                yield from self._chosen(
                    zip_entries(file, self.bounds), set(zip_names(file, self.bounds))
                )
        else:
            meter = Meter(self.bounds, lambda: packed_bytes(stream))
            yield from self._chosen(tar_entries(stream, meter), frozenset())

    def _chosen(self, entries: Entries, known: Set[str]) -> Iterator[Entry | Rejected]:
        """`known`: names of all members, as far as the archive lists them."""
        folders = {PurePosixPath(name).parent for name in known if is_documents(name)}
        met: set[int] = set()
        questions: set[PurePosixPath] = set()
        for entry in entries:
            path = PurePosixPath(entry.name)
            if not entry.name or is_hidden(entry.name) or path.name == DEFAULT.name:
                continue
            if not self.choice.takes(self.inside + entry.name):
                continue
            if is_documents(entry.name):
                folders.add(path.parent)
            if asked := questions_in(path, folders):
                questions.add(asked)
                continue
            if entry.is_other:
                self.ignored[NO_FILE] += 1
                continue
            if entry.problem and not self.has_format(path) and path.suffix:
                self.ignored[path.suffix.lower()] += 1
                continue
            key = hash(entry.name)
            yield self._judged(entry, path, is_second=key in met)
            met.add(key)
        if questions:
            self.ignored[QUESTIONS] += len(questions)

    def _judged(self, entry: Entry, path: PurePosixPath, *, is_second: bool) -> Entry | Rejected:
        reason = entry.problem
        if is_archive(entry.name):
            reason = "an archive inside an archive; unpack the outer one, and give the folder"
        elif is_second:
            reason = "the archive has two files of this name; the first one is read"
        return Rejected(Place(f"{self.place}/{entry.name}"), reason) if reason else entry
