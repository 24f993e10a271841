"""Questions through the ordinary search path, with rows that were encoded before.

Only the encoding is taken out: truncation, codec, `$vectorSearch`, rescoring and hits are those of
every search.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymongo import MongoClient
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from leafsearch.config import Settings
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.measures import ranking
from leafsearch.search import Hit, Searcher
from leafsearch.search.session import OpenCollection, Session
from leafsearch.vectors import Collection, Encoder, Rows

_WARM_UP = 3
_FURTHEST = 1000  # rank up to which equal scores are looked for: the last one of a search


class Remembered:
    """An encoder that looks up rows computed before."""

    name = "leaf-search eval"
    revision = "-"
    query_prompt = document_prompt = ""
    max_tokens = 1 << 30  # rows are computed already, so nothing is truncated

    def __init__(self, texts: Sequence[str], rows: Rows) -> None:
        self._rows = dict(zip(texts, rows, strict=True))
        self.dimensions: int = rows.shape[1]
        self.tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return np.stack([self._rows[text] for text in texts])

    encode_documents = encode_queries

    def mapped(self, change: Callable[[Rows], Rows]) -> "Remembered":
        """An encoder of the same texts whose rows are changed."""
        return Remembered(list(self._rows), change(np.stack(list(self._rows.values()))))


def replay_searcher(client: MongoClient[Any], collection: Collection, encoder: Encoder) -> Searcher:
    """A searcher on a collection that is known to be ready. Closing it closes `client`."""
    database, name = collection.mongo.database.name, collection.mongo.name
    opened = OpenCollection(
        database=database,
        collection=name,
        manifest=collection.manifest,
        student=encoder,
        documents=collection.count(),
        seen=time.monotonic(),
    )
    return Searcher(client, Session(Settings(database=database, collection=name), opened))


@dataclass(frozen=True)
class Answers:
    """`found`: the hits of each question."""

    found: Sequence[Sequence[Hit]]
    latency: Milliseconds

    @property
    def rankings(self) -> list[list[str]]:
        """Ids of passages for each question, best first."""
        return [_ranking(hits) for hits in self.found]


def ask_each(searcher: Searcher, questions: Sequence[str], **options: Any) -> Answers:
    """Ask one question after the other, as a user does, and time each."""
    for question in questions[:_WARM_UP]:
        searcher.search(question, **options)
    found, seconds = [], []
    for question in questions:
        start = time.perf_counter()
        hits = searcher.search(question, **options)
        seconds.append(time.perf_counter() - start)
        found.append(hits)
    return Answers(found, Milliseconds.of(seconds))


def ask_all(searcher: Searcher, questions: Sequence[str], **options: Any) -> list[list[str]]:
    """All questions at once, without texts: for what is not timed."""
    return [_ranking(hits) for hits in find_all(searcher, questions, **options)]


def find_all(searcher: Searcher, questions: Sequence[str], **options: Any) -> list[list[Hit]]:
    return searcher.search_many(questions, fields=[], **options)


def find_deep(
    searcher: Searcher, questions: Sequence[str], k: int, **options: Any
) -> list[list[Hit]]:
    """`k` hits and what scores as much as the last of them, up to a thousand hits."""
    found = find_all(searcher, questions, k=k + 1, **options)
    cut = [n for n, hits in enumerate(found) if len(hits) > k and is_tie(hits[-1], hits[-2])]
    again = find_all(searcher, [questions[n] for n in cut], k=_FURTHEST, **options) if cut else []
    for n, hits in zip(cut, again, strict=True):
        found[n] = hits
    return found


def rank_with_ties(found: Sequence[Hit], deep: Sequence[Hit]) -> list[str]:
    """Ids of `found` and of whatever in `deep` scores as much as its last hit, best first.

    A search cuts equal scores where the server happens to, trec_eval by their ids: bits have so few
    different scores that the measures depend on it.
    """
    scored = {hit.id: hit for hit in (*found, *deep)}  # a score's last bits may differ
    shown = [scored[hit.id] for hit in found]
    tied = [hit for hit in deep if is_tie(hit, shown[-1])] if shown else []
    return _ranking([*shown, *tied])


def is_tie(one: Hit, other: Hit) -> bool:
    """Whether trec_eval takes the scores for equal."""
    return bool(np.float32(one.similarity) == np.float32(other.similarity))


def _ranking(hits: Sequence[Hit]) -> list[str]:
    return ranking({hit.id: hit.similarity for hit in hits})
