"""The words of one path in a tantivy index in memory, scored by BM25.

Words are terms as `lucene.standard` makes them: by Unicode's rules, in lower case, unstemmed. The
rules are those of UAX #29: "can't", "3.14" and "example.com" are one word each, "e-mail" is two;
every Han and Hiragana character is a word, and so is a run of Thai, Lao, Khmer or Burmese.
Punctuation and emoji are not words (Lucene keeps emoji).

Each path has an index of its own, because BM25 depends on the documents that have the path: how
many they are, and how long their texts are. Changes are collected and written when a search needs
them or when they are many, since a writer takes threads and memory.
"""

import functools
from collections.abc import Sequence

import numpy as np
import tantivy
from numpy.typing import NDArray

ANALYZER = "lucene.standard"
_WRITER_BYTES = 15_000_000  # the least that tantivy accepts
_MANY = 2000
# tantivy multiplies every score by k1 + 1 (k1 is 1.2); Lucene has not since version 8.
_LUCENE = 1 / 2.2


def _one_of(*classes: str) -> str:
    """A character of these word-break classes with its combining marks."""
    listed = "".join(rf"\p{{wb={each}}}" for each in classes)
    return rf"[{listed}]{_MARKS}"


def _join(piece: str, joint: str) -> str:
    """Pieces, with single joints between pieces."""
    return f"(?:{piece})+(?:{joint}(?:{piece})+)*"


_MARKS = r"[\p{wb=Extend}\p{wb=Format}\p{wb=ZWJ}]*"
_LETTERS = _join(
    _one_of("ALetter", "Hebrew_Letter"), _one_of("MidLetter", "MidNumLet", "Single_Quote")
)
_NUMBERS = _join(_one_of("Numeric"), _one_of("MidNum", "MidNumLet", "Single_Quote"))
_RUN = f"(?:(?:{_LETTERS}|{_NUMBERS})+|(?:{_one_of('Katakana')})+)"
_UNDERSCORE = _one_of("ExtendNumLet")
_WORD = f"(?:{_UNDERSCORE})*{_RUN}(?:(?:{_UNDERSCORE})+{_RUN})*(?:{_UNDERSCORE})*"
_IDEOGRAPH = rf"[\p{{Han}}\p{{Hiragana}}]{_MARKS}"
_UNSPACED = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"


@functools.cache
def analyzer() -> tantivy.TextAnalyzer:
    words = tantivy.Tokenizer.regex(f"{_WORD}|{_IDEOGRAPH}|{_UNSPACED}")
    return tantivy.TextAnalyzerBuilder(words).filter(tantivy.Filter.lowercase()).build()


def terms(text: str) -> list[str]:
    return analyzer().analyze(text)


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

    def __init__(self) -> None:
        self._schema = _schema()
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer("words", analyzer())
        self._added: dict[int, str] = {}
        self._removed: list[int] = []

    def add(self, serial: int, text: str) -> None:
        if has_words(text):  # others do not count for BM25
            self._added[serial] = text
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
