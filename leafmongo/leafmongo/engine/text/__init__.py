"""The full-text index: mappings, `$search` operators, BM25. Requires tantivy."""

from leafmongo.engine.text.index import TextIndex
from leafmongo.engine.text.mappings import TextDefinition, parse_text_definition
from leafmongo.engine.text.query import TextQuery, parse_text_query

__all__ = [
    "TextDefinition",
    "TextIndex",
    "TextQuery",
    "parse_text_definition",
    "parse_text_query",
]
