"""The result that tests/distill/conftest.py makes once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """Of a whole `leaf-distill`: the folder, and what it reported with --json."""

    folder: Path
    reported: dict[str, Any]
    err: str
