"""Chooses the implementation of an encoder, and the server that gets LEAF_API_KEY.

The key goes only to a server that the user's own settings name, not to one that a manifest names:
otherwise a writer of manifests could collect the keys of everybody who reads them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from tokenizers import Tokenizer

from leafsearch.config import Settings
from leafsearch.vectors.encoders.base import RETRY_SECONDS, Teacher, is_remote, require_torch
from leafsearch.vectors.errors import ModelError

Loaded = TypeVar("Loaded")


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

    Imports torch and sentence-transformers only for a model that needs them. `key` is sent to the
    server of a remote encoder; requests for documents are retried for `retry_for` seconds while it
    is busy or unreachable. `devices` as torch names them, with a process for each if there are
    several: `["cuda:0", "cuda:1"]`, or `["cpu", "cpu"]`; by default all GPUs, or the CPU, with
    several processes if it has many cores. `precision` of documents: float32, bfloat16, float16,
    or auto, which is float16 on a GPU, bfloat16 on a CPU with instructions for it, else float32.
    """
    if name.startswith("hashing:"):
        from leafsearch.vectors.encoders.hashing import HashingEncoder

        return HashingEncoder.from_name(name)  # integers, equal in every precision
    if is_remote(name):
        from leafsearch.vectors.encoders.remote import RemoteEncoder

        return RemoteEncoder.open(name, revision=revision, key=key, retry_for=retry_for)
    from leafsearch.vectors.encoders.model_files import ModelFiles, find_model

    source = find_model(name, revision=revision)  # before torch: a wrong name fails at once
    if Path(source.location, "weights.npz").is_file():
        raise ModelError(
            f"model {name}: holds a student for queries only; documents are encoded by the teacher "
            "that it was distilled from"
        )
    from leafsearch.vectors.encoders.static.folder import is_static

    if is_static(files := ModelFiles(name, source)):
        from leafsearch.vectors.encoders.static.encoder import StaticEncoder

        return StaticEncoder.load(files)
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


def load_with_key(
    settings: Settings,
    name: str,
    load: Callable[[str | None], Loaded],
    *,
    variable: str = "LEAF_STUDENT",
) -> Loaded:
    """Call `load` with the key, or with None if no setting names the server of model `name`."""
    named = {_server(model) for model in (settings.teacher, settings.student) if model}
    if settings.key is None or not is_remote(name) or _server(name) in named:
        return load(settings.key)
    try:
        return load(None)
    except ModelError as error:
        raise ModelError(
            f"{error}. LEAF_API_KEY was not sent, because no setting names this server, only the "
            f"collection; if you trust it, set {variable}={name}"
        ) from error


def _server(name: str) -> tuple[str, str]:
    parts = urlsplit(name)
    return parts.scheme, parts.netloc.lower()
