"""The words of one path, in a tantivy index in memory: which documents have them, BM25-scored.

One index for each path, because BM25 is about the documents that have the path: how many there
are, and how long their texts are. Changes are collected and written when somebody searches, or
when they are many: a writer has threads and memory that an index at rest does without.
"""

from collections.abc import Sequence

import numpy as np
import tantivy
from numpy.typing import NDArray

from leafmongo.engine.text.words import analyzer, has_words, terms

_WRITER_BYTES = 15_000_000  # the least that tantivy takes
_MANY = 2000
# tantivy multiplies every score by k1 + 1 (k1 is 1.2), Lucene since its version 8 does not.
_LUCENE = 1 / 2.2


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed: documents are not deleted by an unsigned field's value, and nobody is told.
    builder.add_integer_field("serial", indexed=True, fast=True)
    builder.add_text_field("text", tokenizer_name="words", index_option="freq")
    return builder.build()


class Postings:
    """Texts under serial numbers, none of which is used twice. Not safe for threads."""

    def __init__(self) -> None:
        self._schema = _schema()
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer("words", analyzer())
        self._added: dict[int, str] = {}
        self._removed: list[int] = []

    def add(self, serial: int, text: str) -> None:
        if has_words(text):  # others do not count as documents that have the path
            self._added[serial] = text
            self._write_if(len(self._added) >= _MANY)

    def remove(self, serial: int) -> None:
        if self._added.pop(serial, None) is None:
            self._removed.append(serial)
            self._write_if(len(self._removed) >= _MANY)

    def search(
        self, text: str, *, all_terms: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Serials and scores of the documents with any of the text's words, in no order."""
        self._write_if(bool(self._added or self._removed))
        searcher = self._index.searcher()
        words = terms(text)
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
