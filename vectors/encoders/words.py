"""Words that a tokenizer does not know, written so that it does.

A WordPiece tokenizer gives one unknown token for a word of more than 100 letters, and for a word
with a letter that its vocabulary lacks: texts in Thai, which has no blanks between words, genomes
and base64 would all have one vector. So such a word is encoded in pieces, with blanks between, and
a piece with letters that the vocabulary lacks in Latin letters: "ข้าว" as "khaaw". The model does
not understand that, but a question finds the passage that holds its words. Documents and queries
are treated alike, what is stored stays as it was, and other words and tokenizers (SentencePiece,
BPE), which were made for text without blanks, are left alone.

The letters around a place decide whether a word is cut there, so a passage and a part of it are cut
alike; pieces of equal length are not. The words of ICU's dictionaries are no better, and cost a
library of 40 MB.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TypeVar

from anyascii import anyascii
from tokenizers import Encoding, Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Split

Value = TypeVar("Value")

_CLUSTERS = Split(Regex(r"\X"), "isolated")  # a letter with its marks, a syllable, an emoji
_NO_WIDTH = "\u200b"  # a blank of no width, between words of Khmer and Thai; tokenizers delete it
_REMEMBERED, _REMEMBERED_LENGTH = 10_000, 1_000  # words, and letters of one
_WORD = re.compile(r"\w+")
_UNKNOWN = ("[UNK]", "<unk>", "<UNK>")


@dataclass(frozen=True, slots=True)
class TokenCount:
    """`unknown` of the `tokens` stand for something that the vocabulary lacks."""

    tokens: int
    unknown: int = 0

    @property
    def is_mostly_unknown(self) -> bool:
        return 2 * self.unknown > self.tokens


@dataclass(frozen=True, slots=True)
class _Lengths:
    """Pieces have `least` to `most` letters; between these, one of `every` places is a cut."""

    least: int
    most: int
    every: int


_SHORT = _Lengths(2, 8, 4)


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    written: str  # the same, or in Latin letters


@dataclass(frozen=True, slots=True)
class _Word:
    """`pieces` of a word that is written otherwise, none if it stays; `spelt` counts the tokens of
    those in Latin letters."""

    pieces: tuple[_Piece, ...]
    spelt: int = 0


_STAYS = _Word(())


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    word: _Word


class Words:
    """Texts as a tokenizer, which is not to truncate them, can read them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._normalizer = tokenizer.normalizer
        self._words: dict[str, _Word] = {}  # a chunk is counted, then encoded
        self._normal_forms: dict[str, str] = {}

    def write(self, texts: Sequence[str]) -> list[str]:
        """The texts as they are to be encoded: most of them unchanged."""
        if not self._limit:
            return list(texts)
        changed = self.write_unknown(texts, self._encoded(texts))
        return [changed.get(index, text) for index, text in enumerate(texts)]

    def write_unknown(self, texts: Sequence[str], encoded: Sequence[Encoding]) -> dict[int, str]:
        """The texts that change, by index. `encoded`: how each is encoded as it is, so that a text
        without unknown tokens costs no more than a look at them."""
        edits = self._edits(texts, encoded)
        return {index: _rewrite(texts[index], some) for index, some in edits.items()}

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The start and end in `text` of each token of what is encoded."""
        (written,) = self.write([text])
        found: list[tuple[int, int]] = self._tokenizer.encode(
            written, add_special_tokens=False
        ).offsets
        if written == text:
            return found
        starts, ends = _origins(text, self._edits_of(text))
        return [(starts[start], ends[end]) for start, end in found]

    def seen(self, text: str) -> tuple[object, ...]:
        """What a model sees of the text: equal for texts that are to have equal vectors."""
        if self._tokenizer.get_vocab_size() < 2:
            return tuple(sorted(_WORD.findall(text.lower())))  # as the hashing encoder
        ids = self._encoded(self.write([text]))[0].ids
        return (text,) if self._unknown in ids else tuple(ids)

    def count(self, texts: Sequence[str]) -> list[TokenCount]:
        """The tokens of each text as it is encoded, without special tokens."""
        found, spelt = self._encoded(texts), dict[int, int]()
        edits = self._edits(texts, found)
        again = self._encoded([_rewrite(texts[index], some) for index, some in edits.items()])
        for (index, some), one in zip(edits.items(), again, strict=True):
            found[index], spelt[index] = one, sum(edit.word.spelt for edit in some)
        return [
            TokenCount(len(one), one.ids.count(self._unknown) + spelt.get(index, 0))
            for index, one in enumerate(found)
        ]

    def _encoded(self, texts: Sequence[str]) -> list[Encoding]:
        if not texts:
            return []
        found: list[Encoding] = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return found

    def _edits(self, texts: Sequence[str], encoded: Sequence[Encoding]) -> dict[int, list[_Edit]]:
        if not self._limit:
            return {}
        doubtful = [index for index, one in enumerate(encoded) if self._unknown in one.ids]
        return {i: edits for i in doubtful if (edits := self._edits_of(texts[i]))}

    def _edits_of(self, text: str) -> list[_Edit]:
        one = self._tokenizer.encode(text, add_special_tokens=False)
        tokens = zip(one.ids, one.offsets, strict=True)
        spans = [
            (start, _with_marks(text, end)) for id, (start, end) in tokens if id == self._unknown
        ]
        edits = [_Edit(start, end, self._word(text[start:end])) for start, end in spans]
        return [edit for edit in edits if edit.word.pieces]

    def _word(self, word: str) -> _Word:
        if len(word) < 2 or word in _UNKNOWN:
            return _STAYS
        found = self._words.get(word)
        if found is None:
            found = self._take_apart(word)
            if len(word) <= _REMEMBERED_LENGTH:
                _remember(self._words, word, found)
        return found

    def _take_apart(self, word: str) -> _Word:
        pieces = tuple(self._pieces(word))
        encoded = self._encoded([piece.written for piece in pieces])
        is_known = any(id != self._unknown for one in encoded for id in one.ids)
        if not is_known and len(self._normal(word)) <= self._limit:
            return _STAYS
        pairs = zip(pieces, encoded, strict=True)
        return _Word(pieces, sum(len(one) for p, one in pairs if p.written != p.text))

    def _pieces(self, word: str) -> Iterator[_Piece]:
        """First cut where letters meet signs or ASCII, then by length."""
        clusters = [cluster for cluster, _ in _CLUSTERS.pre_tokenize_str(word)]
        for kind, group in groupby(clusters, _kind):
            part = list(group)
            pieces = ["".join(part)]
            if self._lacks(pieces):
                pieces = list(self._shorter(part, _Lengths(self._limit // 2, self._limit, 16)))
            if self._lacks(pieces):
                pieces = list(self._shorter(part, _SHORT))
            for piece, one in zip(pieces, self._encoded(pieces), strict=True):
                is_latin = kind == "letters" and self._unknown in one.ids
                yield _Piece(piece, self._in_latin(piece) if is_latin else piece)

    def _in_latin(self, piece: str) -> str:
        found = "".join(anyascii(piece).split())
        return found if 0 < len(found) <= self._limit else piece

    def _shorter(self, clusters: Sequence[str], lengths: _Lengths) -> Iterator[str]:
        piece, size, before = "", 0, ""
        for cluster in clusters:
            normal = self._normal_cluster(cluster)
            if len(normal) > self._limit:  # a letter with hundreds of marks
                yield from (piece, *cluster) if piece else cluster
                piece, size = "", 0
                continue
            if piece and size + len(normal) > lengths.most:
                yield piece
                piece, size = "", 0
            piece, size = piece + cluster, size + len(normal)
            is_end = zlib.crc32((before + normal).encode()) % lengths.every == 0
            if size >= lengths.least and is_end:
                yield piece
                piece, size = "", 0
            before = normal
        if piece:
            yield piece

    def _normal(self, text: str) -> str:
        """The text as the tokenizer compares it, in lower case or without marks."""
        return str(self._normalizer.normalize_str(text)) if self._normalizer else text

    def _normal_cluster(self, cluster: str) -> str:
        found = self._normal_forms.get(cluster)
        if found is None:
            found = _remember(self._normal_forms, cluster, self._normal(cluster))
        return found

    def _lacks(self, pieces: Sequence[str]) -> bool:
        return any(self._unknown in one.ids for one in self._encoded(pieces))

    @cached_property
    def _unknown(self) -> int:
        """The id of the unknown token; -1 for a tokenizer without one."""
        if self._tokenizer.get_vocab_size() < 2:
            return -1  # the hashing encoder's, which only counts
        named = getattr(self._tokenizer.model, "unk_token", None)
        ids = map(self._tokenizer.token_to_id, [named] if named else _UNKNOWN)
        return next((id for id in ids if id is not None), -1)

    @cached_property
    def _limit(self) -> int:
        """Most letters of a word that may be known; 0 if the tokenizer has no such limit."""
        model = self._tokenizer.model
        is_limited = isinstance(model, WordPiece) and self._unknown >= 0
        return int(model.max_input_chars_per_word) if is_limited else 0


def _kind(cluster: str) -> str:
    first = cluster[0]
    if first == _NO_WIDTH:
        return "blank"
    if first.isascii():
        return "ASCII"
    return "letters" if unicodedata.category(first)[0] in "LMN" else "signs"


def _with_marks(text: str, end: int) -> int:
    """The end of a word with the marks of its last letter, which a normaliser may delete."""
    while end < len(text) and unicodedata.category(text[end])[0] == "M":
        end += 1
    return end


def _rewrite(text: str, edits: Sequence[_Edit]) -> str:
    parts, done = [], 0
    for edit in edits:
        parts += [text[done : edit.start], " ".join(p.written for p in edit.word.pieces)]
        done = edit.end
    return "".join([*parts, text[done:]])


def _origins(text: str, edits: Sequence[_Edit]) -> tuple[list[int], list[int]]:
    """For each place in the rewritten text, the place in `text` where a token that starts there
    starts, and where a token that ends there ends."""
    starts: list[int] = []
    ends: list[int] = [0]

    def copy(start: int, end: int) -> None:
        starts.extend(range(start, end))
        ends.extend(range(start + 1, end + 1))

    done = 0
    for edit in edits:
        copy(done, edit.start)
        done = edit.start
        for number, piece in enumerate(edit.word.pieces):
            if number:
                starts.append(done)  # the blank
                ends.append(done)
            if piece.written == piece.text:
                copy(done, done + len(piece.text))
            else:
                starts.extend([done] * len(piece.written))
                ends.extend([done + len(piece.text)] * len(piece.written))
            done += len(piece.text)
    copy(done, len(text))
    return [*starts, len(text)], ends


def _remember(known: dict[str, Value], key: str, value: Value) -> Value:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value
    return value
