"""From the paths of the command line to a stream of documents.

Files in folders get the folder's own name and their path below it as id, so that the id does not
depend on where the command is run. The order is alphabetical, the same on every machine.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from ingest.document import Place, Rejected
from ingest.errors import SourceError
from ingest.readers import Records, read_csv, read_json_lines, read_text
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
STDIN = "-"


@dataclass
class Corpus:
    """`ignored` counts the files of other kinds that folders held, by ending."""

    paths: Sequence[str]
    fields: Fields = field(default_factory=Fields)
    format: Format | None = None
    ignored: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Raises SourceError for the first path that cannot be read, before any work is done."""
        for given in self.paths:
            if given == STDIN:
                continue
            path = Path(given)
            if not path.exists():
                raise SourceError(f"{given}: no such file or folder")
            if path.is_file() and self._format(path) is None:
                raise SourceError(
                    f"{given}: cannot tell the format from its ending; expected one of "
                    f"{' '.join(_ENDINGS)}, or give --format"
                )

    def records(self) -> Records:
        self.ignored.clear()
        for given in self.paths:
            if given == STDIN:
                stream = sys.stdin.buffer
                yield from self._parsed(stream, "<stdin>", "stdin", self.format or "jsonl")
                continue
            for path, id in self._files(Path(given)):
                yield from self._read(path, id)

    def _files(self, given: Path) -> Iterator[tuple[Path, str]]:
        if not given.is_dir():
            yield given, given.name
            return
        for folder, folders, names in os.walk(given):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for name in sorted(n for n in names if not n.startswith(".")):
                path = Path(folder, name)
                if self._format(path) is None:
                    self.ignored[path.suffix.lower() or "no ending"] += 1
                else:
                    inside = path.relative_to(given).as_posix()
                    yield path, f"{given.resolve().name}/{inside}"

    def _format(self, path: Path) -> Format | None:
        return self.format or _ENDINGS.get(path.suffix.lower())

    def _read(self, path: Path, id: str) -> Records:
        try:
            with path.open("rb") as stream:
                yield from self._parsed(stream, str(path), id, self._format(path) or "text")
        except OSError as error:
            yield Rejected(Place(str(path)), f"cannot be read: {error.strerror or error}")

    def _parsed(self, stream: BinaryIO, source: str, id: str, format: Format) -> Records:
        if format == "jsonl":
            yield from read_json_lines(stream, source, self.fields)
        elif format in ("csv", "tsv"):
            delimiter = "\t" if format == "tsv" else None
            yield from read_csv(stream, source, self.fields, delimiter)
        else:
            yield from read_text(stream, source, id, markdown=format == "markdown")
