"""Takes the ONNX file that a student's authors publish, for machines without torch.

Such a file mostly ends with the transformer. The model's other parts (pooling, dense layers) are
kept beside the graph and computed in numpy.
"""

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from leafsearch.vectors.encoders.alignment import PROBES
from leafsearch.vectors.encoders.model_files import ModelFiles
from leafsearch.vectors.encoders.onnx.encoder import GraphEncoder, load_onnxruntime
from leafsearch.vectors.encoders.onnx.folder import (
    GRAPH,
    HEADS,
    PUBLISHED_GRAPH,
    TOKENIZER,
    TOKENS,
    Card,
    new_folder,
)
from leafsearch.vectors.errors import ExportError

_LEAST_COSINE = 0.9999


def take_published(files: ModelFiles, folder: Path) -> None:
    """Raises ExportError if the model publishes no graph, or has other parts than usual."""
    graph = files.path(PUBLISHED_GRAPH)
    if graph is None:
        raise ExportError(f"model {files.name} publishes no {PUBLISHED_GRAPH}")
    with new_folder(folder, prefix="taking-") as made:
        shutil.copyfile(graph, made / GRAPH)
        files.tokenizer().save(str(made / TOKENIZER))
        heads = _heads(files)
        if heads:
            np.savez(made / HEADS, *heads)
        _card(files, made / GRAPH, heads).write(made)
        _check_padding(files, GraphEncoder.load(made))


def _check_padding(files: ModelFiles, encoder: GraphEncoder) -> None:
    """A graph that ignores its attention mask gives other vectors in a padded batch."""
    texts = [*PROBES, " ".join(PROBES)]
    together = encoder.encode_queries(texts)
    alone = np.vstack([encoder.encode_queries([text]) for text in texts])
    if np.sum(together * alone, axis=1).min() < _LEAST_COSINE:
        raise ExportError(
            f"model {files.name}: in its {PUBLISHED_GRAPH} a text's vector depends on the other "
            "texts of its batch"
        )


def _card(files: ModelFiles, graph: Path, heads: list[NDArray[np.float32]]) -> Card:
    session = load_onnxruntime().InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    outputs = {output.name: output.shape for output in session.get_outputs()}
    if TOKENS not in outputs:
        raise ExportError(
            f"model {files.name}: {PUBLISHED_GRAPH} has the outputs {', '.join(outputs)}; expected "
            f"{TOKENS}"
        )
    pad = files.tokenizer().token_to_id("[PAD]")
    return Card(
        name=files.name,
        revision=files.revision,
        dimensions=len(heads[-1]) if heads else int(outputs[TOKENS][-1]),
        max_tokens=files.max_tokens(),
        query_prompt=files.prompt("query"),
        document_prompt=files.prompt("document", "passage", "corpus"),
        pad_id=pad or 0,
        inputs=tuple(given.name for given in session.get_inputs()),
        output=TOKENS,
        pooling=_pooling(files),
    )


def _pooling(files: ModelFiles) -> str:
    """`mean` or `cls`, in the spelling of any version of sentence-transformers."""
    for kind, path in files.modules():
        if kind != "Pooling":
            continue
        config = files.json(f"{path}/config.json")
        ways = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
        wanted = config.get("pooling_mode") or next((w for w in ways if config.get(ways[w])), None)
        if wanted in ways and config.get("include_prompt", True):
            return str(wanted)
    raise ExportError(f"model {files.name}: its pooling is neither plain mean nor cls")


def _heads(files: ModelFiles) -> list[NDArray[np.float32]]:
    """Weights (out, in) of the dense layers, in order."""
    heads = []
    for kind, path in files.modules():
        if kind == "Dense":
            heads.append(_dense(files, path))
        elif kind not in ("Transformer", "Pooling", "Normalize"):
            raise ExportError(f"model {files.name}: a module {kind} needs sentence-transformers")
    return heads


def _dense(files: ModelFiles, path: str) -> NDArray[np.float32]:
    config = files.json(f"{path}/config.json")
    activation = str(config.get("activation_function", "")).rpartition(".")[2]
    if activation != "Identity" or config.get("bias"):
        raise ExportError(
            f"model {files.name}: a dense layer with bias or {activation} needs "
            "sentence-transformers"
        )
    weights = load_file(str(files.require(f"{path}/model.safetensors")))
    return np.asarray(weights["linear.weight"], dtype=np.float32)
