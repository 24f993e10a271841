"""The result that tests/distill/conftest.py makes once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """The result of a whole `leaf-distill`: its folder, and its report with --json."""

    folder: Path
    reported: dict[str, Any]
    err: str
