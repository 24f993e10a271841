"""From a trained student to a folder that anything which knows sentence-transformers can load."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from leafsearch.distill.errors import DistillError
from leafsearch.vectors.encoders import PROBES, PUBLISHED_GRAPH, export_transformer

README, TRIAL = "README.md", "trial"
_SAME = 1e-3  # of the largest number in a vector


@contextmanager
def published(student: SentenceTransformer, out: Path) -> Iterator[Path]:
    """The folder under a name of its own, to be measured; `out` when that went well.

    With it goes the ONNX file that the query side needs where there is no torch. Raises
    DistillError.
    """
    out = out.resolve()  # what a link names, not the link
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _write(student, made)
        yield made
        os.chmod(made, 0o755)
        if out.is_dir():
            out.rmdir()  # it is empty, or the order would have been refused
        os.replace(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def demand_publishable(student: SentenceTransformer, folder: Path) -> None:
    """Raises DistillError as `published` would, which is told before the training.

    Also if what was saved and loaded again gives other vectors.
    """
    made = folder / TRIAL
    shutil.rmtree(made, ignore_errors=True)  # of a run that was killed
    try:
        _write(student, made)
        loaded = SentenceTransformer(str(made), local_files_only=True, device=str(student.device))
        wanted, found = (one.encode(list(PROBES)) for one in (student, loaded))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not np.allclose(wanted, found, atol=_SAME * np.abs(wanted).max()):
        raise DistillError(
            "the student is another model when it is saved and loaded; give a small one with "
            "--student"
        )


def _write(student: SentenceTransformer, folder: Path) -> None:
    try:
        student.save(str(folder), create_model_card=False)
        export_transformer(student, folder / PUBLISHED_GRAPH)
    except OSError:
        raise
    except Exception as error:
        # What a model of an unusual kind raises when it is saved is as unusual.
        raise DistillError(
            f"the student cannot be saved: {error}; give a small model with --student"
        ) from error
