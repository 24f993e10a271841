"""Which texts go through a model together: so many tokens, of texts of about one length."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]  # ids of one text, special tokens included
Tokenize = Callable[[Sequence[str]], Sequence[Tokens]]

_SLICE = 512  # texts that are tokenised while those before them are computed


@dataclass(frozen=True)
class Batch:
    """`indices` into all texts; longest first."""

    indices: tuple[int, ...]
    texts: tuple[str, ...]
    tokens: tuple[Tokens, ...]

    def halves(self) -> "tuple[Batch, Batch]":
        middle = len(self.indices) // 2
        return self._part(slice(0, middle)), self._part(slice(middle, None))

    def _part(self, some: slice) -> "Batch":
        return Batch(self.indices[some], self.texts[some], self.tokens[some])


def token_batches(texts: Sequence[str], tokenize: Tokenize, budget: int) -> Iterator[Batch]:
    """Of at most `budget` tokens, padding counted, or of one text that is longer.

    The longest texts come first: what does not fit into memory fails at once, and several
    processes end together.
    """
    waiting: list[tuple[int, Tokens]] = []
    for indices, tokens in _tokenized(texts, tokenize):
        waiting += zip(indices, tokens, strict=True)
        # Sorted by characters they came, which is nearly the order of their tokens.
        waiting.sort(key=lambda one: len(one[1]), reverse=True)
        while (fitting := _fitting(waiting, budget)) < len(waiting):
            yield _batch(texts, waiting[:fitting])
            del waiting[:fitting]
    if waiting:
        yield _batch(texts, waiting)


def _tokenized(
    texts: Sequence[str], tokenize: Tokenize
) -> Iterator[tuple[Sequence[int], Sequence[Tokens]]]:
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]), reverse=True)
    slices = [order[start : start + _SLICE] for start in range(0, len(order), _SLICE)]
    with ThreadPoolExecutor(1, thread_name_prefix="tokenize") as ahead:
        started = None
        for number, some in enumerate(slices):
            tokens = started.result() if started else tokenize([texts[i] for i in some])
            if number + 1 < len(slices):
                started = ahead.submit(tokenize, [texts[i] for i in slices[number + 1]])
            yield some, tokens


def _fitting(sorted_: Sequence[tuple[int, Tokens]], budget: int) -> int:
    """How many of the first, at least one."""
    longest = len(sorted_[0][1]) if sorted_ else 1
    return max(1, budget // max(1, longest)) if sorted_ else 0


def _batch(texts: Sequence[str], some: Sequence[tuple[int, Tokens]]) -> Batch:
    indices = tuple(index for index, _ in some)
    return Batch(indices, tuple(texts[i] for i in indices), tuple(tokens for _, tokens in some))
