"""Writes a trained student to a folder that sentence-transformers and ONNX Runtime can load."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from leafsearch.distill.errors import DistillError
from leafsearch.distill.static.student import StaticStudent
from leafsearch.vectors.encoders import PROBES, PUBLISHED_GRAPH, export_transformer

README, TRIAL = "README.md", "trial"
_SAME = 1e-3  # of the largest number in a vector


@contextmanager
def publish(student: SentenceTransformer | StaticStudent, out: Path) -> Iterator[Path]:
    """A temporary folder with the student, to be measured; it becomes `out` if the block succeeds.

    It includes the ONNX file that searches use without torch, which a table does not need. Raises
    DistillError.
    """
    out = out.resolve()  # the target of a link, not the link
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _write(student, made)
        yield made
        os.chmod(made, 0o755)
        if out.is_dir():
            out.rmdir()  # it is empty: the request was checked
        os.replace(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def require_publishable(student: SentenceTransformer, folder: Path) -> None:
    """Raises DistillError before the training if `publish` would fail after it.

    Also if the student gives other vectors after it is saved and loaded.
    """
    made = folder / TRIAL
    shutil.rmtree(made, ignore_errors=True)  # left by a killed run
    try:
        _write(student, made)
        loaded = SentenceTransformer(str(made), local_files_only=True, device=str(student.device))
        wanted, found = (one.encode(list(PROBES)) for one in (student, loaded))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not np.allclose(wanted, found, atol=_SAME * np.abs(wanted).max()):
        raise DistillError(
            "the student gives other vectors after it is saved and loaded; give a small model with "
            "--student"
        )


def _write(student: SentenceTransformer | StaticStudent, folder: Path) -> None:
    if isinstance(student, StaticStudent):
        student.save(folder)
        return
    try:
        student.save(str(folder), create_model_card=False)
        export_transformer(student, folder / PUBLISHED_GRAPH)
    except OSError:
        raise
    except Exception as error:
        # Unusual models raise unusual errors here.
        raise DistillError(
            f"the student cannot be saved: {error}; give a small model with --student"
        ) from error
