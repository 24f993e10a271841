"""Texts grouped into batches of similar length and of a bounded number of tokens."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]  # ids of one text, special tokens included
Tokenize = Callable[[Sequence[str]], "Tokenized"]

_Waiting = tuple[int, str, Tokens]  # a text with its index

_SLICE = 512  # texts tokenised ahead, while the model computes those before them


@dataclass(frozen=True)
class Tokenized:
    """Texts as they are encoded, see words, and their tokens, in the order that was given."""

    texts: Sequence[str]
    tokens: Sequence[Tokens]


@dataclass(frozen=True)
class TokenBatch:
    """Texts that go through a model together, longest first; `indices` point into all texts."""

    indices: tuple[int, ...]
    texts: tuple[str, ...]
    tokens: tuple[Tokens, ...]

    def halves(self) -> "tuple[TokenBatch, TokenBatch]":
        middle = len(self.indices) // 2
        return self._part(slice(0, middle)), self._part(slice(middle, None))

    def _part(self, some: slice) -> "TokenBatch":
        return TokenBatch(self.indices[some], self.texts[some], self.tokens[some])


def batch_tokens(texts: Sequence[str], tokenize: Tokenize, budget: int) -> Iterator[TokenBatch]:
    """Batches of at most `budget` tokens, padding included, or of one longer text.

    The longest texts come first: a batch too large for memory fails at once, and several processes
    finish together.
    """
    waiting: list[_Waiting] = []
    for indices, found in _tokenize_ahead(texts, tokenize):
        waiting += zip(indices, found.texts, found.tokens, strict=True)
        # They come sorted by characters, which is nearly the order of their tokens.
        waiting.sort(key=lambda one: len(one[2]), reverse=True)
        while (fitting := _count_fitting(waiting, budget)) < len(waiting):
            yield TokenBatch(*zip(*waiting[:fitting], strict=True))
            del waiting[:fitting]
    if waiting:
        yield TokenBatch(*zip(*waiting, strict=True))


def _tokenize_ahead(
    texts: Sequence[str], tokenize: Tokenize
) -> Iterator[tuple[Sequence[int], Tokenized]]:
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]), reverse=True)
    slices = [order[start : start + _SLICE] for start in range(0, len(order), _SLICE)]
    with ThreadPoolExecutor(1, thread_name_prefix="tokenize") as ahead:
        started = None
        for number, some in enumerate(slices):
            tokens = started.result() if started else tokenize([texts[i] for i in some])
            if number + 1 < len(slices):
                started = ahead.submit(tokenize, [texts[i] for i in slices[number + 1]])
            yield some, tokens


def _count_fitting(sorted_: Sequence[_Waiting], budget: int) -> int:
    """How many of the first fit into a batch, at least one."""
    longest = len(sorted_[0][2]) if sorted_ else 1
    return max(1, budget // max(1, longest)) if sorted_ else 0
