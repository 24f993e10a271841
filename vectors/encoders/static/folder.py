"""What the files of a static model declare: its rows, how they are pooled, what follows.

Two kinds of folders are read. sentence-transformers saves a module `StaticEmbedding`, which takes
the mean of all rows. model2vec, whose files sentence-transformers reads as well, may have a weight
for each token, a row for several tokens, integers, and leaves unknown tokens out. `config.json`
beside the rows may declare `pooling`: `mean`, `sum`, or `sqrt`, the sum divided by the square root
of the number of tokens. Modules that may follow are Normalize and Dense.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from leafsearch.vectors.encoders.base import plain
from leafsearch.vectors.encoders.model_files import STATIC, ModelFiles
from leafsearch.vectors.encoders.static.table import Table, map_tensors, read_table
from leafsearch.vectors.errors import ModelError

TABLE, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"
POOLINGS = ("mean", "sum", "sqrt")
_PICKLED = "pytorch_model.bin"
_MODEL2VEC_TOKENS = 512  # that it reads, unless its configuration says otherwise
_UNLIMITED = 2**31 - 1
_ACTIVATIONS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "Identity": lambda row: row,
    "Tanh": np.tanh,
    "ReLU": lambda row: np.maximum(row, 0),
}


@dataclass(frozen=True)
class Layer:
    """A module after the pooling; without weights it divides by the length."""

    weights: NDArray[np.float32] | None = None  # (out, in)
    bias: NDArray[np.float32] | None = None
    activation: str = "Identity"

    def __call__(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.weights is None:
            return row / np.float32(max(float(np.sqrt(row @ row)), 1e-12))
        found = self.weights @ row
        if self.bias is not None:
            found = found + self.bias
        return _ACTIVATIONS[self.activation](found)


@dataclass(frozen=True)
class StaticFolder:
    table: Table
    tokenizer: Tokenizer  # without truncation and padding
    max_tokens: int
    keeps_start: bool  # of a longer text, as the tokenizer truncates it
    pooling: str
    leaves_out: int | None  # the unknown token, for models whose mean is without it
    layers: Sequence[Layer]

    @property
    def dimensions(self) -> int:
        sizes = [len(one.weights) for one in self.layers if one.weights is not None]
        return sizes[-1] if sizes else self.table.dimensions

    @classmethod
    def read(cls, files: ModelFiles) -> "StaticFolder":
        """Raises ModelError, with the reason, for a model that cannot be used."""
        folder = files.first_folder()
        table, is_model2vec = read_table(_require_rows(files, folder), files.name)
        tokenizer = files.saved_tokenizer()
        if (known := tokenizer.get_vocab_size()) > table.vocabulary:
            raise ModelError(
                f"model {files.name}: its tokenizer has {known:,} tokens, its table rows for "
                f"{table.vocabulary:,}; expected a row for each. Use the tokenizer that belongs "
                "to the table"
            )
        config = files.json(f"{folder}{CONFIG}")
        truncation = tokenizer.truncation or {}
        limit = truncation.get("max_length") or (_MODEL2VEC_TOKENS if is_model2vec else _UNLIMITED)
        if is_model2vec and "max_length" in config:
            limit = config["max_length"] or _UNLIMITED
        unknown = _unknown(tokenizer) if is_model2vec else None
        return cls(
            table=table,
            tokenizer=plain(tokenizer),
            max_tokens=int(limit),
            keeps_start=str(truncation.get("direction", "right")).lower() != "left",
            pooling=_pooling(files, config),
            leaves_out=unknown,
            layers=_layers(files, table.dimensions),
        )


def is_static(files: ModelFiles) -> bool:
    """Whether the model is a table; needs its small files only."""
    modules = files.modules()
    if modules:
        return modules[0][0] in STATIC
    config = files.json(CONFIG)
    names = config.get("architectures") or []
    return config.get("model_type") == "model2vec" or "StaticModel" in names


def write_static_model(
    folder: Path,
    rows: NDArray[np.floating[Any]],
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    prompts: dict[str, str],
    bits: int = 8,
) -> None:
    """Write integers of `bits` bits and a scale for each row, as model2vec has them.

    model2vec and sentence-transformers read the folder as well.
    """
    from safetensors.numpy import save_file

    codes, scales = round_rows(np.asarray(rows, dtype=np.float32), bits)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": codes, "weights": scales}, folder / TABLE)
    (folder / TABLE).chmod(0o644)  # the library's are for their owner alone
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.enable_truncation(max_tokens)
    copy.save(str(folder / TOKENIZER), pretty=False)
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "hidden_dim": rows.shape[1],
        "normalize": True,
        "max_length": max_tokens,
        "embedding_dtype": "int8",
    }
    kinds = {".": "StaticEmbedding", "1_Normalize": "Normalize"}
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds.items())
    ]
    (folder / CONFIG).write_text(json.dumps(config, indent=2))
    (folder / "modules.json").write_text(json.dumps(modules, indent=2))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": prompts, "similarity_fn_name": "cosine"}, indent=2)
    )


def round_rows(
    rows: NDArray[np.float32], bits: int = 8
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers, symmetric around 0, and the scale of each row by which they are multiplied."""
    most = 2 ** (bits - 1) - 1
    scales = np.abs(rows).max(axis=1) / np.float32(most)
    divisors = np.where(scales > 0, scales, 1)[:, None]
    return np.rint(rows / divisors).astype(np.int8), scales.astype(np.float32)


def _require_rows(files: ModelFiles, folder: str) -> Path:
    if (found := files.path(f"{folder}{TABLE}")) is not None:
        return found
    if files.path(f"{folder}{_PICKLED}"):
        raise ModelError(
            f"model {files.name}: its rows are in {_PICKLED}, which can run code; expected "
            f"{TABLE}. Load and save the model with sentence-transformers"
        )
    return files.require(f"{folder}{TABLE}")


def _unknown(tokenizer: Tokenizer) -> int | None:
    name = getattr(tokenizer.model, "unk_token", None)
    if name is None:  # Unigram has the number of the token
        found = json.loads(tokenizer.to_str())["model"].get("unk_id")
        return None if found is None else int(found)
    known: int | None = tokenizer.token_to_id(name)
    return known


def _pooling(files: ModelFiles, config: dict[str, Any]) -> str:
    pooling = config.get("pooling", "mean")
    if pooling not in POOLINGS:
        raise ModelError(
            f"model {files.name}: its {CONFIG} declares the pooling {pooling!r}; expected "
            f"{', '.join(POOLINGS)}"
        )
    return str(pooling)


def _layers(files: ModelFiles, width: int) -> list[Layer]:
    layers = []
    for kind, path in files.modules()[1:]:
        if kind == "Normalize":
            layers.append(Layer())
        elif kind == "Dense":
            layers.append(layer := _dense(files, path))
            if layer.weights is None or layer.weights.shape[1] != width:
                raise ModelError(
                    f"model {files.name}: {path} takes other rows than come before it; expected "
                    f"{width} dimensions"
                )
            width = len(layer.weights)
        else:
            raise ModelError(
                f"model {files.name}: a module {kind} follows the table; expected Normalize or "
                "Dense. Use a static model without it"
            )
    while layers and layers[-1].weights is None:
        layers.pop()  # the encoder ends with it for every model
    return layers


def _dense(files: ModelFiles, path: str) -> Layer:
    activation = files.json(f"{path}/{CONFIG}").get("activation_function") or "Identity"
    name = str(activation).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise ModelError(
            f"model {files.name}: {path} has the activation {name}; expected "
            f"{', '.join(_ACTIVATIONS)}"
        )
    tensors = map_tensors(files.require(f"{path}/{TABLE}"), files.name)
    if "linear.weight" not in tensors:
        raise ModelError(f"model {files.name}: {path}/{TABLE} has no linear.weight")
    weights = np.asarray(tensors["linear.weight"][1], dtype=np.float32)
    bias = tensors.get("linear.bias")
    return Layer(weights, None if bias is None else np.asarray(bias[1], dtype=np.float32), name)
