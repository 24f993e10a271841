"""The full-text index: mappings, `$search` operators, BM25. Needs tantivy, of the extra [local]."""

from leafsearch.local.engine.text.index import TextIndex
from leafsearch.local.engine.text.mappings import TextDefinition, parse_text_definition
from leafsearch.local.engine.text.query import TextQuery, parse_text_query

__all__ = [
    "TextDefinition",
    "TextIndex",
    "TextQuery",
    "parse_text_definition",
    "parse_text_query",
]
