"""Round the weights of a student, so that it is small enough to ship in a package.

`python -m offline_student.pack STUDENT FOLDER` writes the folder.

Weights become 8-bit integers with a scale for each output; embeddings, which are most of the model,
get 6 bits. The command prints the size and the lowest cosine to the original student.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from leafsearch.config.command import one_line_errors
from leafsearch.distill.errors import DistillError
from leafsearch.distill.publish.publish import README
from leafsearch.vectors import export_student, load_encoder
from leafsearch.vectors.encoders import PROBES, student_folder
from leafsearch.vectors.encoders.onnx.encoder import GraphEncoder
from leafsearch.vectors.encoders.onnx.folder import (
    COMPACT_GRAPH,
    COMPACT_WEIGHTS,
    GRAPH,
    TOKENIZER,
    WEIGHTS,
    Card,
    restore_weights,
    unpack,
)

_BITS, _EMBEDDING_BITS = 8, 6
_LOOK_UP = {"Gather", "EmbedLayerNormalization"}
_MANY = 4_096  # rows, from which on a table is most of the model
_SMALLEST = 4_096  # bytes, of what stays in the graph as it is
_PAGE = 4_096  # what memory-mapped files are read by


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m offline_student.pack", description=__doc__)
    parser.add_argument("student", help="folder that leaf-distill wrote")
    parser.add_argument("folder", type=Path, help="new folder")
    parser.add_argument("--sources", type=Path, help="sources.json, to be named in the card")
    given = parser.parse_args()
    with one_line_errors("offline_student.pack"):
        pack(given.student, given.folder)
        if given.sources:
            with (given.folder / README).open("a", encoding="utf-8") as card:
                card.write(describe_sources(json.loads(given.sources.read_text("utf-8"))))
        size = sum(file.stat().st_size for file in given.folder.iterdir())
        least = least_cosine(given.student, given.folder)
        print(f"{given.folder}: {size / 1e6:.1f} MB, least cosine {least:.5f}")


def pack(student: str, folder: Path) -> None:
    """Raises DistillError, ModelError and ExportError."""
    if folder.exists():
        raise DistillError(f"{folder}: exists already; expected a new folder")
    encoder = load_encoder(student)
    if not export_student(encoder):
        raise DistillError(f"{student}: cannot be exported; expected what leaf-distill wrote")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _fill(made, student_folder(encoder.name, encoder.revision), folder.name)
        if (Path(student) / README).is_file():
            shutil.copyfile(Path(student) / README, made / README)
        os.chmod(made, 0o755)
        os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def least_cosine(student: str, folder: Path) -> float:
    """The least cosine between the student and its packed form, over some queries."""
    whole = load_encoder(student)
    with tempfile.TemporaryDirectory() as temporary:
        unpack(folder, Path(temporary, "unpacked"), name=student, revision=whole.revision)
        packed = GraphEncoder.load(Path(temporary, "unpacked"))
        rows = zip(whole.encode_queries(PROBES), packed.encode_queries(PROBES), strict=True)
        return min(float(one @ other) for one, other in rows)


def _fill(folder: Path, exported: Path, name: str) -> None:
    model = onnx.load(str(exported / GRAPH))
    arrays: dict[str, Any] = {**extract_weights(model)}
    np.savez_compressed(folder / COMPACT_WEIGHTS, **arrays)
    onnx.save(model, str(folder / COMPACT_GRAPH))
    shutil.copyfile(exported / TOKENIZER, folder / TOKENIZER)
    replace(Card.read(exported), name=name).write(folder)


def describe_sources(sources: Mapping[str, Any]) -> str:
    """The section of the card that names the sources, from sources.json."""
    lines = [
        "",
        "## Texts",
        "",
        "Gathered by `python -m offline_student.gather`, up to a limit for each source. The "
        "training drew from them by chance.",
        "",
        "| source | texts | queries | package | licence |",
        "|---|---|---|---|---|",
    ]
    for name, one in sources.items():
        packages = {f"{o['package']} {o['version']}" for o in one["origins"]}
        licences = {o["licence"] for o in one["origins"]}
        lines.append(
            f"| {name} | {one['texts']:,} | {one['queries']:,} | {', '.join(sorted(packages))} "
            f"| {', '.join(sorted(licences))} |"
        )
    return "\n".join([*lines, ""])


def extract_weights(model: Any) -> dict[str, NDArray[Any]]:
    """Move the large weights out of the graph, which then names the file that will hold them."""
    arrays: dict[str, NDArray[Any]] = {}
    offsets: list[int] = []
    end = 0
    embeddings = _embeddings(model)
    for tensor, array in _large(model):
        number = len(offsets)
        values, scales = round_weights(array, looked_up=tensor.name in embeddings)
        arrays[f"values-{number}"], arrays[f"scales-{number}"] = values, scales
        offsets.append(end)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        where = {"location": WEIGHTS, "offset": end, "length": array.nbytes}
        tensor.external_data.extend(
            onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in where.items()
        )
        end += -(-array.nbytes // _PAGE) * _PAGE
    return {"offsets": np.array(offsets), **arrays}


def _large(model: Any) -> Iterator[tuple[Any, NDArray[np.float32]]]:
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim == 2 and array.nbytes >= _SMALLEST:
            # Puts the numbers into raw_data, whichever field held them.
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            yield tensor, array


def _embeddings(model: Any) -> set[str]:
    """Names of large tables whose rows are looked up."""
    nodes = (node for node in model.graph.node if node.op_type in _LOOK_UP)
    looked_up = {name for node in nodes for name in node.input}
    tables = (tensor for tensor in model.graph.initializer if tensor.name in looked_up)
    return {table.name for table in tables if table.dims and table.dims[0] >= _MANY}


def round_weights(
    array: NDArray[np.float32], *, looked_up: bool
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers and scales: a scale for each row of a table, for each column of a layer."""
    largest = 2 ** ((_EMBEDDING_BITS if looked_up else _BITS) - 1) - 1
    scales = np.abs(array).max(axis=1 if looked_up else 0, keepdims=True) / largest
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    values = np.round(array / scales).astype(np.int8)
    assert np.abs(array - restore_weights(values, scales)).max() <= scales.max()
    return values, scales


if __name__ == "__main__":
    main()
