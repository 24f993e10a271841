"""Variables: those of the environment, else those of the file `.env` in the current folder."""

import os
from pathlib import Path

from dotenv import dotenv_values

from leafmongo.errors import LocalError

_FILE = ".env"


def variable(name: str) -> str | None:
    """None where it is nowhere; an empty one counts as not given."""
    return os.environ.get(name) or _in_file().get(name) or None


def _in_file() -> dict[str, str | None]:
    if not os.path.isfile(_FILE):
        return {}
    try:
        return dotenv_values(_FILE)
    except (OSError, ValueError) as error:
        raise LocalError(f"{Path(_FILE).absolute()} cannot be read: {error}") from error
