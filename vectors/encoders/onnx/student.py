"""The student that encodes queries: an exported graph from the user's cache, without torch."""

import logging
import re
from pathlib import Path

import platformdirs

from leafsearch.vectors.encoders.base import Encoder, has_torch, is_remote
from leafsearch.vectors.encoders.load import load_encoder
from leafsearch.vectors.errors import ExportError, ModelError

log = logging.getLogger(__name__)

_FORMAT = "2"  # of the folder, see onnx.folder
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def load_student(name: str, *, revision: str | None = None, key: str | None = None) -> Encoder:
    """Load the student from the cache; export it first if needed, which takes torch and seconds.

    A static student is used as it is. Without torch, the ONNX file that the model's authors publish
    is used. A model that cannot be exported runs on sentence-transformers, with a warning. Raises
    ModelError if there is no such model, or if none of this works.
    """
    if name.startswith("hashing:") or is_remote(name):
        return load_encoder(name, revision=revision, key=key)
    from leafsearch.vectors.encoders.model_files import ModelFiles

    files = None
    if revision is None:
        files = ModelFiles.find(name)
        revision = files.revision
    folder = student_folder(name, revision)
    if not folder.is_dir():
        from leafsearch.vectors.encoders.onnx.folder import is_compact, unpack
        from leafsearch.vectors.encoders.static.folder import is_static

        files = files or ModelFiles.find(name, revision=revision)
        if is_static(files):
            from leafsearch.vectors.encoders.static.encoder import StaticEncoder

            return StaticEncoder.load(files)
        if is_compact(location := Path(files.source.location)):
            unpack(location, folder, name=name, revision=revision)
        elif not has_torch():
            _take_published(name, revision, folder)
        elif not export_student(model := load_encoder(name, revision=revision)):
            return model
    from leafsearch.vectors.encoders.onnx.encoder import GraphEncoder

    student = GraphEncoder.load(folder)
    student.name = name  # the files may have been exported under another name
    return student


def export_student(encoder: Encoder) -> bool:
    """Export into the cache unless it is there; whether load_student can use it then."""
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
    """The cache folder, keyed by name and revision, so a changed model gets another."""
    known = _UNSAFE.sub("-", f"{Path(name).name}-{revision.removeprefix('sha256:')}")
    return platformdirs.user_cache_path("leafsearch") / "students" / _FORMAT / known


def _take_published(name: str, revision: str, folder: Path) -> None:
    from leafsearch.vectors.encoders.model_files import ModelFiles
    from leafsearch.vectors.encoders.onnx.published import take_published

    try:
        take_published(ModelFiles.find(name, revision=revision), folder)
    except ExportError as error:
        raise ModelError(
            f"student {name} is not exported on this machine ({folder} is missing) and cannot be: "
            f"{error}. Copy that folder from a machine that has ingested or searched with "
            "it, or install the extra [ingest]"
        ) from error
