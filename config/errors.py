"""The root of every error that leafsearch raises on purpose, and the errors of the settings.

    LeafError
    ├── ConfigError      a setting is missing, unknown or not allowed
    ├── vectors.errors   models, vectors, manifest, connection, index
    ├── ingest.errors    sources and records
    └── search.errors    queries

A message says what was given, what was expected and what to do. The commands print it as one
line and exit with 1.
"""


class LeafError(Exception):
    """Base of all expected failures. `is_usage`: the command that was typed can never be meant."""

    is_usage = False


class ConfigError(LeafError):
    """One or more settings cannot be used; the message lists every one of them."""

    def __init__(self, problems: list[str], *, is_usage: bool = False) -> None:
        self.problems = problems
        self.is_usage = is_usage
        super().__init__("; ".join(problems))
