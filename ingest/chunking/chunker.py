"""Documents to chunks: whole sentences packed up to a number of the teacher's own tokens.

Together the chunks of a document cover all of its text but the blanks between them, and none is
longer than the model takes, so nothing is cut off silently. Neighbours share the last sentences.

A document that fits is tokenised once, a long one twice. (The library semantic-text-splitter was
tried first: it tokenises each passage seven times over, and starts a new chunk at a blank line.)
"""

from collections.abc import Sequence
from itertools import compress
from operator import not_

from tokenizers import Tokenizer

from leafsearch.config.text import quote
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.chunking.pack import Draft, Packing
from leafsearch.ingest.chunking.pieces import Pieces
from leafsearch.ingest.chunking.tokens import Tokens
from leafsearch.ingest.document import Document
from leafsearch.ingest.errors import IngestError

DEFAULT_TOKENS = 256
DEFAULT_OVERLAP = 32
FEWEST_TOKENS = 16
_LIKELY_TOO_LONG = 6  # characters a token, of a text that is not tokenised as a whole


class Chunker:
    """`tokens` counts all that the model sees of a chunk: prompt, title and special tokens too.

    With `heading_trail` each chunk is encoded behind the headings that it stands under.
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
        self._tokens = Tokens(tokenizer)
        special = tokenizer.num_special_tokens_to_add(False)
        self._budget = tokens - special - self._tokens.count(prompt)
        if self._budget < FEWEST_TOKENS // 2:
            raise IngestError(f"--chunk-tokens {tokens}: too few beside the prompt {quote(prompt)}")
        pieces = Pieces(self._tokens)
        self._packing = Packing(self._tokens, pieces, self._budget, overlap, heading_trail)

    def split(self, document: Document) -> list[Chunk]:
        return self.split_many([document])[0]

    def split_many(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        """The chunks of each, as `split` makes them; their tokens are counted all at once."""
        drafts = self._drafts(documents)
        wholes = [draft.whole() if self._may_fit(draft) else None for draft in drafts]
        counts = iter(self._tokens.counts(w.encoded_text for w in wholes if w is not None))
        counted = [None if w is None else w.counted(next(counts)) for w in wholes]
        fits = [w is not None and w.tokens <= self._budget for w in counted]
        packed = self._packing.packed(list(compress(drafts, map(not_, fits))))
        return [[w] if w and fit else next(packed) for w, fit in zip(counted, fits, strict=True)]

    def _drafts(self, documents: Sequence[Document]) -> list[Draft]:
        """A long title is text like any other: before each chunk it would crowd it out."""
        titles = [document.title for document in documents if document.title]
        costs = iter(self._tokens.counts(titles))
        return [
            Draft.of(d, next(costs) if d.title else 0, most=self._budget // 4) for d in documents
        ]

    def _may_fit(self, draft: Draft) -> bool:
        return 0 < len(draft.text) <= _LIKELY_TOO_LONG * self._budget and not draft.text.isspace()
