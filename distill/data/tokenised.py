"""Texts as the student's tokens, and its vectors of many texts without gradients."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from leafsearch.distill.data.examples import Example
from leafsearch.distill.train.forward import PackedForward
from leafsearch.vectors.encoders import Tokens, TransformerEncoder, Words

_ROWS = 64
_TOGETHER = 8_192  # texts tokenised at once


class Inputs:
    """The student's input: at most `most` tokens, the teacher's prompt included."""

    def __init__(
        self, student: SentenceTransformer, teacher: TransformerEncoder, most: int
    ) -> None:
        self.most = min(most, student.max_seq_length)
        self._tokenizer = Tokenizer.from_str(student.tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._words = Words(Tokenizer.from_str(self._tokenizer.to_str()))
        self._prompts = teacher.document_prompt, teacher.query_prompt

    def fit(self, examples: Sequence[Example]) -> tuple[list[Example], int]:
        """Cut longer texts, and count them: the teacher must not see more than the student.

        Words are cut as in documents and queries."""
        self._tokenizer.no_truncation()
        texts = self._words.write([one.text for one in examples])
        examples = [replace(one, text=t) for one, t in zip(examples, texts, strict=True)]
        counts = [len(one) for one in self._encoded(examples)]
        self._tokenizer.enable_truncation(self.most)
        pairs = list(zip(examples, counts, strict=True))
        found = [self._cut(one) if count > self.most else one for one, count in pairs]
        return found, sum(count > self.most for count in counts)

    def tokens(self, examples: Sequence[Example]) -> list[Tokens]:
        self._tokenizer.enable_truncation(self.most)
        return [np.array(one.ids, dtype=np.int64) for one in self._encoded(examples)]

    def _encoded(self, examples: Sequence[Example]) -> Iterator[Any]:
        """Tokenise a part at a time, because an Encoding is larger than its tokens."""
        for start in range(0, len(examples), _TOGETHER):
            some = examples[start : start + _TOGETHER]
            texts = [self._prompts[example.is_query] + example.text for example in some]
            yield from self._tokenizer.encode_batch_fast(texts)

    def _cut(self, example: Example) -> Example:
        prompt = self._prompts[example.is_query]
        ends = [end for _, end in self._tokenizer.encode(prompt + example.text).offsets]
        return replace(example, text=example.text[: max(0, max(ends) - len(prompt))].rstrip())


def compute(
    forward: PackedForward, tokens: Sequence[Tokens], *, pooled: bool = False
) -> NDArray[np.float32]:
    """(n, d) in the order of `tokens`: the student's vectors, or if `pooled` its head's input."""
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
