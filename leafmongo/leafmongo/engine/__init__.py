"""The vector index itself: definitions, queries, filters, scores. Pure: no files, no sockets."""

from leafmongo.engine.definition import VectorDefinition, is_equivalent, parse_definition
from leafmongo.engine.errors import CommandError
from leafmongo.engine.index import IndexStats, Match, VectorIndex
from leafmongo.engine.query import VectorQuery, parse_query

__all__ = [
    "CommandError",
    "IndexStats",
    "Match",
    "VectorDefinition",
    "VectorIndex",
    "VectorQuery",
    "is_equivalent",
    "parse_definition",
    "parse_query",
]
