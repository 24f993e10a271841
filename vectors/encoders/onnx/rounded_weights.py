"""A student small enough to come with a package: its exported graph, with rounded weights.

A folder holds `encoder.json` and `tokenizer.json` as vectors.graph has them, `graph.onnx` without
weights, and `weights.npz`: for each of them whole numbers and a scale for each row or column. It is
unpacked into the cache once, into what vectors.graph loads; neither torch nor onnx is needed.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafsearch.vectors.encoders.onnx.encoder import CARD, GRAPH, TOKENIZER, Card
from leafsearch.vectors.files import put

COMPACT_GRAPH, COMPACT_WEIGHTS = "graph.onnx", "weights.npz"
WEIGHTS = "weights.bin"  # where the graph says that its weights are


def is_compact(folder: Path) -> bool:
    return (folder / COMPACT_WEIGHTS).is_file() and (folder / CARD).is_file()


def unpack(compact: Path, folder: Path, *, name: str, revision: str) -> None:
    """It has the name and the revision of `compact` then, by which a search finds it again."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="unpacking-", dir=folder.parent))
    try:
        replace(Card.read(compact), name=name, revision=revision).write(made)
        shutil.copyfile(compact / TOKENIZER, made / TOKENIZER)
        shutil.copyfile(compact / COMPACT_GRAPH, made / GRAPH)
        _write_weights(compact / COMPACT_WEIGHTS, made / WEIGHTS)
        put(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def restored(values: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """`scales` broadcast against `values`: (rows, 1) or (1, columns)."""
    return np.asarray(values * scales, dtype=np.float32)


def _write_weights(packed: Path, file: Path) -> None:
    """One after the other at the offsets that the graph names."""
    with np.load(packed) as kept, file.open("wb") as opened:
        for number, offset in enumerate(kept["offsets"]):
            opened.seek(int(offset))
            values, scales = kept[f"values-{number}"], kept[f"scales-{number}"]
            opened.write(restored(values, scales).tobytes())
