"""Documents with one vector each, however long their text is.

A text that fits one chunk is encoded as it is. A longer text gets the mean of its chunks' vectors,
normalised to unit length: nothing is cut off, but the mean says less about each part than a chunk
of its own would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.document import Document
from leafsearch.vectors import Rows, Teacher
from leafsearch.vectors.encoders import unit_rows

_AT_ONCE = 256  # pieces; a single text may have very many


class WholeChunk(Chunk):
    def fields(self) -> dict[str, Any]:
        return {**super().fields(), "title": self.title}


class WholeTexts:
    """A Chunker that leaves texts whole; `longer` counts texts that do not fit one chunk."""

    def __init__(self, chunker: Chunker) -> None:
        self.parts = chunker
        self.longer = 0

    def split_many(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        return [self.split(document) for document in documents]

    def split(self, document: Document) -> list[Chunk]:
        chunk = WholeChunk(document.id, 0, document.text, document.title, {})
        parts = self.parts.split(Document("", chunk.encoded_text))
        tokens = sum(part.tokens for part in parts)
        unknown = sum(part.tokens for part in parts if part.is_unknown)
        chunk = replace(chunk, tokens=tokens, is_unknown=2 * unknown > tokens)
        if len(parts) <= 1:
            return [chunk]
        self.longer += 1
        # Stored beside the vector, so that a comparison of text and vector knows it is a mean.
        return [replace(chunk, metadata={"chunks": len(parts)})]


class MeanEncoder:
    """Encodes documents of any length with an encoder for chunks."""

    def __init__(self, encoder: Teacher, chunker: Chunker) -> None:
        self._encoder = encoder
        self._chunker = chunker
        self.name = encoder.name
        self.revision = encoder.revision
        self.dimensions = encoder.dimensions
        self.max_tokens = encoder.max_tokens
        self.query_prompt = encoder.query_prompt
        self.document_prompt = encoder.document_prompt

    @property
    def tokenizer(self) -> Tokenizer:
        return self._encoder.tokenizer

    @property
    def encode_precision(self) -> str | None:
        return self._encoder.encode_precision

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        sums = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        parts = ((i, p) for i, text in enumerate(texts) for p in cut_pieces(self._chunker, text))
        while some := list(islice(parts, _AT_ONCE)):
            rows = self._encoder.encode_documents([piece for _, piece in some])
            np.add.at(sums, [i for i, _ in some], rows)
        return unit_rows(sums)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        for start in range(0, len(texts), _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, len(texts)))
            yield some, self.encode_documents([texts[i] for i in some])

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self._encoder.encode_queries(texts)

    def close(self) -> None:
        self._encoder.close()


def cut_pieces(chunker: Chunker, text: str) -> list[str]:
    return [chunk.text for chunk in chunker.split(Document("", text))]
