"""Errors of reading and writing a corpus.

    LeafError
    └── IngestError
        ├── SourceError      a path, file or column cannot be read at all
        ├── TooManyRejects   more records were rejected than allowed
        ├── OverlapError     another run wrote the same documents at the same time
        └── TargetError      the collection must not be written to, or not like this

A single unusable record raises nothing: readers yield it as Rejected and go on.
"""

from leafsearch.config import LeafError


class IngestError(LeafError):
    """Base of this package's errors."""


class SourceError(IngestError):
    """A path, file or column cannot be read at all."""


class TooManyRejects(IngestError):
    """More records were rejected than allowed."""


class OverlapError(IngestError):
    """Another run wrote the same documents at the same time."""


class TargetError(IngestError):
    """The collection must not be written to, or not like this."""
