"""The only model for automatic embedding: hashed words, which needs no files and no network.

It finds texts that share words with the query, not meanings: enough to develop and to test against
an index of type autoEmbed. A word adds 1 + log(its count), with a sign, at one of the dimensions.
"""

import hashlib
import math
import re
from collections import Counter

import numpy as np

from leafmongo.engine.documents.vectors import Vector, VectorDtype

HASHING = "hashing"  # its name in a definition
MODEL_DIMENSIONS = (256, 512, 1024, 2048)
DEFAULT_DIMENSIONS = 1024
_WORD = re.compile(r"\w+|[^\w\s]")


def embed(text: str, dimensions: int) -> Vector:
    """A vector of length 1; zeros for a text without any word or sign."""
    values = np.zeros(dimensions, dtype=np.float64)
    for word, count in Counter(_WORD.findall(text.casefold())).items():
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        sign = 1.0 if digest >> 63 else -1.0
        values[digest % dimensions] += sign * (1 + math.log(count))
    length = float(np.linalg.norm(values))
    return Vector(VectorDtype.FLOAT32, (values / (length or 1.0)).astype("<f4"))
