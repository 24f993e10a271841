"""What can go wrong with a query.

    LeafError
    └── SearchError
        ├── QueryError    a question or a number that cannot be searched with
        ├── FilterError   a filter that no index can apply
        │   └── UndeclaredPath  a path of it that this index was not made for
        ├── SearchTimeout the server took longer than it was allowed to
        └── NoHits        the index is READY and yet finds nothing that is there

Errors of the index, the manifest, the models and the connection are in vectors.errors.
"""

from leafsearch.config import LeafError


class SearchError(LeafError):
    """Base of this package's errors."""


class QueryError(SearchError):
    """A question or a number that cannot be searched with."""

    is_usage = True


class FilterError(SearchError):
    """A filter that no index can apply."""

    is_usage = True


class UndeclaredPath(FilterError):
    """A filter path that this index was not made for."""

    is_usage = False


class SearchTimeout(SearchError):
    """The server took longer than it was allowed to."""


class NoHits(SearchError):
    """The index is READY and yet finds nothing that is there."""
