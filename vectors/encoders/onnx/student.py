"""The encoder of the query side: an exported graph out of the user's cache, without torch."""

import logging
import re
from pathlib import Path

import platformdirs

from leafsearch.vectors.encoders.base import Encoder, has_torch, is_remote
from leafsearch.vectors.encoders.load import load_encoder
from leafsearch.vectors.errors import ExportError, ModelError

log = logging.getLogger(__name__)

_FORMAT = "2"  # of the folder, see vectors.graph
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def load_student(name: str, *, revision: str | None = None, key: str | None = None) -> Encoder:
    """Exported now if it has not been yet, which needs torch and takes some seconds.

    Without torch, what the model's authors publish for ONNX is taken. A model that cannot be
    exported is used through sentence-transformers, with a warning. Raises ModelError when there is
    no such model, or none of this is possible.
    """
    if name.startswith("hashing:") or is_remote(name):
        return load_encoder(name, revision=revision, key=key)
    from leafsearch.vectors.encoders.model_source import find_model

    revision = revision or find_model(name).revision
    folder = student_folder(name, revision)
    if not folder.is_dir():
        from leafsearch.vectors.encoders.onnx.rounded_weights import is_compact, unpack

        if is_compact(location := Path(find_model(name, revision=revision).location)):
            unpack(location, folder, name=name, revision=revision)
        elif not has_torch():
            _take_published(name, revision, folder)
        elif not export_student(model := load_encoder(name, revision=revision)):
            return model
    from leafsearch.vectors.encoders.onnx.encoder import GraphEncoder

    student = GraphEncoder.load(folder)
    student.name = name  # the same files may have been exported under another
    return student


def export_student(encoder: Encoder) -> bool:
    """Into the cache, unless it is there; whether the student can be loaded from it then."""
    if encoder.name.startswith("hashing:") or is_remote(encoder.name):
        return False
    from leafsearch.vectors.encoders.torch.encoder import TransformerEncoder

    folder = student_folder(encoder.name, encoder.revision)
    if not isinstance(encoder, TransformerEncoder):
        return False
    if folder.is_dir():
        return True
    from leafsearch.vectors.encoders.onnx.export import export

    try:
        export(encoder, folder)
    except ExportError as error:
        log.warning("the student stays on sentence-transformers: %s", error)
        return False
    return True


def student_folder(name: str, revision: str) -> Path:
    """Keyed by both, so a changed model is never taken for the one it was."""
    known = _UNSAFE.sub("-", f"{Path(name).name}-{revision.removeprefix('sha256:')}")
    return platformdirs.user_cache_path("leafsearch") / "students" / _FORMAT / known


def _take_published(name: str, revision: str, folder: Path) -> None:
    from leafsearch.vectors.encoders.model_files import ModelFiles
    from leafsearch.vectors.encoders.onnx.published import take_published

    try:
        take_published(ModelFiles.find(name, revision=revision), folder)
    except ExportError as error:
        raise ModelError(
            f"student {name} is not exported on this machine ({folder} is missing), nor can it be "
            f"here: {error}. Copy that folder from a machine that has ingested or searched with "
            "it, or install the extra [ingest]"
        ) from error
