"""The folder of a student for ONNX Runtime: its files, how it is written, how it is unpacked.

It holds `model.onnx`, the model's `tokenizer.json`, and `encoder.json` with what else the Encoder
contract asks for. An exported graph ends with the unit vector; a published one ends with a row for
each token, which the card says how to pool, and `heads.npz` may hold dense layers to apply.

A compact folder is small enough to come with a package: `graph.onnx` lacks its weights, which are
rounded in `weights.npz`: integers, and a scale for each row or column. It is unpacked into the
cache once; that needs neither torch nor onnx.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

GRAPH, TOKENIZER, CARD = "model.onnx", "tokenizer.json", "encoder.json"
HEADS = "heads.npz"
TOKENS = "last_hidden_state"  # the output of a published graph
PUBLISHED_GRAPH = "onnx/model.onnx"  # in a model as its authors publish it
COMPACT_GRAPH, COMPACT_WEIGHTS = "graph.onnx", "weights.npz"
WEIGHTS = "weights.bin"  # the graph of a compact folder reads its weights from here


@dataclass(frozen=True)
class Card:
    """`inputs` are those of the tokenizer that the graph takes.

    `pooling` is mean or cls where `output` has a row for each token, empty where it is the vector.
    """

    name: str
    revision: str
    dimensions: int
    max_tokens: int
    query_prompt: str
    document_prompt: str
    pad_id: int
    inputs: tuple[str, ...]
    output: str
    pooling: str = ""

    def write(self, folder: Path) -> None:
        (folder / CARD).write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> Self:
        fields: dict[str, Any] = json.loads((folder / CARD).read_text())
        return cls(**{**fields, "inputs": tuple(fields["inputs"])})


@contextmanager
def new_folder(folder: Path, *, prefix: str) -> Iterator[Path]:
    """A temporary folder that becomes `folder` atomically when the block succeeds.

    If another process has made `folder` meanwhile, that one stays: it has the same content.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield made
        try:
            os.replace(made, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def is_compact(folder: Path) -> bool:
    return (folder / COMPACT_WEIGHTS).is_file() and (folder / CARD).is_file()


def unpack(compact: Path, folder: Path, *, name: str, revision: str) -> None:
    """Make `folder` from a compact one; its card gets this name and revision."""
    with new_folder(folder, prefix="unpacking-") as made:
        replace(Card.read(compact), name=name, revision=revision).write(made)
        shutil.copyfile(compact / TOKENIZER, made / TOKENIZER)
        shutil.copyfile(compact / COMPACT_GRAPH, made / GRAPH)
        _write_weights(compact / COMPACT_WEIGHTS, made / WEIGHTS)


def restore_weights(values: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """`scales` broadcast against `values`: (rows, 1) or (1, columns)."""
    return np.asarray(values * scales, dtype=np.float32)


def _write_weights(packed: Path, file: Path) -> None:
    """Write each at the offset that the graph names."""
    with np.load(packed) as kept, file.open("wb") as opened:
        for number, offset in enumerate(kept["offsets"]):
            opened.seek(int(offset))
            values, scales = kept[f"values-{number}"], kept[f"scales-{number}"]
            opened.write(restore_weights(values, scales).tobytes())
