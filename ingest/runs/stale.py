"""Vectors from before words that the teacher does not know were encoded in pieces."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from leafsearch.vectors import Codec, Manifest, ModelError, Teacher, load_tokenizer
from leafsearch.vectors.encoders import Words

Id = TypeVar("Id")

_SAME = {"float32": 0.99, "int8": 0.99, "binary": 0.9}  # least cosine of two encodings of a text


class StaleVectors:
    def __init__(self, manifest: Manifest, teacher: Callable[[], Teacher]) -> None:
        """`teacher` is loaded only where a text has such words."""
        self._teacher = teacher
        self._codec: Codec = manifest.codec.exact
        self._least = _SAME[self._codec.precision]
        self._words = _words(manifest)

    def find(self, texts: Mapping[Id, str], vectors: Mapping[Id, bytes]) -> list[Id]:
        """Those whose stored vector, which is sound, is not the one of their text."""
        if self._words is None or not texts:
            return []
        given = list(texts.values())
        written = zip(texts, given, self._words.write(given), strict=True)
        doubtful = [id for id, text, other in written if other != text]
        if not doubtful:
            return []
        rows = self._teacher().encode_documents([texts[id] for id in doubtful])
        now = self._codec.expand(self._codec.compress(rows))
        stored = self._codec.expand([vectors[id] for id in doubtful])
        cosines = np.sum(now * stored, axis=1)
        return [id for id, c in zip(doubtful, cosines, strict=True) if c < self._least]


def _words(manifest: Manifest) -> Words | None:
    """None without the teacher's tokenizer: then nothing can be encoded either."""
    try:
        return Words(load_tokenizer(manifest.teacher.name, revision=manifest.teacher.revision))
    except ModelError:
        return None
