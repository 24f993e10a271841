"""From a trained student to a folder that anything which knows sentence-transformers can load."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentence_transformers import SentenceTransformer

from vectors.export import export_transformer
from vectors.published import PUBLISHED

README = "README.md"


@contextmanager
def published(student: SentenceTransformer, out: Path) -> Iterator[Path]:
    """The folder under a name of its own, to be measured; `out` when that went well.

    With it goes the ONNX file that the query side needs where there is no torch. Raises
    ExportError.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        student.save(str(made), create_model_card=False)
        export_transformer(student, made / PUBLISHED)
        yield made
        os.chmod(made, 0o755)
        if out.is_dir():
            out.rmdir()  # it is empty, or the order would have been refused
        os.replace(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
