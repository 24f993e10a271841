"""encode -> compress -> $vectorSearch -> hits."""

import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from pymongo import MongoClient

from config import Settings
from search.errors import NoHits, QueryError
from search.filters import check_filter
from search.hit import Hit, cosine_of, to_hit
from vectors import (
    Collection,
    Encoder,
    Manifest,
    ModelError,
    Rows,
    StoredChunk,
    connect,
    explained,
    load_student,
)
from vectors.agreement import demand_agreement
from vectors.manifest import read_manifest

log = logging.getLogger(__name__)

_MOST_CANDIDATES = 10_000  # the server's limit
_FEWEST_CANDIDATES = 100
_CANDIDATES_PER_HIT = 20  # MongoDB's advice
_RESCORED_PER_HIT = 4  # of bits, from which the float query then chooses


class Searcher:
    """Keeps the student and the connection; safe to use from several threads.

    All it needs to know it reads from the manifest, so that a query cannot be encoded with
    another model or compressed otherwise than the documents were.
    """

    def __init__(self, client: MongoClient[Any], collection: Collection, student: Encoder) -> None:
        self._client = client
        self._collection = collection
        self._student = student

    @classmethod
    def open(cls, uri: str, settings: Settings | None = None) -> Self:
        """`settings` name database and collection; a model or storage given there must agree.

        Raises DeploymentError, ManifestError, ModelError, or the SearchIndexError that says why
        the index cannot be searched.
        """
        settings = settings or Settings()
        client = connect(uri)
        try:
            return cls(client, *_opened(client, settings))
        except BaseException:
            client.close()
            raise

    @property
    def manifest(self) -> Manifest:
        return self._collection.manifest

    def search(
        self,
        question: str,
        *,
        k: int = 10,
        filter: Mapping[str, Any] | None = None,
        exact: bool = False,
        num_candidates: int | None = None,
    ) -> list[Hit]:
        """The `k` passages nearest to `question`, best first.

        `filter` uses MongoDB's operators on declared filter paths. `exact` compares with every
        vector; else the server looks at `num_candidates` (up to 10,000, at least `k`; None for 20
        per hit and at least 100). Raises QueryError, FilterError, NoHits, and a SearchIndexError
        where the server would answer with an empty list.
        """
        _check(question, k, exact, num_candidates)
        if filter:
            check_filter(filter, self.manifest.filters)
        query = self._encoded(question)
        hits = self._nearest(query, k, filter, None if exact else num_candidates, exact)
        if not hits:
            self._explain_emptiness(filter)
        return hits

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _encoded(self, question: str) -> Rows:
        count = len(self._student.tokenizer.encode(self._student.query_prompt + question))
        if count > self._student.max_tokens:
            log.warning(
                "the question has %d tokens; the student reads only the first %d",
                count,
                self._student.max_tokens,
            )
        return self._student.encode_queries([question])

    def _nearest(
        self,
        query: Rows,
        k: int,
        filter: Mapping[str, Any] | None,
        num_candidates: int | None,
        exact: bool,
    ) -> list[Hit]:
        in_bits = self.manifest.precision == "binary"
        limit = _pool(k, num_candidates) if in_bits else k
        found = self._collection.nearest(
            self.manifest.codec.compress(query)[0],
            limit=limit,
            num_candidates=None if exact else num_candidates or _candidates(limit),
            filter=filter,
            keep_vector=in_bits,
        )
        if in_bits:
            return self._rescored(query, found)[:k]
        return [to_hit(chunk, cosine_of(chunk["score"], self.manifest)) for chunk in found]

    def _rescored(self, query: Rows, found: Sequence[StoredChunk]) -> list[Hit]:
        """By the float query against the stored bits, which the server cannot do for us."""
        if not found:
            return []
        dimensions = self.manifest.dimensions
        stored = self.manifest.codec.expand([chunk[self.manifest.path] for chunk in found])
        similarities = stored @ query[0, :dimensions] / np.linalg.norm(query[0, :dimensions])
        hits = [to_hit(c, float(s)) for c, s in zip(found, similarities, strict=True)]
        return sorted(hits, key=lambda hit: (-hit.similarity, hit.id))

    def _explain_emptiness(self, filter: Mapping[str, Any] | None) -> None:
        self._collection.index.check()
        if filter or not self._collection.count():
            return
        raise NoHits(
            f"search index {self.manifest.index!r} is there and finds nothing, although "
            f"{self._collection.mongo.full_name} holds {self._collection.count()} documents: it "
            "may lag behind the last write, so try again in a moment; or the stored vectors are "
            f"not {self.manifest.dimensions} x {self.manifest.precision}, which the server skips"
        )


def _opened(client: MongoClient[Any], settings: Settings) -> tuple[Collection, Encoder]:
    database = client[settings.database]
    with explained():
        manifest = read_manifest(database, settings.collection)
    demand_agreement(manifest, settings, None)
    collection = Collection(database[settings.collection], manifest)
    collection.index.check()
    student = load_student(manifest.student.name, revision=manifest.student.revision)
    if student.dimensions < manifest.dimensions:
        raise ModelError(
            f"student {student.name} gives {student.dimensions} dimensions, but the collection "
            f"needs {manifest.dimensions}; ingest again with a student of this teacher"
        )
    return collection, student


def _check(question: str, k: int, exact: bool, num_candidates: int | None) -> None:
    if not isinstance(question, str) or not question.strip():
        raise QueryError(f"question {question!r}: expected some text")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise QueryError(f"k (-k) is {k!r}; expected a whole number of at least 1")
    if exact:
        if num_candidates is not None:
            raise QueryError("exact search looks at every vector: leave num_candidates out")
        return
    if k > _MOST_CANDIDATES:
        raise QueryError(f"k (-k) is {k}; the server gives at most {_MOST_CANDIDATES}, or exact")
    if num_candidates is not None and not k <= num_candidates <= _MOST_CANDIDATES:
        raise QueryError(
            f"num_candidates is {num_candidates}; expected {k} (k) to {_MOST_CANDIDATES}"
        )


def _candidates(limit: int) -> int:
    return min(max(_CANDIDATES_PER_HIT * limit, _FEWEST_CANDIDATES), _MOST_CANDIDATES)


def _pool(k: int, num_candidates: int | None) -> int:
    """How many of bit storage to fetch for re-scoring: no more than the server looks at."""
    wanted = max(_RESCORED_PER_HIT * k, _FEWEST_CANDIDATES)
    return max(k, min(wanted, num_candidates or _MOST_CANDIDATES))
