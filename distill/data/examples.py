"""The examples that a student learns from: short texts, each a document or a query.

A corpus has no queries, so its documents are cut into texts that look like queries: titles,
sentences, spans of a few words.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"(?<=[.!?…。！？] )|(?<=[。！？])(?! )")
# Chinese and Japanese have no spaces: each letter counts as a word, with the space after it.
_LETTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_LETTERS}] ?|[^ {_LETTERS}]{{1,30}} ?")
_SPAN = 1, 8  # words
_QUERY_SHARE = 0.5  # of the sentences become queries as well
_STRETCH = 256  # words of a document, held out together or not at all
_HELD_OUT = 50  # one in so many texts is held out, about _MOST_HELD_OUT at most
_MOST_HELD_OUT = 1_000
_PLACES = 2**32

Sentence = Sequence[str]  # words, each with the space that follows it


@dataclass(frozen=True, slots=True)
class Example:
    """`place` is a hash, below 2**32, of the stretch of the document that the text is from."""

    text: str
    is_query: bool
    place: int = field(default=0, compare=False)


def examples_of(
    text: str, title: str, words: int, chance: random.Random | None
) -> Iterator[Example]:
    """All examples from one document; queries only with a `chance`."""
    for stretch in _stretches(sentences_of(text)):
        place = place_of("".join(word for sentence in stretch for word in sentence))
        yield from passages_of(stretch, words, place)
        if chance:
            yield from queries_of(stretch, title, words, chance, place)
            title = ""


def passages_of(sentences: Iterable[Sentence], words: int, place: int = 0) -> Iterator[Example]:
    """The sentences joined into passages of at most `words` words."""
    waiting: list[str] = []
    for sentence in sentences:
        if waiting and len(waiting) + len(sentence) > words:
            yield Example(_join(waiting), False, place)
            waiting = []
        waiting += sentence
        while len(waiting) > words:
            yield Example(_join(waiting[:words]), False, place)
            del waiting[:words]
    if waiting:
        yield Example(_join(waiting), False, place)


def queries_of(
    sentences: Iterable[Sentence], title: str, words: int, chance: random.Random, place: int = 0
) -> Iterator[Example]:
    """Queries drawn from a document by `chance`."""
    if title:
        yield Example(beginning(title, words), True, place)
    for sentence in sentences:
        if len(sentence) <= words and chance.random() < _QUERY_SHARE:
            yield Example(_join(sentence), True, place)
        count = min(len(sentence), chance.randint(*_SPAN))
        first = chance.randrange(len(sentence) - count + 1)
        span = _join(sentence[first : first + count]).strip(" ,;:.()")
        if span:
            yield Example(span, True, place)


def sentences_of(text: str) -> Iterator[Sentence]:
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE.split(f"{' '.join(paragraph.split())} "):
            if words := _WORD.findall(sentence):
                yield words


def beginning(text: str, words: int) -> str:
    return _join(_WORD.findall(" ".join(text.split()))[:words])


def place_of(text: str) -> int:
    first = hashlib.sha256(text.encode(errors="replace")).digest()[:4]
    return int.from_bytes(first)


def draw(examples: Iterable[Example], most: int, seed: int) -> list[Example]:
    """At most `most` distinct examples, in an order that depends on seed and texts alone."""
    unique = list(dict.fromkeys(examples))
    random.Random(seed).shuffle(unique)
    return unique[:most]


def hold_out(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """Indices of the texts to train on, and of the held-out ones.

    Whole stretches are held out, because texts that overlap with training texts would flatter the
    student.
    """
    share = min(1 / _HELD_OUT, _MOST_HELD_OUT / max(1, len(examples)))
    least = min((example.place for example in examples), default=0)
    limit = max(least, int(share * _PLACES))
    out = [index for index, example in enumerate(examples) if example.place <= limit]
    measured = {examples[index].text for index in out}
    kept = [index for index, example in enumerate(examples) if example.text not in measured]
    return kept, out


def _stretches(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    some: list[Sentence] = []
    count = 0
    for sentence in sentences:
        if some and count + len(sentence) > _STRETCH:
            yield some
            some, count = [], 0
        some.append(sentence)
        count += len(sentence)
    if some:
        yield some


def _join(words: Sentence) -> str:
    return "".join(words).strip()
