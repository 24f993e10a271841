"""An encoder on sentence-transformers."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils.logging import disable_progress_bar

from leafsearch.vectors.encoders.base import Rows, in_order, plain, unit_rows
from leafsearch.vectors.encoders.batches import Tokens, token_batches
from leafsearch.vectors.encoders.devices import default_devices
from leafsearch.vectors.encoders.model_source import ModelSource
from leafsearch.vectors.encoders.torch.autotune import best_form
from leafsearch.vectors.encoders.torch.local_run import LocalRun
from leafsearch.vectors.encoders.torch.workers import Workers
from leafsearch.vectors.errors import ModelError

_GPU_TOKENS = 65_536
_CPU_BYTES = 16 << 20  # of the widest layer's output
_LEAST_TOKENS, _MOST_TOKENS = 512, 16_384


class TransformerEncoder:
    def __init__(
        self,
        name: str,
        source: ModelSource,
        model: SentenceTransformer,
        devices: Sequence[str] | None = None,
        precision: str = "auto",
    ) -> None:
        self.name = name
        self.revision = source.revision
        self.model = model
        self.dimensions: int = model.get_embedding_dimension()
        self.tokenizer = _plain_tokenizer(name, model)
        self.max_tokens: int = model.max_seq_length or _position_limit(model)
        self.query_prompt = _prompt(model, ("query",))
        self.document_prompt = _prompt(model, ("document", "passage", "corpus"))
        weights = 4 * sum(tensor.numel() for tensor in model.parameters())
        self.devices = tuple(devices or default_devices(weights, gpus=torch.cuda.device_count()))
        self._source = source
        self._precision = precision
        self._workers: Workers | None = None

    @classmethod
    def load(
        cls,
        name: str,
        source: ModelSource,
        *,
        devices: Sequence[str] | None = None,
        precision: str = "auto",
    ) -> "TransformerEncoder":
        """Several `devices` are several processes; the model of this one is on a CPU then."""
        try:
            model = _load(source, _own_device(devices), precision)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            reason = str(error).strip().splitlines()
            raise ModelError(
                f"model {name}: sentence-transformers cannot load it from {source.location}: "
                f"{reason[0] if reason else type(error).__name__}"
            ) from error
        return cls(name, source, model, devices, precision)

    @property
    def encode_precision(self) -> str:
        if len(self.devices) == 1:
            return self.local.precision
        return self._all_workers().precision

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        batches = token_batches(texts, self._tokenized, self._budget)
        if len(self.devices) == 1:
            yield from self.local.run(batches)
            return
        first = list(islice(batches, 2))
        # One batch needs no second process.
        run = self.local if len(first) < 2 else self._all_workers()
        try:
            yield from run.run(chain(first, batches))
        except ModelError:
            self.close()  # what is left of the processes; the next call starts others
            raise

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        prompt = self.query_prompt
        rows = self.model.encode(list(texts), prompt=prompt, show_progress_bar=False)
        # Explicit, because neither half of the default pair carries a Normalize module.
        return unit_rows(rows)

    def close(self) -> None:
        if self._workers:
            self._workers.close()
            self._workers = None

    @cached_property
    def local(self) -> LocalRun:
        form = best_form(
            self.name, self.model, self.document_prompt, self._tokenized, self._precision
        )
        return LocalRun(form)

    def _all_workers(self) -> Workers:
        if self._workers is None:
            self._workers = Workers(self.name, self._source, self.devices, self._precision)
        return self._workers

    def _tokenized(self, texts: Sequence[str]) -> list[Tokens]:
        prompted = [self.document_prompt + text for text in texts]
        found = self._cutting.encode_batch_fast(prompted)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in found]

    @cached_property
    def _cutting(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        direction = self.model.tokenizer.truncation_side
        tokenizer.enable_truncation(self.max_tokens, direction=direction)
        return tokenizer

    @property
    def _budget(self) -> int:
        """Tokens of a batch.

        On a CPU few, so that what the widest layer gives stays in the cache and below the size
        from which the C library asks the kernel for fresh pages each time.
        """
        if self.devices[0] != "cpu":
            return _GPU_TOKENS
        config = self.model[0].auto_model.config
        hidden = getattr(config, "hidden_size", None) or self.dimensions
        widest = getattr(config, "intermediate_size", None) or 4 * hidden
        return min(_MOST_TOKENS, max(_LEAST_TOKENS, _CPU_BYTES // (4 * int(widest))))


def _own_device(devices: Sequence[str] | None) -> str:
    if devices:
        return devices[0] if len(devices) == 1 else "cpu"
    return "cuda:0" if torch.cuda.device_count() == 1 else "cpu"


def _load(source: ModelSource, device: str, precision: str) -> SentenceTransformer:
    disable_progress_bar()  # one of its own per model, on everybody's stderr
    # The teacher is published in half precision, which most CPUs only emulate, very slowly.
    dtype = torch.float32 if device == "cpu" or precision == "float32" else "auto"
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
