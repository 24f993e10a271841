"""The file of records that could not be used, one JSON object a line."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TextIO

from ingest.document import Rejected
from ingest.errors import TargetError

DEFAULT = Path("leaf-ingest.rejects.jsonl")
_KEYS = ["source", "line", "reason", "record"]


class Rejects:
    """Created with the first reject; that of an earlier run goes when a run begins.

    Runs at once may share it: each adds its lines, and none removes what another is writing.
    """

    def __init__(self, path: Path = DEFAULT) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None
        self._has_begun = False
        self._lock = Lock()

    def problems(self) -> Iterator[str]:
        """Why it could not be written, told before there is anything to write; makes nothing."""
        path = self.path
        if path.is_dir():
            yield f"--rejects {path}: is a folder; expected a file"
        elif not path.parent.is_dir():
            yield f"--rejects {path}: there is no folder {path.parent}"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            yield f"--rejects {path}: may not be written; name another file"
        elif path.is_file() and not _is_ours(path):
            yield f"--rejects {path}: holds something else, which stays; name another file"

    def begin(self) -> None:
        """An old file would look like this run's, so it is removed; later ones are of others."""
        path = self.path.resolve()
        begins, self._has_begun = not self._has_begun, True
        if begins and path.is_file() and path.stat().st_size and _is_ours(path):
            with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another run may have removed it, and made one of its own, before the locking.
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
        except OSError as error:
            raise TargetError(
                f"--rejects {self.path}: cannot be written ({error.strerror}); what was read "
                "before is ingested: name another file and run it again"
            ) from error

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # every entry was flushed, or its failure told
                self._file.close()

    def _opened(self) -> TextIO:
        while self._file is None:
            file = self.path.open("a", encoding="utf-8")
            fcntl.flock(file, fcntl.LOCK_SH)
            # Another run may have removed the file between the opening and the locking.
            if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                self._file = file
            else:
                file.close()
        return self._file


def _is_ours(path: Path) -> bool:
    """Whether a file is empty or begins as this one writes."""
    try:
        with path.open("rb") as file:
            first = file.readline(2**20)
        return not first or list(json.loads(first)) == _KEYS
    except (OSError, ValueError, TypeError, RecursionError):
        return False
