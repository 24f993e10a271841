"""Ordering hits anew with a cross-encoder, which reads question and passage together."""

from collections.abc import Sequence
from typing import Any

from vectors.encoder import demand_torch
from vectors.models import find_model


class CrossEncoder:
    """For the option `rerank`: a sentence-transformers cross-encoder, by hub name or folder.

    Needs the extra [ingest]. Raises ModelError if the model cannot be had.
    """

    def __init__(self, name: str) -> None:
        source = find_model(name)
        demand_torch(name)
        from sentence_transformers import CrossEncoder as Model

        revision = source.revision if source.on_hub else None
        self._model: Any = Model(source.location, revision=revision)

    def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
        pairs = [(question, text) for text in texts]
        scores = self._model.predict(pairs, show_progress_bar=False)
        return [float(score) for score in scores]
