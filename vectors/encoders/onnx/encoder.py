"""The encoder on ONNX Runtime: from token ids to unit rows in one graph, without torch."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer

from leafsearch.vectors.encoders.base import Rows, plain, unit_rows
from leafsearch.vectors.encoders.onnx.folder import GRAPH, HEADS, TOKENIZER, Card
from leafsearch.vectors.encoders.words import Words

_BATCH = 32


class GraphEncoder:
    def __init__(
        self, card: Card, tokenizer: Tokenizer, session: Any, heads: Sequence[Rows] = ()
    ) -> None:
        self.name = card.name
        self.revision = card.revision
        self.dimensions = card.dimensions
        self.max_tokens = card.max_tokens
        self.query_prompt = card.query_prompt
        self.document_prompt = card.document_prompt
        self.tokenizer = plain(tokenizer)
        self._words = Words(self.tokenizer)
        self._card = card
        self._session = session
        self._heads = heads

    @classmethod
    def load(cls, folder: Path) -> Self:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        heads: list[Rows] = []
        if (folder / HEADS).is_file():
            with np.load(folder / HEADS) as stored:
                heads = [stored[name] for name in stored.files]
        return cls(Card.read(folder), tokenizer, _session(folder / GRAPH), heads)

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return self._encode(texts, self.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self._encode(texts, self.query_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> Rows:
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        tokens = self._tokens(texts, prompt)
        # Texts of similar length share a batch, so that little is computed on padding.
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            rows[some] = self._run([tokens[i] for i in some])
        return unit_rows(rows)

    def _tokens(self, texts: Sequence[str], prompt: str) -> list[Any]:
        tokens = self._encoded([prompt + text for text in texts])
        if changed := self._words.write_unknown(texts, tokens):
            again = self._encoded([prompt + text for text in changed.values()])
            for index, encoding in zip(changed, again, strict=True):
                tokens[index] = encoding
        return tokens

    def _encoded(self, texts: Sequence[str]) -> list[Any]:
        tokens = self.tokenizer.encode_batch_fast(texts)
        if all(len(encoding) <= self.max_tokens for encoding in tokens):
            return tokens
        return self._truncating.encode_batch_fast(texts)

    @cached_property
    def _truncating(self) -> Tokenizer:
        """Made on demand, because copying a tokenizer takes longer than a query."""
        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        tokenizer.enable_truncation(self.max_tokens)
        return tokenizer

    def _run(self, tokens: Sequence[Any]) -> Any:
        width = max(len(encoding) for encoding in tokens)
        for encoding in tokens:
            encoding.pad(width, pad_id=self._card.pad_id)
        columns = {
            "input_ids": [encoding.ids for encoding in tokens],
            "attention_mask": [encoding.attention_mask for encoding in tokens],
            "token_type_ids": [encoding.type_ids for encoding in tokens],
        }
        fed = {name: np.array(columns[name], dtype=np.int64) for name in self._card.inputs}
        (found,) = self._session.run([self._card.output], fed)
        rows = _pool(found, np.array(columns["attention_mask"]), self._card.pooling)
        for head in self._heads:
            rows = rows @ head.T
        return rows


def _pool(found: Any, mask: Any, pooling: str) -> Any:
    """(n, tokens, d) to (n, d); an exported graph has pooled already."""
    if not pooling:
        return found
    if pooling == "cls":
        return found[:, 0]
    weights = mask[:, :, None].astype(np.float32)
    return (found * weights).sum(axis=1) / weights.sum(axis=1)


def load_onnxruntime() -> Any:
    """The only import of onnxruntime: it reports to Microsoft unless telemetry is off before."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def _session(graph: Path) -> Any:
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # The default counts the machine's cores, not those that this process may use.
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    # Spinning threads make a query a third faster, but must stop after it.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(
        str(graph), sess_options=options, providers=["CPUExecutionProvider"]
    )
