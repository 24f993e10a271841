"""Feature hashing: texts that share words share dimensions.

Needs no model, is the same on every machine and encodes tens of thousands of texts a second: for
tests and benchmarks in which the model does not matter. It is no substitute for a model.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from vectors.encoder import Rows, unit_rows
from vectors.errors import ModelError

_WORD = re.compile(r"\w+")


_PER_WORD = 4  # so that a short text is not all zeros when its vector is truncated


@lru_cache(maxsize=100_000)
def _features(word: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    digest = hashlib.blake2b(word.encode(), digest_size=4 * _PER_WORD).digest()
    numbers = np.frombuffer(digest, "<u4").astype(np.int64)
    return numbers >> 1, np.where(numbers & 1, 1, -1).astype(np.float32)


class HashingEncoder:
    revision = "1"
    max_tokens = 512
    query_prompt = ""
    document_prompt = ""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.name = f"hashing:{dimensions}"
        self.tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        self.tokenizer.pre_tokenizer = Whitespace()

    @classmethod
    def from_name(cls, name: str) -> "HashingEncoder":
        size = name.removeprefix("hashing:")
        if not size.isdecimal() or not 1 <= int(size) <= 8192:
            raise ModelError(f"model {name}: expected hashing:N with N from 1 to 8192 dimensions")
        return cls(int(size))

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text.lower()):
                places, signs = _features(word)
                np.add.at(row, places % self.dimensions, signs)
            if not row.any():
                row[0] = 1.0  # a text without words still needs a unit vector
        return unit_rows(rows)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        for start in range(0, len(texts), 64):
            some = range(start, min(start + 64, len(texts)))
            yield some, self.encode_documents([texts[i] for i in some])

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self.encode_documents(texts)
