"""The files that the paths of a command line mean, and the ids of files that are one document.

An id joins the name of the given folder and the path inside it; for a file that was given itself,
the name of its folder and its own name. So it does not depend on the current directory.
"""

import os
import stat
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from leafsearch.config.text import escape_surrogates
from leafsearch.ingest.document import Place, Rejected
from leafsearch.ingest.pipeline.rejects import DEFAULT
from leafsearch.ingest.sources.files.formats import COMPRESSIONS, HIDDEN, is_archive
from leafsearch.ingest.sources.files.patterns import FilePatterns

STDIN = ("-", "/dev/stdin")
NO_FILE = "neither files nor folders"
QUESTIONS = "questions and judgements of a BEIR collection"
_PACKED = ("", *COMPRESSIONS)
_BEIR_DOCUMENTS = {f"corpus.jsonl{packed}" for packed in _PACKED}
_BEIR_QUESTIONS = {*(f"queries.jsonl{packed}" for packed in _PACKED), "qrels"}


@dataclass(frozen=True)
class SourceFile:
    """`named` if the command line names it, rather than a folder around it; `of` is the source's
    name."""

    path: Path
    id: str
    named: bool
    of: str
    is_stdin: bool = False

    @property
    def place(self) -> str:
        return "<stdin>" if self.is_stdin else str(self.path)

    @property
    def is_stream(self) -> bool:
        """Whether it is a pipe or device, whose length is unknown."""
        return self.is_stdin or (os.path.exists(self.path) and not os.path.isfile(self.path))

    @property
    def size(self) -> int:
        """Size in bytes; 0 if the file does not exist."""
        return os.path.getsize(self.path) if os.path.isfile(self.path) else 0


@dataclass(frozen=True)
class Files:
    """All files in alphabetical order, the same on every machine; each once.

    `is_read` decides which files in folders are read; the others are counted in `ignored`, by
    ending. `rejects`, resolved, is not part of a corpus: it would grow while it is read.
    """

    paths: Sequence[str]
    is_read: Callable[[Path], bool]
    rejects: Path | None
    choice: FilePatterns = field(default_factory=FilePatterns)
    ignored: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[SourceFile | Rejected]:
        met: set[Path] = set()
        for given in self.paths:
            for source in self._of(given):
                if isinstance(source, SourceFile) and len(self.paths) > 1:
                    # A link is a file of its own, but no path may come twice.
                    key = resolve(source.path.parent) / source.path.name
                    if key in met:
                        continue
                    met.add(key)
                yield source

    def is_rejects(self, path: Path) -> bool:
        return self.rejects is not None and resolve(path) == self.rejects

    def _of(self, given: str) -> Iterator[SourceFile | Rejected]:
        path = Path(given)
        if given in STDIN:
            name = name_of(given)
            yield SourceFile(Path("/dev/stdin"), name, named=True, of=name, is_stdin=True)
        elif os.path.isdir(path):
            yield from self._within(path)
        else:
            id = name_of(given)
            yield SourceFile(path, id, named=True, of=id)

    def _within(self, folder: Path) -> Iterator[SourceFile | Rejected]:
        root = name_of(str(folder))
        for found in self._walked(folder):
            if isinstance(found, Rejected):
                yield found
                continue
            path = found.relative_to(folder).as_posix()
            if self._takes(path) and self._is_wanted(found):
                yield self._found(found, f"{root}/{path}", root)

    def _takes(self, path: str) -> bool:
        """An archive is a folder: the patterns choose among the files in it."""
        return self.choice.enters(path) if is_archive(path) else self.choice.takes(path)

    def _found(self, path: Path, id: str, root: str) -> SourceFile | Rejected:
        try:
            path.stat()
        except OSError as error:
            return Rejected(Place(str(path)), f"cannot be read: {error.strerror or error}")
        return SourceFile(path, id, named=False, of=root)

    def _walked(self, folder: Path) -> Iterator[Path | Rejected]:
        """Skips hidden and excluded files; yields a reject for each folder that cannot be read."""
        refused: list[OSError] = []
        for inside, folders, names in os.walk(folder, onerror=refused.append):
            here = Path(inside)
            self._leave_out_questions(folders, names)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(HIDDEN)
                and self.choice.enters((here / name).relative_to(folder).as_posix())
            )
            yield from (here / name for name in sorted(names) if not name.startswith(HIDDEN))
        for error in refused:
            yield Rejected(Place(str(error.filename)), f"cannot be read: {error.strerror}")

    def _leave_out_questions(self, folders: list[str], names: list[str]) -> None:
        """Skip the questions beside a test collection's documents, which are not documents."""
        if not _BEIR_DOCUMENTS.isdisjoint(names):
            for listed in (folders, names):
                for name in _BEIR_QUESTIONS.intersection(listed):
                    listed.remove(name)
                    self.ignored[QUESTIONS] += 1

    def _is_wanted(self, path: Path) -> bool:
        if path.name == DEFAULT.name or (self._may_be_rejects(path) and self.is_rejects(path)):
            return False
        try:
            is_file = stat.S_ISREG(os.stat(path).st_mode)
        except OSError:
            is_file = True  # such as a broken link, which is rejected with the reason
        if not is_file:
            self.ignored[NO_FILE] += 1
            return False
        if not self.is_read(path):
            self.ignored[ending_of(path)] += 1
            return False
        return not self.is_rejects(path)

    def _may_be_rejects(self, path: Path) -> bool:
        """Compare names first, because resolving a path is slow."""
        return self.rejects is not None and path.name == self.rejects.name


def ending_of(path: PurePath) -> str:
    """As it is counted among files that are not read."""
    return path.suffix.lower() or "no ending"


def is_documents(name: str) -> bool:
    """Whether it is the file of documents of a BEIR collection."""
    return name.rpartition("/")[2] in _BEIR_DOCUMENTS


def questions_in(path: PurePosixPath, folders: Container[PurePosixPath]) -> PurePosixPath | None:
    """The file or folder of questions of a BEIR collection that the path is or lies in;
    `folders` are those that hold documents of one."""
    for inner in (path, *path.parents):
        if inner.name in _BEIR_QUESTIONS and inner.parent in folders:
            return inner
    return None


def name_of(given: str) -> str:
    """A folder's own name; a file's name with that of its folder. Always valid Unicode."""
    path = Path(given)
    if given in STDIN:
        return "stdin"
    if os.path.isdir(path):
        return escape_surrogates(resolve(path).name)
    return escape_surrogates(f"{resolve(path.parent).name}/{path.name}")


def resolve(path: Path) -> Path:
    """Follow links as far as they can be read; Path.resolve would raise."""
    try:
        return Path(os.path.realpath(path))
    except OSError:  # a link in /proc that may not be read
        return Path(os.path.abspath(path))
