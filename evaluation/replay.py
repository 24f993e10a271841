"""Questions through the ordinary search path, with rows that were encoded before.

Only the encoding is taken out: truncation, codec, `$vectorSearch`, rescoring and hits are those of
every search.
"""

import time
from collections.abc import Sequence
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
    """`rankings`: ids of passages for each question, best first."""

    rankings: list[list[str]]
    latency: Milliseconds


def ask_each(searcher: Searcher, questions: Sequence[str], **options: Any) -> Answers:
    """Ask one question after the other, as a user does, and time each."""
    for question in questions[:_WARM_UP]:
        searcher.search(question, **options)
    rankings, seconds = [], []
    for question in questions:
        start = time.perf_counter()
        hits = searcher.search(question, **options)
        seconds.append(time.perf_counter() - start)
        rankings.append(_ranking(hits))
    return Answers(rankings, Milliseconds.of(seconds))


def ask_all(searcher: Searcher, questions: Sequence[str], **options: Any) -> list[list[str]]:
    """All questions at once, without texts: for what is not timed."""
    found = searcher.search_many(questions, fields=[], **options)
    return [_ranking(hits) for hits in found]


def _ranking(hits: Sequence[Hit]) -> list[str]:
    return ranking({hit.id: hit.similarity for hit in hits})
