"""Errors of a query.

    LeafError
    └── SearchError
        ├── QueryError    a question or an option that cannot be searched with
        ├── FilterError   a filter that no index can apply
        │   └── UndeclaredPath  a filter path that the index does not declare
        ├── SearchTimeout the server took longer than allowed
        └── NoHits        the index is READY and yet finds none of the documents

Errors of the index, the manifest, the models and the connection are in vectors.errors.
"""

from leafsearch.config import LeafError


class SearchError(LeafError):
    """Base of this package's errors."""


class QueryError(SearchError):
    """A question or an option that cannot be searched with."""

    is_usage = True


class FilterError(SearchError):
    """A filter that no index can apply."""

    is_usage = True


class UndeclaredPath(FilterError):
    """A filter path that the index does not declare."""

    is_usage = False


class SearchTimeout(SearchError):
    """The server took longer than allowed."""


class NoHits(SearchError):
    """The index is READY and yet finds none of the documents."""
