"""What can go wrong while a corpus is read and written.

    LeafError
    └── IngestError
        ├── SourceError      a path, file or column that cannot be read at all
        ├── TooManyRejects   more unusable records than were allowed
        ├── OverlapError     another run wrote the same documents at the same time
        └── TargetError      a collection that must not be written to, or not like this

A single unusable record is no exception: readers yield it as Rejected and go on.
"""

from config import LeafError


class IngestError(LeafError):
    """Base of this package's errors."""


class SourceError(IngestError):
    """A path, file or column that cannot be read at all."""


class TooManyRejects(IngestError):
    """More unusable records than were allowed."""


class OverlapError(IngestError):
    """Another run wrote the same documents at the same time."""


class TargetError(IngestError):
    """A collection that must not be written to, or not like this."""
