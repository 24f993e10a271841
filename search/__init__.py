"""encode -> compress -> $vectorSearch -> hits."""

from search.default import search
from search.errors import FilterError, NoHits, QueryError, SearchError
from search.hit import Hit
from search.searcher import Searcher

__all__ = [
    "FilterError",
    "Hit",
    "NoHits",
    "QueryError",
    "SearchError",
    "Searcher",
    "search",
]
