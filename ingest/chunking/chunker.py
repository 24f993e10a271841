"""Documents to chunks: whole sentences packed up to a number of the teacher's own tokens.

Together the chunks of a document cover all of its text but the blanks between them, and none is
longer than the model takes, so nothing is cut off silently. Neighbours share the last sentences.

A document that fits is tokenised once, a long one twice. (The library semantic-text-splitter was
tried first: it tokenises each passage seven times over, and starts a new chunk at a blank line.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_
from typing import Any

from tokenizers import Tokenizer

from leafsearch.config.text import quote
from leafsearch.ingest.chunking.borders import fit_trail, heading_trails
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.chunking.pieces import Piece, Pieces, TokenCounter
from leafsearch.ingest.chunking.place import PlaceFinder
from leafsearch.ingest.document import Document
from leafsearch.ingest.errors import IngestError

DEFAULT_TOKENS = 256
DEFAULT_OVERLAP = 32
FEWEST_TOKENS = 16
_LIKELY_TOO_LONG = 6  # characters a token, of a text that is not tokenised as a whole


@dataclass(frozen=True, slots=True)
class Draft:
    """A document being cut: the text to cut, the title to repeat, and the tokens that it costs.

    `shift` counts the characters of a long title that stand before the document's own text.
    """

    document: Document
    text: str
    title: str
    cost: int
    shift: int = 0

    @classmethod
    def of(cls, document: Document, cost: int, *, most: int) -> "Draft":
        text, title = document.text, document.title
        if cost <= most:
            return cls(document, text, title, cost)
        return cls(document, f"{title}\n\n{text}", "", 0, len(title) + 2)

    def whole(self) -> Chunk:
        return self.chunk(0, self.text.strip(), place=self.places().whole(self.text))

    def cuts(self) -> Sequence[int] | None:
        """The borders of a program in the text; None for other texts."""
        document = self.document
        return [cut + self.shift for cut in document.cuts] if document.is_code else None

    def places(self) -> PlaceFinder:
        return PlaceFinder(self.document, self.text, self.shift)

    def chunk(
        self, position: int, passage: str, trail: str = "", *, place: Mapping[str, Any]
    ) -> Chunk:
        document = self.document
        metadata, stored = document.metadata, document.stored
        return Chunk(document.id, position, passage, self.title, metadata, trail, 0, stored, place)


@dataclass(frozen=True)
class Packer:
    """`budget` and `overlap` are in tokens, and count all that is encoded of a chunk but the
    prompt."""

    tokens: TokenCounter
    pieces: Pieces
    budget: int
    overlap: int
    heading_trail: bool

    def packed(self, drafts: Sequence[Draft]) -> Iterator[list[Chunk]]:
        """Tokens of a whole are not always the sum of its parts': where a chunk came out too
        long, its document is packed again with each chunk counted."""
        budgets = [self.budget - draft.cost for draft in drafts]
        cuts = [draft.cuts() for draft in drafts]
        pieces = self.pieces.of([draft.text for draft in drafts], budgets, cuts)
        found = [
            list(_DocumentPacker(self, draft, own).chunks(counted=False))
            for draft, own in zip(drafts, pieces, strict=True)
        ]
        counts = iter(self.tokens.counts(c.encoded_text for chunks in found for c in chunks))
        for draft, own, chunks in zip(drafts, pieces, found, strict=True):
            counted = [chunk.counted(next(counts)) for chunk in chunks]
            if any(chunk.tokens > self.budget for chunk in counted):
                shorter = list(_DocumentPacker(self, draft, own).chunks(counted=True))
                lengths = self.tokens.counts(c.encoded_text for c in shorter)
                counted = [c.counted(n) for c, n in zip(shorter, lengths, strict=True)]
            yield counted


class _DocumentPacker:
    """Packs one document. Pieces are named by their index in the list of all."""

    def __init__(self, rules: Packer, draft: Draft, pieces: Sequence[Piece]) -> None:
        self._rules = rules
        self._draft = draft
        self._pieces = list(pieces)
        self._above = heading_trails([p.heading for p in pieces])
        self._places = draft.places()
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
        """The end of a chunk with as many pieces as fit, and at least one."""
        end, size, pieces = begin, 0, self._pieces
        while end < len(pieces) and (size := size + pieces[end].tokens) <= budget:
            if pieces[end].opens and end > begin:
                break
            end += 1
        return max(end, begin + 1)

    def _before_headings(self, first: int, end: int) -> int:
        """Move the end before trailing headings: a heading belongs to the text after it."""
        while first + 1 < end < len(self._pieces) and self._pieces[end - 1].heading:
            end -= 1
        return end

    def _overlapping(self, begin: int, end: int) -> int:
        """The start of the next chunk: as many last pieces as fit the overlap, but never all."""
        if end < len(self._pieces) and self._pieces[end].opens:
            return end
        start, size, most = end, 0, self._rules.overlap
        while start - 1 > begin and (size := size + self._pieces[start - 1].tokens) <= most:
            start -= 1
        return start

    def _chunk(self, begin: int, end: int, trail: str) -> Chunk:
        first, last = self._pieces[begin], self._pieces[end - 1]
        passage = self._draft.text[first.start : last.end]
        start = first.start + len(passage) - len(passage.lstrip())
        passage = passage.strip()
        place = self._places.at(start, start + len(passage), self._headings(begin))
        return self._draft.chunk(self._made, passage, trail, place=place)

    def _headings(self, begin: int) -> Sequence[str]:
        """The headings that a chunk stands below, its own first line included."""
        heading = self._pieces[begin].heading
        own = (heading.text,) if heading and heading.text else ()
        return (*self._above[begin], *own)

    def _trail(self, begin: int) -> tuple[str, int]:
        """The trail and its cost; a long trail is cut, so that the first piece and others have
        room."""
        names = self._above[begin]
        if self._draft.document.is_code:
            names = self._places.symbol(self._pieces[begin].start)
        elif not self._rules.heading_trail:
            names = ()
        if not names:
            return "", 0
        room = self._rules.budget - self._draft.cost - self._pieces[begin].tokens
        return fit_trail(names, self._length, min(room, self._rules.budget // 4))

    def _length(self, trail: str) -> int:
        if trail not in self._lengths:
            self._lengths[trail] = self._rules.tokens.count(trail)
        return self._lengths[trail]

    def _is_too_long(self, chunk: Chunk) -> bool:
        return self._rules.tokens.count(chunk.encoded_text) > self._rules.budget

    def _less(self, begin: int, end: int, trail: str) -> tuple[int, str]:
        """Drop the last piece; a single piece loses its trail first, then a part of itself."""
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
                f"document {quote(self._draft.document.id)}: one character has more tokens than a "
                "chunk may have; expected a larger --chunk-tokens"
            )
        self._pieces[begin : begin + 1] = parts
        self._above[begin : begin + 1] = [self._above[begin]] * len(parts)


class Chunker:
    """`tokens` limits all that the model sees of a chunk: prompt, title and special tokens too.

    With `heading_trail` each chunk is encoded after the headings above it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_tokens: int,
        tokens: int,
        overlap: int,
        prompt: str = "",
        heading_trail: bool = False,
    ) -> None:
        if not FEWEST_TOKENS <= tokens <= max_tokens:
            raise IngestError(
                f"--chunk-tokens {tokens}: expected {FEWEST_TOKENS} to {max_tokens}, which is "
                "the longest text that the teacher takes"
            )
        if not 0 <= overlap <= tokens // 2:
            raise IngestError(f"--chunk-overlap {overlap}: expected 0 to half of {tokens} tokens")
        self._tokens = TokenCounter(tokenizer)
        special = tokenizer.num_special_tokens_to_add(False)
        self._budget = tokens - special - self._tokens.count(prompt)
        if self._budget < FEWEST_TOKENS // 2:
            raise IngestError(f"--chunk-tokens {tokens}: too few beside the prompt {quote(prompt)}")
        pieces = Pieces(self._tokens)
        self._packing = Packer(self._tokens, pieces, self._budget, overlap, heading_trail)

    def split(self, document: Document) -> list[Chunk]:
        return self.split_many([document])[0]

    def split_many(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        """The chunks of each document, as `split` makes them; their tokens are counted in few
        calls."""
        drafts = self._drafts(documents)
        wholes = [draft.whole() if self._may_fit(draft) else None for draft in drafts]
        counts = iter(self._tokens.counts(w.encoded_text for w in wholes if w is not None))
        counted = [None if w is None else w.counted(next(counts)) for w in wholes]
        fits = [w is not None and w.tokens <= self._budget for w in counted]
        packed = self._packing.packed(list(compress(drafts, map(not_, fits))))
        return [[w] if w and fit else next(packed) for w, fit in zip(counted, fits, strict=True)]

    def _drafts(self, documents: Sequence[Document]) -> list[Draft]:
        """A long title becomes text: repeated before each chunk, it would crowd the text out."""
        titles = [document.title for document in documents if document.title]
        costs = iter(self._tokens.counts(titles))
        most = self._budget // 4
        return [Draft.of(d, next(costs).tokens if d.title else 0, most=most) for d in documents]

    def _may_fit(self, draft: Draft) -> bool:
        if len(draft.document.cuts) > 1:
            return False
        return 0 < len(draft.text) <= _LIKELY_TOO_LONG * self._budget and not draft.text.isspace()
