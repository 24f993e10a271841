"""The root of every error that leafsearch raises on purpose, and the errors of the settings.

    LeafError
    ├── ConfigError      a setting is missing, unknown or not allowed
    ├── vectors.errors   models, vectors, manifest, connection, index
    ├── ingest.errors    sources and records
    └── search.errors    queries

A message says what was given, what was expected and what to do. The commands print it as one
line and exit with 1.
"""

from collections.abc import Sequence

from leafsearch.config.text import shorten


class LeafError(Exception):
    """Base of all expected failures. A message that quotes too much keeps its two ends.

    `is_usage`: the command that was typed can never be meant.
    """

    is_usage = False

    def __init__(self, message: str = "") -> None:
        super().__init__(shorten(message))


class ConfigError(LeafError):
    """One or more settings cannot be used; the message lists every one of them."""

    def __init__(self, problems: Sequence[str], *, is_usage: bool = False) -> None:
        self.problems = [shorten(problem) for problem in problems]
        self.is_usage = is_usage
        super().__init__("; ".join(self.problems))
