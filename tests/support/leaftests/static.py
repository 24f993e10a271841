"""Static models as their libraries save them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from leaftests.models import bert_tokenizer, save


def wordpieces(vocabulary: Sequence[str] = ()) -> Tokenizer:
    tokenizer: Tokenizer = bert_tokenizer(vocabulary).backend_tokenizer
    return tokenizer


def random_rows(count: int, dimensions: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)


def static_model(
    folder: Path,
    tokenizer: Tokenizer,
    rows: NDArray[Any],
    *modules: Any,
    prompts: dict[str, str] | None = None,
) -> str:
    """Saved by sentence-transformers: StaticEmbedding, then `modules`."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    table = StaticEmbedding(tokenizer, embedding_weights=rows)
    model = SentenceTransformer(modules=[table, *modules], prompts=prompts or {}, device="cpu")
    save(model, folder)
    return str(folder)


def model2vec_model(
    folder: Path,
    tokenizer: Tokenizer,
    config: dict[str, Any] | None = None,
    **tensors: NDArray[Any],
) -> str:
    """The files that model2vec writes."""
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"model_type": "model2vec", "architectures": ["StaticModel"], **(config or {})}
    (folder / "config.json").write_text(json.dumps(about))
    module = {
        "idx": 0,
        "name": "0",
        "path": ".",
        "type": "sentence_transformers.models.StaticEmbedding",
    }
    (folder / "modules.json").write_text(json.dumps([module]))
    return str(folder)
