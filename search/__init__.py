"""encode -> compress -> $vectorSearch -> hits."""

from leafsearch.search.async_searcher import AsyncSearcher
from leafsearch.search.errors import (
    FilterError,
    NoHits,
    QueryError,
    SearchError,
    SearchTimeout,
    UndeclaredPath,
)
from leafsearch.search.hit import Hit
from leafsearch.search.query import MOST_CANDIDATES, Options, Query
from leafsearch.search.rerank import CrossEncoder
from leafsearch.search.retrieval.context import Context, Passage
from leafsearch.search.searcher import Searcher, search

__all__ = [
    "MOST_CANDIDATES",
    "AsyncSearcher",
    "Context",
    "CrossEncoder",
    "FilterError",
    "Hit",
    "NoHits",
    "Options",
    "Passage",
    "Query",
    "QueryError",
    "SearchError",
    "SearchTimeout",
    "Searcher",
    "UndeclaredPath",
    "search",
]
