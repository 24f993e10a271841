"""Passages for a language model: in reading order, with their sources, within a budget.

Consecutive chunks are joined again to the text that they were cut from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from leafsearch.config.text import quote
from leafsearch.search.errors import QueryError
from leafsearch.search.hit import Hit, describe_place, join_places
from leafsearch.search.retrieval.stored_chunk import chunk_of, fetch_stages, match_documents
from leafsearch.search.session.io import Aggregate, Steps
from leafsearch.search.session.open import OpenCollection, look_up
from leafsearch.vectors.encoders import Words

KEY = ("document", "position")
_Chunks: TypeAlias = Mapping[tuple[str, int], Mapping[str, Any]]
_SHORTEST = 12  # characters; chunks may share less by chance
_AROUND = 1  # chunks before and after a hit, as far as the budget allows


@dataclass(frozen=True)
class Passage:
    """Chunks `first` to `last` of a document as one text; `similarity` of the best hit in it.

    `place` tells where in its source the passage stands, as in Hit.
    """

    document: str
    first: int
    last: int
    text: str
    metadata: Mapping[str, Any]
    similarity: float
    place: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """`text` has every passage under a line `[n] title (document, place)`; `tokens` are the
    student's."""

    text: str
    passages: tuple[Passage, ...]
    tokens: int


def compose(
    opened: OpenCollection, hits: Sequence[Hit], max_tokens: int, max_time_ms: int | None = None
) -> Steps[Context]:
    """Take hits by rank as long as they fit, then their neighbours, and join adjacent chunks.

    The best hit is always included, cut if it does not fit. Documents are in the order of their
    best hit, passages in the order of their document.
    """
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise QueryError(
            f"max_tokens is {quote(max_tokens)}; expected a whole number of at least 1"
        )
    if not hits:
        return Context("", (), 0)
    near = [(h.document, h.position - _AROUND, h.position + _AROUND) for h in hits]
    chunks = yield from _read_chunks(opened, near, max_time_ms)
    there = [h for h in hits if (h.document, h.position) in chunks]
    if len(there) < len(hits):
        yield from look_up(opened)  # deleted or retired since they were found
    if not there:
        return Context("", (), 0)
    hits, wanted = there, [(h.document, h.position) for h in there]
    beside = [(h.document, p) for h in hits for p in (h.position - 1, h.position + 1)]
    taken = {wanted[0]}
    best = _written(opened, hits, taken, chunks)
    if best.tokens > max_tokens:
        return _cut(opened, best, max_tokens)
    for key in dict.fromkeys([*wanted, *beside]):
        if key in chunks and key not in taken:
            tried = _written(opened, hits, taken | {key}, chunks)
            if tried.tokens <= max_tokens:
                taken, best = taken | {key}, tried
    return best


def _cut(opened: OpenCollection, context: Context, max_tokens: int) -> Context:
    """Cut the only passage at the end of a word."""
    (passage,) = context.passages
    source = _source(1, passage)
    end = Words(opened.tokenizer).offsets(context.text)[max_tokens][0]
    if not context.text[end - 1].isspace() and not context.text[end].isspace():
        whole_words = len(context.text[:end].rsplit(None, 1)[0])
        if whole_words > len(source) + 1:  # Thai and others have no blanks between words
            end = whole_words
    if end <= len(source) + 1:
        raise QueryError(
            f"max_tokens is {max_tokens}; the line that names the source alone has "
            f"{_count(opened, source)}. Allow more"
        )
    text = context.text[:end].rstrip()
    passage = replace(passage, text=text[len(source) + 1 :])
    return Context(text, (passage,), _count(opened, text))


def _written(
    opened: OpenCollection,
    hits: Sequence[Hit],
    taken: set[tuple[str, int]],
    chunks: _Chunks,
) -> Context:
    passages = []
    for document in dict.fromkeys(h.document for h in hits):
        for run in _runs(sorted(p for d, p in taken if d == document)):
            passages.append(_passage(document, run, hits, chunks))
    blocks = [f"{_source(n, p)}\n{p.text}" for n, p in enumerate(passages, start=1)]
    text = "\n\n".join(blocks)
    return Context(text, tuple(passages), _count(opened, text) if text else 0)


def _count(opened: OpenCollection, text: str) -> int:
    return Words(opened.tokenizer).count([text])[0].tokens


def _runs(positions: Sequence[int]) -> list[list[int]]:
    """Group consecutive numbers."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    return runs


def _passage(
    document: str,
    run: Sequence[int],
    hits: Sequence[Hit],
    chunks: _Chunks,
) -> Passage:
    ours = [h for h in hits if h.document == document]
    inside = [h.similarity for h in ours if h.position in run]
    return Passage(
        document=document,
        first=run[0],
        last=run[-1],
        text=join_chunks([chunks[document, position]["text"] for position in run]),
        metadata=ours[0].metadata,
        similarity=max(inside, default=ours[0].similarity),
        place=join_places(*(_place(chunks[document, at]) for at in (run[0], run[-1]))),
    )


def _source(number: int, passage: Passage) -> str:
    title = str(passage.metadata.get("title") or "")
    where = ", ".join(filter(None, (passage.document, describe_place(passage.place, title))))
    return f"[{number}] {title} ({where})" if title else f"[{number}] {where}"


def _place(chunk: Mapping[str, Any]) -> Mapping[str, Any]:
    return chunk.get("place") or {}


def read_texts(
    opened: OpenCollection, spans: Sequence[tuple[str, int, int]], max_time_ms: int | None
) -> Steps[dict[tuple[str, int], str]]:
    """Texts by document and position, of all chunks in (document, first, last)."""
    chunks = yield from _read_chunks(opened, spans, max_time_ms)
    return {key: chunk["text"] for key, chunk in chunks.items()}


def _read_chunks(
    opened: OpenCollection, spans: Sequence[tuple[str, int, int]], max_time_ms: int | None
) -> Steps[_Chunks]:
    pipeline: list[dict[str, Any]] = [
        {"$match": match_documents(opened.manifest, spans)},
        *fetch_stages(opened.manifest, [*KEY, "text", "place"], None),
    ]
    found = yield Aggregate(opened.collection, pipeline, max_time_ms)
    chunks = [chunk_of(opened.manifest, each) for each in found]
    return {(c["document"], c["position"]): c for c in chunks}


def join_chunks(texts: Sequence[str]) -> str:
    """Join the texts of consecutive chunks, with shared text only once."""
    whole = ""
    for text in texts:
        shared = _overlap(whole, text)
        between = "\n" if whole and not shared else ""
        whole += between + text[shared:]
    return whole


def _overlap(before: str, after: str) -> int:
    """Length of the longest beginning of `after`, in whole words, that `before` ends with."""
    for length in range(min(len(before), len(after)), _SHORTEST - 1, -1):
        whole_words = after[length : length + 1].strip() == "" and (
            length == len(before) or before[-length - 1].isspace()
        )
        if whole_words and before.endswith(after[:length]):
            return length
    return 0
