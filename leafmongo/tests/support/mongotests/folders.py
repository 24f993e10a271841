"""Folders for deployments."""

import shutil
import tempfile
from pathlib import Path


class short_folder:
    """A folder with a short path: those of pytest are too long for a socket."""

    def __enter__(self) -> Path:
        self._path = tempfile.mkdtemp(prefix="leaf-", dir="/tmp")
        return Path(self._path)

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._path)
