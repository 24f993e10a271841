"""Documents to chunks: whole sentences packed up to a number of the teacher's own tokens.

Together the chunks of a document cover all of its text but the blanks between them, and none is
longer than the model takes, so nothing is cut off silently. Neighbours share the last sentences.

A document is tokenised about once. (The library semantic-text-splitter was tried first: it
tokenises each passage seven times over, and starts a new chunk at every blank line.)
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from ingest.chunk import Chunk
from ingest.document import Document
from ingest.errors import IngestError

DEFAULT_TOKENS = 256
DEFAULT_OVERLAP = 32
FEWEST_TOKENS = 16
_LONGEST_PIECE = 20_000  # characters; a tokenizer may take any blank-free run for one token

# After the end of a sentence (with closing quotes), after a blank line, before a list or heading.
_BORDER = re.compile(
    r"""(?<=[.!?…])["'”’)\]]*\s+ | (?<=[。！？])\s* | \n\s*\n\s* | \n(?=\s*(?:[-*•]|\d+\.)\s|\#)""",
    re.VERBOSE,
)

# `# Title`, or a line underlined with one kind of sign.
_HEADING = re.compile(r"\s*(?:\#{1,6}\s[^\n]*|[^\n]+\n([-=*~^\"])\1{2,})\s*\Z", re.VERBOSE)


@dataclass(frozen=True)
class _Piece:
    start: int
    end: int
    tokens: int
    heading: bool = False


class Chunker:
    """`tokens` counts all that the model sees of a chunk: prompt, title and special tokens too."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_tokens: int,
        tokens: int,
        overlap: int,
        prompt: str = "",
    ) -> None:
        if not FEWEST_TOKENS <= tokens <= max_tokens:
            raise IngestError(
                f"--chunk-tokens {tokens}: expected {FEWEST_TOKENS} to {max_tokens}, which is "
                "the longest text that the teacher takes"
            )
        if not 0 <= overlap <= tokens // 2:
            raise IngestError(f"--chunk-overlap {overlap}: expected 0 to half of {tokens} tokens")
        self._tokenizer = tokenizer
        self._overlap = overlap
        self._budget = tokens - tokenizer.num_special_tokens_to_add(False) - self._count(prompt)
        if self._budget < FEWEST_TOKENS // 2:
            raise IngestError(f"--chunk-tokens {tokens}: too few beside the prompt {prompt!r}")

    def split_many(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        return [self.split(document) for document in documents]

    def split(self, document: Document) -> list[Chunk]:
        text, title, budget = document.text, document.title, self._budget
        if title and (cost := self._count(title)) <= budget // 4:
            budget -= cost
        elif title:
            # A long title is text like any other: before each chunk it would crowd it out.
            text, title = f"{title}\n\n{text}", ""
        return [
            Chunk(document.id, position, passage, title, document.metadata)
            for position, passage in enumerate(self._passages(text, budget))
        ]

    def _passages(self, text: str, budget: int) -> Iterator[str]:
        pieces = list(self._pieces(text, budget))
        begin, done = 0, -1
        while done < len(pieces) - 1:
            end = begin
            size = 0
            while end < len(pieces) and (size := size + pieces[end].tokens) <= budget:
                end += 1
            end = max(end, begin + 1)
            # Tokens of a whole are not always the sum of its parts'.
            while end > begin + 1 and self._count(_passage(text, pieces[begin:end])) > budget:
                end -= 1
            # A heading belongs to what follows it.
            while max(begin, done) + 1 < end < len(pieces) and pieces[end - 1].heading:
                end -= 1
            if end - 1 <= done:
                begin = done + 1  # the overlap left no room for anything new
                continue
            yield _passage(text, pieces[begin:end])
            done = end - 1
            begin = self._overlapping(pieces, begin, end)

    def _overlapping(self, pieces: Sequence[_Piece], begin: int, end: int) -> int:
        """Where the next chunk begins: as many last pieces as fit the overlap, never all."""
        start, size = end, 0
        while start - 1 > begin and (size := size + pieces[start - 1].tokens) <= self._overlap:
            start -= 1
        return start

    def _pieces(self, text: str, budget: int) -> Iterator[_Piece]:
        spans = list(_spans(text))
        encoded = self._tokenizer.encode_batch_fast(
            [text[start:end] for start, end in spans], add_special_tokens=False
        )
        for (start, end), encoding in zip(spans, encoded, strict=True):
            if len(encoding) <= budget:
                heading = _HEADING.match(text, start, end) is not None
                yield _Piece(start, end, len(encoding), heading)
            else:
                yield from self._cut(text, start, end, budget)

    def _cut(self, text: str, start: int, end: int, budget: int) -> Iterator[_Piece]:
        """A sentence too long for one chunk, cut between words where it has any."""
        offsets = self._tokenizer.encode(text[start:end], add_special_tokens=False).offsets
        begin = first = 0
        while first < len(offsets):
            stop = end - start
            if first + budget < len(offsets):
                stop = _cut_at(text[start:end], begin, offsets[first + budget][0])
            # A word cut in two may have more tokens than it had as a whole.
            while (tokens := self._count(text[start + begin : start + stop])) > budget:
                stop -= max(1, (stop - begin) // 20)
            yield _Piece(start + begin, start + stop, tokens)
            begin = stop
            first = bisect.bisect_left(offsets, (begin, 0), lo=first + 1)

    def _count(self, text: str) -> int:
        if not text:
            return 0
        (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        return len(encoding)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Consecutive spans that cover the text, each ending at a border."""
    start = 0
    for border in _BORDER.finditer(text):
        yield from _short(start, border.end())
        start = border.end()
    yield from _short(start, len(text))


def _short(start: int, end: int) -> Iterator[tuple[int, int]]:
    for begin in range(start, end, _LONGEST_PIECE):
        yield begin, min(begin + _LONGEST_PIECE, end)


def _cut_at(text: str, begin: int, most: int) -> int:
    """The last line end or blank in the second half of what fits, else all that fits."""
    for blank in ("\n", " "):
        at = text.rfind(blank, (begin + most) // 2, most)
        if at > begin:
            return at + 1
    return max(most, begin + 1)


def _passage(text: str, pieces: Sequence[_Piece]) -> str:
    return text[pieces[0].start : pieces[-1].end].strip()
