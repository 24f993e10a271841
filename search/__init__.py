"""encode -> compress -> $vectorSearch -> hits."""

from search.async_searcher import AsyncSearcher
from search.context import Context, Passage
from search.default import search
from search.errors import (
    FilterError,
    NoHits,
    QueryError,
    SearchError,
    SearchTimeout,
    UndeclaredPath,
)
from search.hit import Hit
from search.query import Options, Query
from search.rerank import CrossEncoder
from search.searcher import Searcher

__all__ = [
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
