"""The small files of a sentence-transformers model, which tell how it is used, without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from leafsearch.vectors.encoders.base import plain
from leafsearch.vectors.encoders.model_source import ModelSource, find_model
from leafsearch.vectors.errors import ModelError

_POSITIONS = 512  # of BERT and most of its kin


@dataclass(frozen=True)
class ModelFiles:
    name: str
    source: ModelSource

    @classmethod
    def find(cls, name: str, *, revision: str | None = None) -> "ModelFiles":
        return cls(name, find_model(name, revision=revision))

    @property
    def revision(self) -> str:
        return self.source.revision

    def path(self, file: str) -> Path | None:
        """Fetched from the hub if need be; None if the model has no such file."""
        if not self.source.on_hub:
            found = Path(self.source.location, file)
            return found if found.is_file() else None
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return Path(hf_hub_download(self.source.location, file, revision=self.revision))
        except EntryNotFoundError:
            return None

    def demand(self, file: str) -> Path:
        found = self.path(file)
        if found is None:
            raise ModelError(f"model {self.name}: it has no {file}, which is needed here")
        return found

    def json(self, file: str) -> Any:
        """An empty object if there is no such file."""
        found = self.path(file)
        return {} if found is None else json.loads(found.read_text())

    def modules(self) -> list[tuple[str, str]]:
        """Kind (Transformer, Pooling, Dense, Normalize, ...) and folder of each, in order."""
        listed = self.json("modules.json")
        return [(str(m["type"]).rpartition(".")[2], str(m["path"])) for m in listed]

    def tokenizer(self) -> Tokenizer:
        return plain(Tokenizer.from_file(str(self.demand(self._of_transformer("tokenizer.json")))))

    def max_tokens(self) -> int:
        limit = self.json(self._of_transformer("sentence_bert_config.json")).get("max_seq_length")
        config = self.json(self._of_transformer("config.json"))
        return int(limit or config.get("max_position_embeddings") or _POSITIONS)

    def prompt(self, *kinds: str) -> str:
        """The first of these that the model has, else the empty string."""
        prompts = self.json("config_sentence_transformers.json").get("prompts") or {}
        return next((str(prompts[kind]) for kind in kinds if prompts.get(kind)), "")

    def _of_transformer(self, file: str) -> str:
        folder = next((path for kind, path in self.modules() if kind == "Transformer"), "")
        return f"{folder}/{file}" if folder else file
