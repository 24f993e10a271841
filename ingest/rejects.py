"""The file of records that could not be used, one JSON object a line."""

import json
from pathlib import Path
from typing import TextIO

from ingest.document import Rejected

DEFAULT = Path("leaf-ingest.rejects.jsonl")


class Rejects:
    """Created with the first reject, replacing the file of an earlier run."""

    def __init__(self, path: Path = DEFAULT) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None

    def add(self, rejected: Rejected) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        entry = {
            "source": rejected.place.source,
            "line": rejected.place.line,
            "reason": rejected.reason,
            "record": rejected.record,
        }
        # ASCII, because a record may hold half a surrogate pair, which UTF-8 cannot write.
        self._file.write(json.dumps(entry) + "\n")
        self.count += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
