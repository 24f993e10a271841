"""Pieces that chunks are packed from: spans of a text with their token counts, none too long."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from leafsearch.ingest.chunking.borders import (
    Heading,
    Span,
    parse_heading,
    split_code,
    split_lines,
    split_spans,
)
from leafsearch.vectors.encoders import TokenCount, Words


class TokenCounter:
    """Counts tokens of what is encoded, in which long words are cut."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._words = Words(tokenizer)

    def count(self, text: str) -> int:
        return self.counts([text])[0].tokens if text else 0

    def counts(self, texts: Iterable[str]) -> list[TokenCount]:
        """Count all texts in one call, which the library spreads over the processor's cores."""
        return self._words.count(list(texts))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The start and end of each token in the text."""
        return self._words.offsets(text)


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    end: int
    tokens: int
    heading: Heading | None = None
    opens: bool = False  # see Span


class Pieces:
    def __init__(self, tokens: TokenCounter) -> None:
        self._tokens = tokens

    def of(
        self,
        texts: Sequence[str],
        budgets: Sequence[int],
        cuts: Sequence[Sequence[int] | None],
    ) -> list[list[Piece]]:
        """The pieces of each text, in order, covering it; none has more tokens than the text's
        budget. `cuts` are the borders of a program, None for other texts."""
        found = [
            list(split_spans(text) if own is None else split_code(text, own))
            for text, own in zip(texts, cuts, strict=True)
        ]
        counts = iter(self._counts(texts, found))
        return [
            [p for s in own for p in self._fitting(text, s, next(counts), budget)]
            for text, own, budget in zip(texts, found, budgets, strict=True)
        ]

    def cut(self, text: str, piece: Piece, budget: int) -> Iterator[Piece]:
        """Cut a sentence that is too long for one chunk, between words if it has any."""
        start, whole = piece.start, text[piece.start : piece.end]
        offsets = self._tokens.offsets(whole)
        begin = first = 0
        while first < len(offsets) and begin < len(whole):
            stop = len(whole)
            if first + budget < len(offsets):
                stop = _cut_at(whole, begin, offsets[first + budget][0])
            stop, tokens = self._shortened(whole, begin, stop, budget)
            yield Piece(start + begin, start + stop, tokens)
            begin = stop
            first = bisect.bisect_left(offsets, (begin, 0), lo=first + 1)
        if begin < len(whole):
            yield Piece(start + begin, piece.end, self._tokens.count(whole[begin:]))

    def _counts(self, texts: Sequence[str], found: Sequence[Sequence[Span]]) -> list[int]:
        pairs = zip(texts, found, strict=True)
        spans = (text[s.start : s.end] for text, own in pairs for s in own)
        return [count.tokens for count in self._tokens.counts(spans)]

    def _fitting(self, text: str, span: Span, tokens: int, budget: int) -> Iterator[Piece]:
        start, end = span.start, span.end
        if tokens <= budget:
            heading = None if span.is_block else parse_heading(text, start, end)
            yield Piece(start, end, tokens, heading, span.opens)
        elif span.is_block and (rows := list(split_lines(text, start, end)))[1:]:
            for row, count in zip(rows, self._counts([text], [rows]), strict=True):
                is_first = span.opens and row.start == start
                line = Span(row.start, row.end, is_block=True, opens=is_first)
                yield from self._fitting(text, line, count, budget)
        else:
            first, *rest = self.cut(text, Piece(start, end, tokens), budget)
            yield Piece(first.start, first.end, first.tokens, opens=span.opens)
            yield from rest

    def _shortened(self, text: str, begin: int, stop: int, budget: int) -> tuple[int, int]:
        """Shorten until it fits: a word cut in two may have more tokens than the whole word."""
        while (tokens := self._tokens.count(text[begin:stop])) > budget and stop > begin + 1:
            stop = max(begin + 1, stop - max(1, (stop - begin) // 20))
        return stop, tokens


def _cut_at(text: str, begin: int, most: int) -> int:
    """Cut after the last line end or blank in the second half of what fits, else after all of
    it."""
    for blank in ("\n", " "):
        at = text.rfind(blank, (begin + most) // 2, most)
        if at > begin:
            return at + 1
    return max(most, begin + 1)
