"""Folders that appear whole or not at all."""

import os
from pathlib import Path


def put(made: Path, folder: Path) -> None:
    """In one step, so that nobody ever loads half of it; who comes second has the same."""
    try:
        os.replace(made, folder)
    except OSError:
        if not folder.is_dir():
            raise
