"""The file of rejected records, one JSON object a line."""

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TextIO

from leafsearch.config.text import shorten
from leafsearch.ingest.document import Rejected
from leafsearch.ingest.errors import SourceError, TargetError

DEFAULT = Path("leaf-ingest.rejects.jsonl")
_LONGEST_NAME = 255  # bytes of a file's name on nearly every file system
_KEYS = ["source", "line", "reason", "record"]

# What differs between rejects of one kind: names, places and numbers.
_VARYING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\(.*?\)|\d+|first at \S+""")
_SORTED_BY = 1000  # characters of a reason
_MOST_KINDS = 100
_LONGEST = 200  # characters


@dataclass
class _RejectKind:
    first: Rejected
    count: int = 1


class Rejects:
    """The file is created with the first reject; a run removes the file of an earlier run when
    it begins.

    Runs may share a file: each appends its lines, and none removes what another is writing.
    """

    def __init__(self, path: Path = DEFAULT) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None
        self._has_begun = False
        self._lock = Lock()
        self._kinds: dict[str, _RejectKind] = {}

    def problems(self) -> Iterator[str]:
        """Reasons why the file cannot be written, before there is anything to write. Creates
        nothing."""
        path, shown = self.path, shorten(str(self.path), 200)
        try:
            mode = os.stat(path).st_mode if os.path.lexists(path) else None
        except OSError as error:
            yield f"--rejects {shown}: cannot be used ({error.strerror}); name another file"
            return
        if mode is not None and stat.S_ISDIR(mode):
            yield f"--rejects {shown}: is a folder; expected a file"
        elif not os.path.isdir(path.parent):
            yield f"--rejects {shown}: there is no folder {shorten(str(path.parent), 200)}"
        elif not os.access(path.parent if mode is None else path, os.W_OK):
            yield f"--rejects {shown}: you may not write there; name another file"
        elif mode is not None and stat.S_ISREG(mode) and not _is_ours(path):
            yield f"--rejects {shown}: holds something other than rejects; name another file"
        elif len(os.fsencode(path.name)) > _LONGEST_NAME:
            yield f"--rejects {shown}: expected a name of at most {_LONGEST_NAME} bytes"

    def require_not_all(self, one: str = "record", of: str = "") -> None:
        """Raises SourceError with the reasons if all records, called `one` of `of`, were
        rejected and nothing was written."""
        if self.count:
            what = f"the only {one}" if self.count == 1 else f"all {self.count:,} {one}s"
            raise SourceError(
                f"{what}{of} {'was' if self.count == 1 else 'were'} rejected, nothing was written: "
                f"{'; '.join(self.reasons())}; see {self.path}"
            )

    def begin(self) -> None:
        """Remove the file of an earlier run, which would look like this run's."""
        path = Path(os.path.realpath(self.path))
        begins, self._has_begun = not self._has_begun, True
        if begins and os.path.isfile(path) and os.path.getsize(path) and _is_ours(path):
            with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another run may have replaced the file before it was locked.
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    path.unlink()

    def add(self, rejected: Rejected) -> None:
        """Raises TargetError if it cannot be written."""
        entry = {
            "source": rejected.place.source,
            "line": rejected.place.line,
            "reason": rejected.reason,
            "record": rejected.record,
        }
        try:
            with self._lock:
                file = self._opened()
                # ASCII, because a record may hold half a surrogate pair, which UTF-8 cannot write.
                file.write(json.dumps(entry) + "\n")
                file.flush()
                self.count += 1
                self.sort(rejected)
        except OSError as error:
            raise TargetError(
                f"--rejects {self.path}: cannot be written ({error.strerror}); what was read "
                "before is ingested. Name another file and run this again"
            ) from error

    def reasons(self, most: int = 3) -> list[str]:
        """The most frequent reasons, with their counts and first places; for a terminal."""
        with self._lock:
            kinds = sorted(self._kinds.values(), key=lambda kind: -kind.count)
        shown = [f"{k.count:,} x {_short(k.first.reason)} ({_short(k.first.place)})" for k in kinds]
        more = self.count - sum(kind.count for kind in kinds[:most])
        return [*shown[:most], *([f"{more:,} x something else"] if more else [])]

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # every entry was flushed, or its failure raised
                self._file.close()

    def sort(self, rejected: Rejected) -> None:
        """Count a reject's reason without writing it."""
        kind = _VARYING.sub("", rejected.reason[:_SORTED_BY])
        if kind in self._kinds:
            self._kinds[kind].count += 1
        elif len(self._kinds) < _MOST_KINDS:
            self._kinds[kind] = _RejectKind(rejected)

    def _opened(self) -> TextIO:
        while self._file is None:
            file = self.path.open("a", encoding="utf-8")
            fcntl.flock(file, fcntl.LOCK_SH)
            # Another run may have removed the file between opening and locking.
            if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                self._file = file
            else:
                file.close()
        return self._file


def _short(text: object) -> str:
    """One line, without characters that control a terminal."""
    line = " ".join("".join(s if s.isprintable() else " " for s in str(text)).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def _is_ours(path: Path) -> bool:
    """Whether a file is empty or begins like a file of rejects."""
    try:
        with path.open("rb") as file:
            first = file.readline(2**20)
        return not first or list(json.loads(first)) == _KEYS
    except (OSError, ValueError, TypeError, RecursionError):
        return False
