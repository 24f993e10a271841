"""The words of one path in a tantivy index in memory, scored by BM25.

Each path has an index of its own, because BM25 depends on the documents that have the path: how
many they are, and how long their texts are. Changes are collected and written when a search needs
them or when they are many, since a writer takes threads and memory.
"""

from collections.abc import Sequence

import numpy as np
import tantivy
from numpy.typing import NDArray

from leafmongo.engine.text.analyzers import STANDARD, preparation, terms, tokenizer

_WRITER_BYTES = 15_000_000  # the least that tantivy accepts
_MANY = 2000
# tantivy multiplies every score by k1 + 1 (k1 is 1.2); Lucene has not since version 8.
_LUCENE = 1 / 2.2


def has_words(text: str) -> bool:
    return any(map(str.isalnum, text))


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed: tantivy silently fails to delete documents by the value of an unsigned field.
    builder.add_integer_field("serial", indexed=True, fast=True)
    builder.add_text_field("text", tokenizer_name="words", index_option="freq")
    return builder.build()


class Postings:
    """Texts by serial number; a number is never reused. Not safe for threads."""

    def __init__(self, analyzer: str = STANDARD, search_analyzer: str | None = None) -> None:
        """Texts are analyzed by `analyzer`, questions by `search_analyzer`, which is the same
        unless given."""
        self._schema = _schema()
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer("words", tokenizer(analyzer))
        self._prepare = preparation(analyzer)
        self._search_analyzer = search_analyzer or analyzer
        self._added: dict[int, str] = {}
        self._removed: list[int] = []

    def add(self, serial: int, text: str) -> None:
        if has_words(text):  # others do not count for BM25
            self._added[serial] = self._prepare(text)
            self._write_if(len(self._added) >= _MANY)

    def remove(self, serial: int) -> None:
        if self._added.pop(serial, None) is None:
            self._removed.append(serial)
            self._write_if(len(self._removed) >= _MANY)

    def search(
        self, text: str, *, all_terms: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Serials and scores, unordered, of documents with any of the text's words."""
        self._write_if(bool(self._added or self._removed))
        searcher = self._index.searcher()
        words = terms(text, self._search_analyzer)
        if not words or not searcher.num_docs:
            return np.empty(0, np.int64), np.empty(0)
        hits = searcher.search(self._query(words, all_terms), searcher.num_docs, count=False).hits
        serials = searcher.fast_field_values("serial", [address for _, address in hits])
        scores = np.array([score for score, _ in hits], np.float64)
        return np.array(serials, np.int64), scores * _LUCENE

    def _query(self, words: Sequence[str], all_terms: bool) -> tantivy.Query:
        occur = tantivy.Occur.Must if all_terms else tantivy.Occur.Should
        return tantivy.Query.boolean_query(
            [(occur, tantivy.Query.term_query(self._schema, "text", word)) for word in words]
        )

    def _write_if(self, wanted: bool) -> None:
        if not wanted:
            return
        writer = self._index.writer(_WRITER_BYTES, 1)
        for serial in self._removed:
            writer.delete_documents_by_term("serial", serial)
        for serial, text in self._added.items():
            writer.add_document(_document(serial, text))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._added, self._removed = {}, []


def _document(serial: int, text: str) -> tantivy.Document:
    document = tantivy.Document()
    document.add_integer("serial", serial)
    document.add_text("text", text)
    return document
