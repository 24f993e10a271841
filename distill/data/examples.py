"""What a student learns from: texts, each as a document or as a query.

A corpus has no queries, so its documents are cut into texts that look like some: titles,
sentences, spans of a few words.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"(?<=[.!?…。！？] )|(?<=[。！？])(?! )")
# Chinese and Japanese have no spaces: each of their letters is a word, with the space after it.
_LETTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_LETTERS}] ?|[^ {_LETTERS}]{{1,30}} ?")
_SPAN = 1, 8  # words
_ASKED = 0.5  # of the sentences are queries as well
_STRETCH = 256  # words of a document that are held out together
_HELD_OUT = 50  # one in so many texts is not trained on, about _MOST_HELD_OUT at most
_MOST_HELD_OUT = 1_000
_PLACES = 2**32

Sentence = Sequence[str]  # words, each with the space that follows it


@dataclass(frozen=True, slots=True)
class Example:
    """`place` is a number for the stretch of a document that it is from, anywhere below 2**32."""

    text: str
    is_query: bool
    place: int = field(default=0, compare=False)


def examples_of(
    text: str, title: str, words: int, chance: random.Random | None
) -> Iterator[Example]:
    """All that is made of one document, queries only with a `chance`."""
    for stretch in _stretches(sentences_of(text)):
        place = place_of("".join(word for sentence in stretch for word in sentence))
        yield from passages_of(stretch, words, place)
        if chance:
            yield from queries_of(stretch, title, words, chance, place)
            title = ""


def passages_of(sentences: Iterable[Sentence], words: int, place: int = 0) -> Iterator[Example]:
    """All of them, side by side, together at most `words` words."""
    waiting: list[str] = []
    for sentence in sentences:
        if waiting and len(waiting) + len(sentence) > words:
            yield Example(_joined(waiting), False, place)
            waiting = []
        waiting += sentence
        while len(waiting) > words:
            yield Example(_joined(waiting[:words]), False, place)
            del waiting[:words]
    if waiting:
        yield Example(_joined(waiting), False, place)


def queries_of(
    sentences: Iterable[Sentence], title: str, words: int, chance: random.Random, place: int = 0
) -> Iterator[Example]:
    """Made by `chance`."""
    if title:
        yield Example(beginning(title, words), True, place)
    for sentence in sentences:
        if len(sentence) <= words and chance.random() < _ASKED:
            yield Example(_joined(sentence), True, place)
        count = min(len(sentence), chance.randint(*_SPAN))
        first = chance.randrange(len(sentence) - count + 1)
        span = _joined(sentence[first : first + count]).strip(" ,;:.()")
        if span:
            yield Example(span, True, place)


def sentences_of(text: str) -> Iterator[Sentence]:
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE.split(f"{' '.join(paragraph.split())} "):
            if words := _WORD.findall(sentence):
                yield words


def beginning(text: str, words: int) -> str:
    return _joined(_WORD.findall(" ".join(text.split()))[:words])


def place_of(text: str) -> int:
    first = hashlib.sha256(text.encode(errors="replace")).digest()[:4]
    return int.from_bytes(first)


def chosen(examples: Iterable[Example], most: int, seed: int) -> list[Example]:
    """Without doubles, at most `most`, in an order that only the seed and the texts decide."""
    unique = list(dict.fromkeys(examples))
    random.Random(seed).shuffle(unique)
    return unique[:most]


def held_out(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """Indices to train on, and those of texts that are only measured with.

    Whole stretches are held out, because parts of what was trained on would flatter the student.
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


def _joined(words: Sentence) -> str:
    return "".join(words).strip()
