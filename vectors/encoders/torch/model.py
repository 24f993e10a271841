"""A sentence-transformers model, and batches of documents through it in this process."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding, Tokenizer
from transformers.utils.logging import disable_progress_bar

from leafsearch.vectors.encoders.base import Rows, plain, unit_rows
from leafsearch.vectors.encoders.batches import TokenBatch, Tokenized
from leafsearch.vectors.encoders.model_files import ModelSource
from leafsearch.vectors.encoders.torch.autotune import dtype_name, select_layout
from leafsearch.vectors.encoders.torch.batch_layouts import BatchLayout
from leafsearch.vectors.encoders.words import Words
from leafsearch.vectors.errors import ModelError


class TransformerModel:
    """A model with its prompts and its tokenizer."""

    def __init__(self, name: str, model: SentenceTransformer, precision: str) -> None:
        self.name = name
        self.model = model
        self.dimensions: int = model.get_embedding_dimension()
        self.tokenizer = _copy_tokenizer(name, model)
        self.words = Words(self.tokenizer)
        self.max_tokens: int = model.max_seq_length or _position_limit(model)
        self.query_prompt = _first_prompt(model, ("query",))
        self.document_prompt = _first_prompt(model, ("document", "passage", "corpus"))
        self._precision = precision

    @cached_property
    def local(self) -> "LocalRun":
        """Documents through this very model. Raises ModelError if it does not fit the precision."""
        layout = select_layout(
            self.name, self.model, self.document_prompt, self.tokenize, self._precision
        )
        return LocalRun(layout)

    def tokenize(self, texts: Sequence[str]) -> Tokenized:
        """Token ids of documents, with the prompt, cut off at `max_tokens`."""
        texts, found = list(texts), self._encoded(texts)
        changed = self.words.write_unknown(texts, found)
        for index, one in zip(changed, self._encoded(list(changed.values())), strict=True):
            texts[index], found[index] = changed[index], one
        return Tokenized(texts, [np.array(one.ids, dtype=np.int64) for one in found])

    def _encoded(self, texts: Sequence[str]) -> list[Encoding]:
        prompted = [self.document_prompt + text for text in texts]
        found: list[Encoding] = self._truncating.encode_batch_fast(prompted)
        return found

    @cached_property
    def _truncating(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        direction = self.model.tokenizer.truncation_side
        tokenizer.enable_truncation(self.max_tokens, direction=direction)
        return tokenizer


@dataclass(frozen=True)
class _Started:
    indices: Sequence[int]
    rows: torch.Tensor  # in memory, perhaps still being copied there
    done: torch.cuda.Event | None  # set when the copy is complete

    def finish(self) -> tuple[Sequence[int], Rows]:
        if self.done:
            self.done.synchronize()
        return self.indices, unit_rows(self.rows.numpy())


class LocalRun:
    """Batches in this process; on a GPU the next one starts before a result is read."""

    def __init__(self, layout: BatchLayout) -> None:
        self._layout = layout
        self._lock = Lock()
        self.precision = dtype_name(layout.dtype)
        self._in_flight = 1 if layout.device.type == "cuda" else 0

    def run(self, batches: Iterable[TokenBatch]) -> Iterator[tuple[Sequence[int], Rows]]:
        waiting: deque[_Started] = deque()
        for batch in batches:
            waiting += self._start(batch)
            while len(waiting) > self._in_flight:
                yield waiting.popleft().finish()
        for started in waiting:
            yield started.finish()

    def _start(self, batch: TokenBatch) -> list[_Started]:
        try:
            with self._lock:
                rows = self._layout(batch)
        except torch.OutOfMemoryError:
            if len(batch.indices) == 1:
                raise
            # Leaving the failed call has freed memory, so each half may fit.
            return [started for half in batch.halves() for started in self._start(half)]
        if rows.device.type != "cuda":
            return [_Started(batch.indices, rows, None)]
        copied = rows.to("cpu", non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(rows.device))
        return [_Started(batch.indices, copied, done)]

    def close(self) -> None:
        """Nothing is left running between two batches."""


def load_model(name: str, source: ModelSource, device: str, precision: str) -> SentenceTransformer:
    """Raises ModelError if sentence-transformers cannot load it."""
    disable_progress_bar()  # each model would draw its own on stderr
    # Teachers are published in half precision, which most CPUs only emulate, very slowly.
    dtype = torch.float32 if device == "cpu" or precision == "float32" else "auto"
    try:
        model = SentenceTransformer(
            source.location,
            revision=source.revision if source.on_hub else None,
            local_files_only=not source.on_hub,
            device=device,
            model_kwargs={"dtype": dtype},
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()
        raise ModelError(
            f"model {name}: sentence-transformers cannot load it from {source.location}: "
            f"{reason[0] if reason else type(error).__name__}"
        ) from error
    return model.eval()


def _copy_tokenizer(name: str, model: Any) -> Tokenizer:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"model {name}: its tokenizer has no fast (Rust) form; chunking needs one, to know "
            "where each token lies in the text. Choose a model with a fast tokenizer"
        )
    return plain(Tokenizer.from_str(backend.to_str()))


def _position_limit(model: Any) -> int:
    return int(getattr(model[0].auto_model.config, "max_position_embeddings", 512))


def _first_prompt(model: SentenceTransformer, names: tuple[str, ...]) -> str:
    """The prompt of the first of `names` that the model's own configuration has."""
    prompts = model.prompts or {}
    return next((str(prompts[n]) for n in names if prompts.get(n)), "")
