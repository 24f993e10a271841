"""The static encoder: a text's vector is the mean of the rows of its tokens.

It needs tokenizers and numpy: no torch, no ONNX Runtime. A query takes some 30 microseconds, most
of them in the tokenizer.

A text of which no token has a row, an empty one among them, gets the middle of the table: a unit
vector like every other, equal for all such texts, and a warning says so.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from leafsearch.vectors.encoders.base import Rows, in_order
from leafsearch.vectors.encoders.model_files import ModelFiles
from leafsearch.vectors.encoders.static.folder import StaticFolder
from leafsearch.vectors.encoders.words import Words
from leafsearch.vectors.errors import ModelError

log = logging.getLogger(__name__)

_BATCH = 256
_MIDDLE = 4_096  # rows, of which the middle is taken


class StaticEncoder:
    encode_precision = "float32"
    candidates_factor = 4.0  # see base.usual_factor

    def __init__(
        self,
        name: str,
        revision: str,
        folder: StaticFolder,
        *,
        query_prompt: str = "",
        document_prompt: str = "",
    ) -> None:
        self.name = name
        self.revision = revision
        self.dimensions = folder.dimensions
        self.max_tokens = folder.max_tokens
        self.query_prompt = query_prompt
        self.document_prompt = document_prompt
        self.tokenizer = folder.tokenizer
        self._folder = folder
        self._words = Words(folder.tokenizer)

    @classmethod
    def load(cls, files: ModelFiles) -> "StaticEncoder":
        return cls(
            files.name,
            files.revision,
            StaticFolder.read(files),
            query_prompt=files.prompt("query"),
            document_prompt=files.prompt("document", "passage", "corpus"),
        )

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        for start in range(0, len(texts), _BATCH):
            some = texts[start : start + _BATCH]
            yield range(start, start + len(some)), self._encode(some, self.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self._encode(texts, self.query_prompt)

    def close(self) -> None:
        """Nothing to end."""

    def _encode(self, texts: Sequence[str], prompt: str) -> Rows:
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, tokens in zip(rows, self._tokens(texts, prompt), strict=True):
            row[:] = self._pooled(tokens.ids)
        return rows

    def _tokens(self, texts: Sequence[str], prompt: str) -> list[Any]:
        if not texts:
            return []
        tokens = self._tokenized([prompt + text for text in texts])
        if changed := self._words.write_unknown(texts, tokens):
            again = self._tokenized([prompt + text for text in changed.values()])
            for index, encoding in zip(changed, again, strict=True):
                tokens[index] = encoding
        return tokens

    def _tokenized(self, texts: Sequence[str]) -> list[Any]:
        # Without special tokens, as sentence-transformers and model2vec do.
        found: list[Any] = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return found

    def _pooled(self, ids: list[int]) -> Any:
        folder = self._folder
        if len(ids) > folder.max_tokens:
            kept = (
                slice(folder.max_tokens) if folder.keeps_start else slice(-folder.max_tokens, None)
            )
            ids = ids[kept]
        if folder.leaves_out in ids:
            ids = [id for id in ids if id != folder.leaves_out]
        if not ids:
            return self._warned()
        try:
            row: Any = folder.table.sum(np.array(ids, dtype=np.int64))
        except IndexError as error:
            raise ModelError(
                f"model {self.name}: its tokenizer gives token {max(ids)}, its table has rows for "
                f"{folder.table.vocabulary}; expected a row for each. Use the tokenizer that "
                "belongs to the table"
            ) from error
        if folder.pooling != "sum":
            row /= len(ids) if folder.pooling == "mean" else math.sqrt(len(ids))
        if not (length := self._length(row)):
            return self._warned()
        for layer in folder.layers:
            row = layer(row)
            length = self._length(row)
        return row / np.float32(length) if length else self._warned()

    def _length(self, row: Any) -> float:
        length = math.sqrt(float(row @ row))
        if not math.isfinite(length):
            raise ModelError(
                f"model {self.name}: its table holds numbers that are not finite; expected finite "
                "ones. Copy or download the model again"
            )
        return length

    def _warned(self) -> Any:
        log.warning(
            "model %s knows none of the words of a text, and gives it the vector of the middle of "
            "its table: what is found with it says little",
            self.name,
        )
        return self._middle

    @cached_property
    def _middle(self) -> Any:
        """The direction of the mean row; the first axis for a table around 0."""
        row: Any = self._folder.table.middle(_MIDDLE)
        for layer in self._folder.layers:
            row = layer(row)
        length = self._length(row)
        return row / np.float32(length) if length > 1e-6 else np.eye(1, self.dimensions)[0]
