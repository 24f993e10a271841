"""Texts as the student's tokens, and what it makes of many of them without gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from distill.examples import Example
from distill.forward import Forward
from vectors.batches import Tokens
from vectors.transformer import TransformerEncoder

_ROWS = 64


def tokenized(
    student: SentenceTransformer,
    teacher: TransformerEncoder,
    examples: Sequence[Example],
    most: int,
) -> list[Tokens]:
    """Each with the teacher's prompt of its kind, cut after `most` tokens or the student's own."""
    backend = student.tokenizer.backend_tokenizer
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(most, student.max_seq_length))
    prompts = teacher.document_prompt, teacher.query_prompt
    texts = [prompts[example.is_query] + example.text for example in examples]
    return [np.array(one.ids, dtype=np.int64) for one in tokenizer.encode_batch_fast(texts)]


def computed(
    forward: Forward, tokens: Sequence[Tokens], *, pooled: bool = False
) -> NDArray[np.float32]:
    """(n, d) in the order of `tokens`: the student's vectors, or what its head is given."""
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]), reverse=True)
    rows: Any = None
    with torch.no_grad():
        for start in range(0, len(order), _ROWS):
            some = order[start : start + _ROWS]
            found = forward([tokens[i] for i in some], pooled=pooled).cpu().numpy()
            if rows is None:
                rows = np.empty((len(tokens), found.shape[1]), dtype=np.float32)
            rows[some] = found
    return np.asarray(rows)
