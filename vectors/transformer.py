"""An encoder on sentence-transformers."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils.logging import disable_progress_bar

from vectors.encoder import Rows, plain, unit_rows
from vectors.errors import ModelError
from vectors.models import ModelSource

log = logging.getLogger(__name__)


class TransformerEncoder:
    def __init__(self, name: str, revision: str, model: SentenceTransformer) -> None:
        self.name = name
        self.revision = revision
        self.model = model
        self.dimensions: int = model.get_embedding_dimension()
        self.tokenizer = _plain_tokenizer(name, model)
        self.max_tokens: int = model.max_seq_length or _position_limit(model)
        self.query_prompt = _prompt(model, ("query",))
        self.document_prompt = _prompt(model, ("document", "passage", "corpus"))

    @classmethod
    def load(cls, name: str, source: ModelSource) -> "TransformerEncoder":
        try:
            model = _load(source)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            reason = str(error).strip().splitlines()
            raise ModelError(
                f"model {name}: sentence-transformers cannot load it from {source.location}: "
                f"{reason[0] if reason else type(error).__name__}"
            ) from error
        return cls(name, source.revision, model)

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return self._encode(texts, self.document_prompt)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        for start in range(0, len(texts), 64):
            some = range(start, min(start + 64, len(texts)))
            yield some, self.encode_documents([texts[i] for i in some])

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self._encode(texts, self.query_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> Rows:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        rows = self.model.encode(list(texts), prompt=prompt, show_progress_bar=False)
        # Explicit, because neither half of the default pair carries a Normalize module.
        return unit_rows(rows)


def _load(source: ModelSource) -> SentenceTransformer:
    disable_progress_bar()  # one of its own per model, on everybody's stderr
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The teacher is published in half precision, which most CPUs only emulate, very slowly.
    dtype = torch.float32 if device == "cpu" else "auto"
    model = SentenceTransformer(
        source.location,
        revision=source.revision if source.on_hub else None,
        local_files_only=not source.on_hub,
        device=device,
        model_kwargs={"dtype": dtype},
    )
    return model.eval()


def _plain_tokenizer(name: str, model: Any) -> Tokenizer:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"model {name}: its tokenizer has no fast (Rust) form, which chunking needs to know "
            "where each token lies in the text"
        )
    return plain(Tokenizer.from_str(backend.to_str()))  # a copy


def _position_limit(model: Any) -> int:
    return int(getattr(model[0].auto_model.config, "max_position_embeddings", 512))


def _prompt(model: SentenceTransformer, names: tuple[str, ...]) -> str:
    """The prompt of the first of `names` that the model's own configuration has."""
    prompts = model.prompts or {}
    return next((str(prompts[n]) for n in names if prompts.get(n)), "")
