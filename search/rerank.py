"""Rerank hits with a cross-encoder, which reads question and passage together."""

from collections.abc import Sequence
from typing import Any

from leafsearch.vectors import ModelError
from leafsearch.vectors.encoders import ModelFiles, require_torch

_KINDS = ("ForSequenceClassification", "ForCausalLM")


class CrossEncoder:
    """A sentence-transformers cross-encoder, by hub name or folder, for the option `rerank`.

    Needs the extra [ingest]. Raises ModelError if the model cannot be loaded, or is of another
    kind: sentence-transformers would give that a new, random head, and so a random order.
    """

    def __init__(self, name: str) -> None:
        files = ModelFiles.find(name)
        kinds = files.json("config.json").get("architectures") or ["nothing"]
        if not any(kind.endswith(_KINDS) for kind in kinds):
            raise ModelError(
                f"model {name} is {', '.join(kinds)}; expected a cross-encoder, such as "
                "cross-encoder/ms-marco-MiniLM-L6-v2"
            )
        require_torch(name)
        from sentence_transformers import CrossEncoder as Model
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        revision = files.revision if files.source.on_hub else None
        self._model: Any = Model(files.source.location, revision=revision)

    def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
        pairs = [(question, text) for text in texts]
        scores = self._model.predict(pairs, show_progress_bar=False)
        return [float(score) for score in scores]
