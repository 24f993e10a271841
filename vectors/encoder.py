"""The contract of an encoder, and the one place that chooses an implementation.

Two methods rather than a flag, because documents and queries take different prompts and a query
sent down the document path is wrong without looking wrong.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from leafsearch.vectors.errors import ModelError
from leafsearch.vectors.patience import SECONDS

Rows = NDArray[np.float32]  # (n, dimensions), each row of unit length


class Encoder(Protocol):
    @property
    def name(self) -> str:
        """As given by the user: hub name, path, `package:...` or `hashing:...`."""

    @property
    def revision(self) -> str:
        """Identifies the weights: a hub commit, or `sha256:` of the files in a folder."""

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Longest input, special tokens included; what is beyond is cut off by the model."""

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
        """In which documents are computed: float32, bfloat16, float16; None: a server decides."""

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        """Indices into `texts` and their rows, batch by batch as they are done, in any order.

        Together every text once. Give some thousand texts at a time: a batch is of texts of about
        one length. Raises ModelError.
        """

    def close(self) -> None:
        """Ends what runs for this encoder, processes above all."""


def load_encoder(
    name: str,
    *,
    revision: str | None = None,
    key: str | None = None,
    devices: Sequence[str] | None = None,
    precision: str = "auto",
    patience: float = SECONDS,
) -> Teacher:
    """Raises ModelError when there is no such model or it has another `revision`.

    torch and sentence-transformers are imported here and nowhere earlier. `key` is for the server
    of a remote encoder, which is asked for documents again for `patience` seconds where it is busy
    or away. `devices` as torch names them, a process for each if there are several:
    `["cuda:0", "cuda:1"]`, or `["cpu", "cpu"]`; by default all GPUs, or the CPU, in several
    processes if it has many cores. `precision` of documents: float32, bfloat16, float16, or auto,
    which is float16 on a GPU, bfloat16 on a CPU that has instructions for it, else float32.
    """
    if name.startswith("hashing:"):
        from leafsearch.vectors.hashing import HashingEncoder

        return HashingEncoder.from_name(name)  # whole numbers, the same in every precision
    if is_remote(name):
        from leafsearch.vectors.remote import RemoteEncoder

        return RemoteEncoder.open(name, revision=revision, key=key, patience=patience)
    from leafsearch.vectors.models import find_model

    source = find_model(name, revision=revision)  # before torch: a wrong name is told at once
    if Path(source.location, "weights.npz").is_file():
        raise ModelError(
            f"model {name}: holds a student for queries only; documents are encoded by the teacher "
            "that it was distilled from"
        )
    demand_torch(name)
    from leafsearch.vectors.transformer import TransformerEncoder

    return TransformerEncoder.load(name, source, devices=devices, precision=precision)


def is_remote(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def has_torch() -> bool:
    """Whether the packages of the extra [ingest] are installed."""
    return find_spec("sentence_transformers") is not None


def demand_torch(name: str) -> None:
    """Raises ModelError without them."""
    if not has_torch():
        raise ModelError(
            f"model {name}: sentence-transformers is not installed here; install the extra "
            "[ingest], or take hashing:N to try things out"
        )


def load_tokenizer(name: str, *, revision: str | None = None) -> Tokenizer:
    """The tokenizer of an encoder alone, without truncation and padding; needs no torch.

    Raises ModelError like load_encoder.
    """
    if not name.startswith("hashing:"):
        from leafsearch.vectors.model_files import ModelFiles

        model = name.partition("#")[2] if is_remote(name) else name
        files = ModelFiles.find(model, revision=revision)
        if is_remote(name) or files.path("tokenizer.json"):
            return files.tokenizer()
    return load_encoder(name, revision=revision).tokenizer


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """Published tokenizer files carry a truncation (128 tokens in MiniLM's) of their own."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def unit_rows(rows: NDArray[np.floating]) -> Rows:
    """Each row divided by its length; a row of zeros stays one."""
    rows = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Rows = np.divide(rows, np.where(lengths == 0, 1, lengths), dtype=np.float32)
    return units


def in_order(batches: Iterable[tuple[Sequence[int], Rows]], count: int, dimensions: int) -> Rows:
    """The rows of document_batches, in the order of the texts."""
    rows = np.empty((count, dimensions), dtype=np.float32)
    for indices, some in batches:
        rows[list(indices)] = some
    return rows
