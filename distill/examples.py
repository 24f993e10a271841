"""What a student learns from: texts, each as a document or as a query.

A corpus has no queries, so its documents are cut into texts that look like some: titles,
sentences, spans of a few words.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|\n\s*\n")
_SPAN = 1, 8  # words
_ASKED = 0.5  # of the sentences are queries as well
_HELD_OUT = 50  # one in so many texts is not trained on, at most _MOST_HELD_OUT
_MOST_HELD_OUT = 1_000


@dataclass(frozen=True, slots=True)
class Example:
    text: str
    is_query: bool


def passages_of(text: str, words: int) -> Iterator[Example]:
    """All of a text: sentences side by side, together at most `words` words."""
    waiting: list[str] = []
    for sentence in _sentences(text):
        if waiting and len(waiting) + len(sentence) > words:
            yield _joined(waiting, is_query=False)
            waiting = []
        waiting += sentence
        while len(waiting) > words:
            yield _joined(waiting[:words], is_query=False)
            del waiting[:words]
    if waiting:
        yield _joined(waiting, is_query=False)


def queries_of(text: str, title: str, words: int, chance: random.Random) -> Iterator[Example]:
    """Made of one document, by `chance`."""
    if title:
        yield _joined(title.split()[:words], is_query=True)
    for sentence in _sentences(text):
        if len(sentence) <= words and chance.random() < _ASKED:
            yield _joined(sentence, is_query=True)
        count = min(len(sentence), chance.randint(*_SPAN))
        first = chance.randrange(len(sentence) - count + 1)
        span = " ".join(sentence[first : first + count]).strip(" ,;:.()")
        if span:
            yield Example(span, is_query=True)


def chosen(examples: Iterable[Example], most: int, seed: int) -> list[Example]:
    """Without doubles, at most `most`, in an order that only the seed and the texts decide."""
    unique = list(dict.fromkeys(examples))
    random.Random(seed).shuffle(unique)
    return unique[:most]


def held_out(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """Indices to train on, and those of texts that are only measured with."""
    kept: list[int] = []
    out: list[int] = []
    for index, example in enumerate(examples):
        first = hashlib.sha256(example.text.encode(errors="replace")).digest()[:4]
        is_out = int.from_bytes(first) % _HELD_OUT == 0 and len(out) < _MOST_HELD_OUT
        (out if is_out else kept).append(index)
    return kept, out


def _sentences(text: str) -> Iterator[list[str]]:
    """Their words."""
    for sentence in _SENTENCE.split(text):
        if words := sentence.split():
            yield words


def _joined(words: Sequence[str], *, is_query: bool) -> Example:
    return Example(" ".join(words), is_query)
