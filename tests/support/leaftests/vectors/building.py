"""Tiny models of several families, with random weights."""

from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from leafsearch.vectors.encoders import PROBES
from leaftests.models import bert_tokenizer, save

PROMPT = "a passage of some words: "
MIXED = [
    *PROBES,
    "",
    " ",
    "?",
    "one",
    "one two",
    " ".join(PROBES),
    " ".join(PROBES * 20),
    "words " * 3000,
]


def built(
    folder: Path, kind: str, pooling: Any = "mean", *, include_prompt: bool = True, **more: Any
) -> str:
    """`kind` as transformers names it.

    Its layers are so many that half precision changes its vectors, and is never taken for speed.
    """
    tokenizer = bert_tokenizer()
    tokenizer.model_max_length = 120
    torch.manual_seed(5)
    sizes = {"hidden_size": 32, "num_hidden_layers": 6, "num_attention_heads": 4}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        intermediate_size=64,
        max_position_embeddings=130,
        **{"initializer_range": 1.0, "pad_token_id": 0, **sizes, **more},
    )
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    modules = [
        Transformer(str(folder / "plain")),
        Pooling(32, pooling, include_prompt),
        Normalize(),
    ]
    model = SentenceTransformer(modules=modules, prompts={"document": PROMPT}, device="cpu")
    save(model, folder / "model")
    return str(folder / "model")
