"""The encoder on sentence-transformers, in this process or in several."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from leafsearch.vectors.encoders.base import Rows, in_order, unit_rows
from leafsearch.vectors.encoders.batches import batch_tokens
from leafsearch.vectors.encoders.devices import default_devices
from leafsearch.vectors.encoders.model_files import ModelSource
from leafsearch.vectors.encoders.torch.model import TransformerModel, load_model
from leafsearch.vectors.encoders.torch.workers import EncoderPool
from leafsearch.vectors.errors import ModelError

_GPU_TOKENS = 65_536
_CPU_BYTES = 16 << 20  # of the widest layer's output
_LEAST_TOKENS, _MOST_TOKENS = 512, 16_384


class TransformerEncoder(TransformerModel):
    def __init__(
        self,
        name: str,
        source: ModelSource,
        model: SentenceTransformer,
        devices: Sequence[str] | None = None,
        precision: str = "auto",
    ) -> None:
        super().__init__(name, model, precision)
        self.revision = source.revision
        weights = 4 * sum(tensor.numel() for tensor in model.parameters())
        self.devices = tuple(devices or default_devices(weights, gpus=torch.cuda.device_count()))
        self._source = source
        self._pool: EncoderPool | None = None

    @classmethod
    def load(
        cls,
        name: str,
        source: ModelSource,
        *,
        devices: Sequence[str] | None = None,
        precision: str = "auto",
    ) -> "TransformerEncoder":
        """Several `devices` get a process each; then the model of this process stays on the CPU."""
        model = load_model(name, source, _own_device(devices), precision)
        return cls(name, source, model, devices, precision)

    @property
    def encode_precision(self) -> str:
        if len(self.devices) == 1:
            return self.local.precision
        return self._open_pool().precision

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        batches = batch_tokens(texts, self.tokenize, self._budget)
        if len(self.devices) == 1:
            yield from self.local.run(batches)
            return
        first = list(islice(batches, 2))
        # One batch needs no second process.
        run = self.local if len(first) < 2 else self._open_pool()
        try:
            yield from run.run(chain(first, batches))
        except ModelError:
            self.close()  # ends the remaining processes; the next call starts new ones
            raise

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        prompt = self.query_prompt
        cut = self.words.write(texts)
        rows = self.model.encode(cut, prompt=prompt, show_progress_bar=False)
        # Explicit, because neither half of the default pair has a Normalize module.
        return unit_rows(rows)

    def close(self) -> None:
        if self._pool:
            self._pool.close()
            self._pool = None

    def _open_pool(self) -> EncoderPool:
        if self._pool is None:
            self._pool = EncoderPool(self.name, self._source, self.devices, self._precision)
        return self._pool

    @property
    def _budget(self) -> int:
        """Tokens of a batch.

        Few on a CPU, so that the output of the widest layer stays in the cache and below the size
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
