"""Pieces of a document packed into chunks, each as full as it can be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leafsearch.config.text import quote
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.chunking.pieces import Piece, Pieces
from leafsearch.ingest.chunking.tokens import Tokens
from leafsearch.ingest.chunking.trails import shown, trails
from leafsearch.ingest.document import Document
from leafsearch.ingest.errors import IngestError


@dataclass(frozen=True, slots=True)
class Draft:
    """A document on its way: the text to cut, the title to repeat and the tokens it costs."""

    document: Document
    text: str
    title: str
    cost: int

    @classmethod
    def of(cls, document: Document, cost: int, *, most: int) -> "Draft":
        text, title = document.text, document.title
        if cost <= most:
            return cls(document, text, title, cost)
        return cls(document, f"{title}\n\n{text}", "", 0)

    def whole(self) -> Chunk:
        return self.chunk(0, self.text.strip())

    def chunk(self, position: int, passage: str, trail: str = "") -> Chunk:
        document = self.document
        metadata, stored = document.metadata, document.stored
        return Chunk(document.id, position, passage, self.title, metadata, trail, 0, stored)


@dataclass(frozen=True)
class Packing:
    """`budget` and `overlap` in tokens, of all that is encoded of a chunk but the prompt."""

    tokens: Tokens
    pieces: Pieces
    budget: int
    overlap: int
    heading_trail: bool

    def packed(self, drafts: Sequence[Draft]) -> Iterator[list[Chunk]]:
        """Tokens of a whole are not always the sum of its parts': where a chunk came out too
        long, its document is packed again with each chunk counted."""
        budgets = [self.budget - draft.cost for draft in drafts]
        pieces = self.pieces.of([draft.text for draft in drafts], budgets)
        found = [
            list(_Packed(self, draft, own).chunks(counted=False))
            for draft, own in zip(drafts, pieces, strict=True)
        ]
        counts = iter(self.tokens.counts(c.encoded_text for chunks in found for c in chunks))
        for draft, own, chunks in zip(drafts, pieces, found, strict=True):
            counted = [chunk.counted(next(counts)) for chunk in chunks]
            if any(chunk.tokens > self.budget for chunk in counted):
                shorter = list(_Packed(self, draft, own).chunks(counted=True))
                lengths = self.tokens.counts(c.encoded_text for c in shorter)
                counted = [c.counted(n) for c, n in zip(shorter, lengths, strict=True)]
            yield counted


class _Packed:
    """One document. Pieces are named by their place in the list of all."""

    def __init__(self, rules: Packing, draft: Draft, pieces: Sequence[Piece]) -> None:
        self._rules = rules
        self._draft = draft
        self._pieces = list(pieces)
        self._above = trails([p.heading for p in pieces]) if rules.heading_trail else []
        self._lengths: dict[str, int] = {}  # of trails, in tokens
        self._made = 0

    def chunks(self, *, counted: bool) -> Iterator[Chunk]:
        begin, done = 0, -1
        while done < len(self._pieces) - 1:
            trail, cost = self._trail(begin)
            end = self._filled(begin, self._rules.budget - self._draft.cost - cost)
            chunk = self._chunk(begin, end, trail)
            while counted and self._is_too_long(chunk):
                end, trail = self._less(begin, end, trail)
                chunk = self._chunk(begin, end, trail)
            end = self._before_headings(max(begin, done), end)
            if end - 1 <= done:
                begin = done + 1  # the overlap left no room for anything new
                continue
            chunk = self._chunk(begin, end, trail)
            if chunk.text:
                self._made += 1
                yield chunk
            done = end - 1
            begin = self._overlapping(begin, end)

    def _filled(self, begin: int, budget: int) -> int:
        """As many pieces as fit, and at least one."""
        end, size, pieces = begin, 0, self._pieces
        while end < len(pieces) and (size := size + pieces[end].tokens) <= budget:
            end += 1
        return max(end, begin + 1)

    def _before_headings(self, first: int, end: int) -> int:
        """A heading belongs to what follows it."""
        while first + 1 < end < len(self._pieces) and self._pieces[end - 1].heading:
            end -= 1
        return end

    def _overlapping(self, begin: int, end: int) -> int:
        """Where the next chunk begins: as many last pieces as fit the overlap, never all."""
        start, size, most = end, 0, self._rules.overlap
        while start - 1 > begin and (size := size + self._pieces[start - 1].tokens) <= most:
            start -= 1
        return start

    def _chunk(self, begin: int, end: int, trail: str) -> Chunk:
        first, last = self._pieces[begin], self._pieces[end - 1]
        passage = self._draft.text[first.start : last.end].strip()
        return self._draft.chunk(self._made, passage, trail)

    def _trail(self, begin: int) -> tuple[str, int]:
        """Of a long one as much as leaves room for the first piece, and for others."""
        if not self._above or not (names := self._above[begin]):
            return "", 0
        room = self._rules.budget - self._draft.cost - self._pieces[begin].tokens
        return shown(names, self._length, min(room, self._rules.budget // 4))

    def _length(self, trail: str) -> int:
        if trail not in self._lengths:
            self._lengths[trail] = self._rules.tokens.count(trail)
        return self._lengths[trail]

    def _is_too_long(self, chunk: Chunk) -> bool:
        return self._rules.tokens.count(chunk.encoded_text) > self._rules.budget

    def _less(self, begin: int, end: int, trail: str) -> tuple[int, str]:
        """Without the last piece; of one piece without its trail, and then a part of it."""
        if end > begin + 1:
            return end - 1, trail
        if not trail:
            self._cut(begin)
        return end, ""

    def _cut(self, begin: int) -> None:
        piece = self._pieces[begin]
        parts = list(self._rules.pieces.cut(self._draft.text, piece, max(1, piece.tokens - 1)))
        if len(parts) < 2:
            raise IngestError(
                f"document {quote(self._draft.document.id)}: one sign has more tokens than a chunk "
                "may have; expected a larger --chunk-tokens"
            )
        self._pieces[begin : begin + 1] = parts
        if self._above:
            self._above[begin : begin + 1] = [self._above[begin]] * len(parts)
