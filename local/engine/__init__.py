"""The vector index itself: definitions, queries, filters, scores. Pure: no files, no sockets."""

from leafsearch.local.engine.definition import VectorDefinition, equivalent, parse_definition
from leafsearch.local.engine.errors import CommandError
from leafsearch.local.engine.index import IndexStats, Match, VectorIndex
from leafsearch.local.engine.query import VectorQuery, parse_query

__all__ = [
    "CommandError",
    "IndexStats",
    "Match",
    "VectorDefinition",
    "VectorIndex",
    "VectorQuery",
    "equivalent",
    "parse_definition",
    "parse_query",
]
