"""The contract of an encoder; imports no implementation.

It has two methods rather than a flag, because documents and queries take different prompts, and a
query encoded as a document is wrong without looking wrong.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from leafsearch.vectors.errors import ModelError

Rows = NDArray[np.float32]  # (n, dimensions), each row of unit length
RETRY_SECONDS = 120.0  # how long a run retries an unreachable server, MongoDB's or an encoder's


class Encoder(Protocol):
    @property
    def name(self) -> str:
        """The name that the user gave: hub name, path, `package:...` or `hashing:...`."""

    @property
    def revision(self) -> str:
        """Identifies the weights: a hub commit, or `sha256:` of the files in a folder."""

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """The longest input, special tokens included; the model cuts off the rest."""

    @property
    def query_prompt(self) -> str: ...

    @property
    def document_prompt(self) -> str: ...

    @property
    def tokenizer(self) -> Tokenizer:
        """A copy without truncation and padding."""

    def encode_documents(self, texts: Sequence[str]) -> Rows: ...

    def encode_queries(self, texts: Sequence[str]) -> Rows: ...


class Teacher(Encoder, Protocol):
    """An encoder for many documents."""

    @property
    def encode_precision(self) -> str | None:
        """The precision of documents: float32, bfloat16 or float16; None if a server decides."""

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        """Indices into `texts` and their rows, batch by batch as they complete, in any order.

        Each text comes once. Pass some thousand texts at a time, because a batch holds texts of
        similar length. Raises ModelError.
        """

    def close(self) -> None:
        """End the processes and connections of this encoder."""


def usual_factor(student: Encoder) -> float:
    """How many times as many candidates its queries take as the teacher's for the same recall.

    Published measurements: twice for small transformers; a static student says so itself.
    """
    return float(getattr(student, "candidates_factor", 2.0))


def is_remote(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def has_torch() -> bool:
    """Whether the packages of the extra [ingest] are installed."""
    return find_spec("sentence_transformers") is not None


def require_torch(name: str) -> None:
    """Raises ModelError if the packages of the extra [ingest] are missing."""
    if not has_torch():
        raise ModelError(
            f"model {name}: sentence-transformers is not installed here; install the extra "
            "[ingest], or use hashing:N to try things out"
        )


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """Switch off the truncation (128 tokens for MiniLM) that published tokenizer files set."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def unit_rows(rows: NDArray[np.floating]) -> Rows:
    """Divide each row by its length; a row of zeros stays zero."""
    rows = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Rows = np.divide(rows, np.where(lengths == 0, 1, lengths), dtype=np.float32)
    return units


def in_order(batches: Iterable[tuple[Sequence[int], Rows]], count: int, dimensions: int) -> Rows:
    """Arrange the rows of document_batches in the order of the texts."""
    rows = np.empty((count, dimensions), dtype=np.float32)
    for indices, some in batches:
        rows[list(indices)] = some
    return rows
