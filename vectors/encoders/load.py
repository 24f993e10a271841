"""The one place that chooses an implementation of an encoder."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from leafsearch.vectors.encoders.base import RETRY_SECONDS, Teacher, is_remote, require_torch
from leafsearch.vectors.errors import ModelError


def load_encoder(
    name: str,
    *,
    revision: str | None = None,
    key: str | None = None,
    devices: Sequence[str] | None = None,
    precision: str = "auto",
    retry_for: float = RETRY_SECONDS,
) -> Teacher:
    """Raises ModelError when there is no such model or it has another `revision`.

    torch and sentence-transformers are imported here and nowhere earlier. `key` is for the server
    of a remote encoder, which is asked for documents again for `retry_for` seconds where it is busy
    or away. `devices` as torch names them, a process for each if there are several:
    `["cuda:0", "cuda:1"]`, or `["cpu", "cpu"]`; by default all GPUs, or the CPU, in several
    processes if it has many cores. `precision` of documents: float32, bfloat16, float16, or auto,
    which is float16 on a GPU, bfloat16 on a CPU that has instructions for it, else float32.
    """
    if name.startswith("hashing:"):
        from leafsearch.vectors.encoders.hashing import HashingEncoder

        return HashingEncoder.from_name(name)  # whole numbers, the same in every precision
    if is_remote(name):
        from leafsearch.vectors.encoders.remote import RemoteEncoder

        return RemoteEncoder.open(name, revision=revision, key=key, retry_for=retry_for)
    from leafsearch.vectors.encoders.model_source import find_model

    source = find_model(name, revision=revision)  # before torch: a wrong name fails at once
    if Path(source.location, "weights.npz").is_file():
        raise ModelError(
            f"model {name}: holds a student for queries only; documents are encoded by the teacher "
            "that it was distilled from"
        )
    require_torch(name)
    from leafsearch.vectors.encoders.torch.encoder import TransformerEncoder

    return TransformerEncoder.load(name, source, devices=devices, precision=precision)


def load_tokenizer(name: str, *, revision: str | None = None) -> Tokenizer:
    """The tokenizer of an encoder alone, without truncation and padding; needs no torch.

    Raises ModelError like load_encoder.
    """
    if not name.startswith("hashing:"):
        from leafsearch.vectors.encoders.model_files import ModelFiles

        model = name.partition("#")[2] if is_remote(name) else name
        files = ModelFiles.find(model, revision=revision)
        if is_remote(name) or files.path("tokenizer.json"):
            return files.tokenizer()
    return load_encoder(name, revision=revision).tokenizer
