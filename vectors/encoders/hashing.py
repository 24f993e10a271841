"""Feature hashing: texts that share words share dimensions.

It needs no model, gives the same vectors on every machine, and encodes tens of thousands of texts a
second: for tests and benchmarks in which the model does not matter. It does not replace a model.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from leafsearch.vectors.encoders.base import Rows, in_order, unit_rows
from leafsearch.vectors.errors import ModelError

_WORD = re.compile(r"\w+")
_PER_WORD = 4  # so that a short text is not all zeros when its vector is truncated
_KNOWN_WORDS = 100_000
_BATCH = 256


class _Words(dict[str, int]):
    """Numbers words in order of arrival and keeps their hashes in one buffer for numpy."""

    def __init__(self) -> None:
        super().__init__()
        self.digests = bytearray()

    def __missing__(self, word: str) -> int:
        self.digests += hashlib.blake2b(word.encode(), digest_size=4 * _PER_WORD).digest()
        number = self[word] = len(self)
        return number

    def hashes(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        """(n, _PER_WORD)"""
        # A copy, because a buffer that numpy has a view of cannot grow.
        table = np.frombuffer(bytes(self.digests), "<u4").reshape(-1, _PER_WORD)
        return table[np.array(numbers, dtype=np.int64)].astype(np.int64)


class HashingEncoder:
    revision = "1"
    max_tokens = 512
    query_prompt = ""
    document_prompt = ""
    encode_precision = "float32"

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.name = f"hashing:{dimensions}"
        self.tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        self.tokenizer.pre_tokenizer = Whitespace()
        self._words = _Words()
        self._lock = Lock()

    @classmethod
    def from_name(cls, name: str) -> "HashingEncoder":
        size = name.removeprefix("hashing:")
        if not size.isdecimal() or not 1 <= int(size) <= 8192:
            raise ModelError(f"model {name}: expected hashing:N with N from 1 to 8192 dimensions")
        return cls(int(size))

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        for start in range(0, len(texts), _BATCH):
            some = texts[start : start + _BATCH]
            yield range(start, start + len(some)), self._encode(some)

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self.encode_documents(texts)

    def close(self) -> None:
        """Nothing to end."""

    def _encode(self, texts: Sequence[str]) -> Rows:
        counts, hashes = self._hash(texts)
        rows = np.repeat(np.arange(len(texts)), counts)[:, None]
        places = rows * self.dimensions + (hashes >> 1) % self.dimensions
        signs = np.where(hashes & 1, 1.0, -1.0)
        shape = len(texts), self.dimensions
        sums = np.bincount(places.ravel(), weights=signs.ravel(), minlength=shape[0] * shape[1])
        found = sums.reshape(shape).astype(np.float32)
        found[~found.any(axis=1), 0] = 1.0  # a text without words still needs a unit vector
        return unit_rows(found)

    def _hash(self, texts: Sequence[str]) -> tuple[list[int], NDArray[np.int64]]:
        """The number of words of each text, and the hashes of all words."""
        counts: list[int] = []
        numbers: list[int] = []
        with self._lock:
            if len(self._words) > _KNOWN_WORDS:
                self._words = _Words()
            for text in texts:
                words = _WORD.findall(text.lower())
                counts.append(len(words))
                numbers += map(self._words.__getitem__, words)
            return counts, self._words.hashes(numbers)
