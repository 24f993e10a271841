"""Vector and text search fused: on the local deployment, by the same steps as anywhere."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from bson import Binary, ObjectId
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import Hit, QueryError, Searcher
from leafsearch.search.retrieval.fuse import fuse_ranks, fuse_scores, normalise
from leafsearch.search.retrieval.text_query import text_filter
from leafsearch.vectors import IndexMissing
from leaftests.search.corpora import QUESTION, WORDS, books, corpus

Made = Callable[..., Searcher]
PRECISIONS = ["float32", "int8", "binary"]
CODE = "error XK-4711 while loading"


def with_a_code() -> list[Document]:
    """One document holds a word that no other has, among much that is near the question."""
    alike = [Document(f"alike{i}", f"error while loading {w}") for i, w in enumerate(WORDS)]
    return [*alike, Document("code", f"XK-4711 {' '.join(WORDS)}")]


def rank(document: str, hits: list[Hit]) -> int:
    return [h.document for h in hits].index(document)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_rare_word_is_found_by_the_text(made: Made, precision: str) -> None:
    searcher = made(with_a_code(), hybrid=True, precision=precision)

    plain = searcher.search(CODE, k=21)
    hybrid = searcher.search(CODE, k=21, hybrid=True)
    by_text = searcher.search(CODE, k=1, hybrid=True, weights=(0, 1))

    assert by_text[0].document == "code"
    assert rank("code", hybrid) < rank("code", plain)
    assert all(-1 <= h.similarity <= 1 for h in hybrid)


def test_the_order_is_that_of_the_two_rankings(made: Made, database: Database[Any]) -> None:
    searcher = made(corpus(100), hybrid=True)
    by_vector = {h.id: h.score for h in searcher.search(QUESTION, k=100)}
    stage = {"index": "leaf_vectors_text", "text": {"query": QUESTION, "path": "text"}}
    found = database["c"].aggregate(
        [{"$search": stage}, {"$limit": 100}, {"$project": {"s": {"$meta": "searchScore"}}}]
    )
    by_text = {d["_id"]: d["s"] for d in found}

    for weights in ((1.0, 1.0), (0.3, 0.7), (1.0, 0.0), (0.0, 1.0)):
        rankings = [r for r in zip(weights, (by_vector, by_text), strict=True) if r[0]]
        expected = fuse_ranks([(w, list(scores)) for w, scores in rankings])
        hits = searcher.search(QUESTION, k=30, hybrid="rrf", weights=weights)

        assert [h.id for h in hits] == list(expected)[:30]
        assert [h.score for h in hits] == pytest.approx(list(expected.values())[:30])

        expected = fuse_scores([(w, normalise(s, None, words=s is by_text)) for w, s in rankings])
        hits = searcher.search(QUESTION, k=30, hybrid=True, weights=weights)

        assert [h.id for h in hits] == list(expected)[:30]
        assert [h.score for h in hits] == pytest.approx(list(expected.values())[:30])


def test_true_means_by_score(made: Made) -> None:
    searcher = made(corpus(100), hybrid=True)

    assert searcher.search(QUESTION, hybrid=True) == searcher.search(QUESTION, hybrid="score")
    assert searcher.search(QUESTION, hybrid=True) == searcher.search(
        QUESTION, hybrid="score", normalization="minmax"
    )
    assert searcher.search(QUESTION, hybrid=True) != searcher.search(QUESTION, hybrid="rrf")


HERE: dict[str, Any] = {"min_similarity": -1.0}  # needs both rankings, so they are fused here
ON_THE_SERVER: list[dict[str, Any]] = [
    {"hybrid": "rrf"},
    *({"hybrid": "score", "normalization": n} for n in ("minMaxScaler", "sigmoid", "none")),
]


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, 0.7), (1.0, 0.0), (0.0, 1.0)], ids=str)
@pytest.mark.parametrize("fusion", ON_THE_SERVER, ids=lambda f: "-".join(f.values()))
@pytest.mark.parametrize("opener", [Searcher], ids=["sync"])
def test_the_server_fuses_as_it_is_done_here(
    made: Made, precision: str, weights: tuple[float, float], fusion: dict[str, Any]
) -> None:
    searcher = made(corpus(100), hybrid=True, precision=precision)

    by_server = searcher.search(QUESTION, k=30, weights=weights, **fusion)
    here = searcher.search(QUESTION, k=30, weights=weights, **fusion, **HERE)

    assert not searcher._session.opened.unknown_stages
    assert [h.id for h in by_server] == [h.id for h in here]
    assert [h.score for h in by_server] == pytest.approx([h.score for h in here])
    assert [h.similarity for h in by_server] == pytest.approx(
        [h.similarity for h in here], abs=1e-2
    )


@pytest.mark.parametrize("fusion", ON_THE_SERVER, ids=lambda f: "-".join(f.values()))
def test_a_server_that_does_not_fuse_is_asked_once(
    made: Made, monkeypatch: pytest.MonkeyPatch, fusion: dict[str, Any]
) -> None:
    """MongoDB before 8.1 does not know the stage; here it is one that no mongod knows."""
    searcher = made(corpus(30), hybrid=True)
    expected = searcher.search(QUESTION, k=10, **fusion)
    asked = []

    def unknown(*given: Any, **more: Any) -> list[dict[str, Any]]:
        asked.append(given)
        return [{"$fusionOfLater": {}}]

    monkeypatch.setattr("leafsearch.search.retrieval.retrieve.fusion_stages", unknown)
    found = [searcher.search(QUESTION, k=10, **fusion) for _ in range(2)]

    assert [[h.id for h in hits] for hits in found] == [[h.id for h in expected]] * 2
    assert len(asked) == 1


def test_a_word_that_one_passage_has_brings_it_up(made: Made) -> None:
    """By the server's min-max it would count nothing."""
    searcher = made(with_a_code(), hybrid=True)

    first, *_ = searcher.search("4711", k=3, hybrid=True, weights=(0.9, 1))

    assert first.document == "code"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_least_similarity_drops_hits_and_changes_no_score(made: Made, precision: str) -> None:
    searcher = made(corpus(100), hybrid=True, precision=precision)
    every = searcher.search(QUESTION, k=100, hybrid=True, **HERE)
    middle = sorted(h.similarity for h in every)[len(every) // 2]

    near = searcher.search(QUESTION, k=100, hybrid=True, min_similarity=middle)

    assert [(h.id, h.score) for h in near] == [
        (h.id, h.score) for h in every if h.similarity >= middle
    ]
    assert 0 < len(near) < len(every)


def test_words_of_no_passage_alone_find_nothing(made: Made) -> None:
    searcher = made(corpus(30), hybrid=True)

    assert searcher.search("zebra", k=5, hybrid=True, weights=(0, 1)) == []
    assert searcher.search("zebra", k=5, hybrid=True, weights=(0, 1), **HERE) == []


def test_similarities_are_those_of_a_plain_search(made: Made) -> None:
    searcher = made(corpus(100), hybrid=True)
    plain = {h.id: h.similarity for h in searcher.search(QUESTION, k=100)}

    hits = searcher.search(QUESTION, k=50, hybrid=True)

    assert [h.similarity for h in hits] == pytest.approx([plain[h.id] for h in hits], abs=1e-5)


NOW = datetime(2024, 5, 1, tzinfo=UTC)
VALUES: list[Any] = [1, 2.5, -3, "red", "blue", True, False, None, ["red", 7], [], NOW, ObjectId()]
VALUES.append(Binary.from_uuid(UUID(int=7)))
FILTERS: list[Any] = [
    *VALUES[:8],
    *VALUES[10:],
    UUID(int=7),
    {"$gte": 1},
    {"$gt": 1, "$lt": 3},
    {"$gt": "blue"},
    {"$lte": NOW},
    {"$ne": "red"},
    {"$in": ["red", "blue"]},
    {"$nin": [1, 7]},
    {"$exists": True},
    {"$exists": False},
    {"$not": {"$gte": 2}},
]


@pytest.fixture
def filtered(made: Made) -> Searcher:
    documents = [
        Document(str(i), "ash elm", metadata={} if i == 0 else {"v": VALUES[i - 1], "n": i})
        for i in range(len(VALUES) + 1)
    ]
    return made(documents, hybrid=True, filters=["metadata.v", "metadata.n"])


@pytest.mark.parametrize("opener", [Searcher], ids=["sync"])
def test_a_filter_lets_the_same_pass_in_both_halves(filtered: Searcher) -> None:
    combined: list[dict[str, Any]] = [
        {"$or": [{"metadata.v": "red"}, {"metadata.n": {"$lt": 3}}]},
        {"$and": [{"metadata.v": {"$exists": True}}, {"metadata.n": {"$gt": 3}}]},
        {"$nor": [{"metadata.v": "red"}, {"metadata.n": 1}]},
        {"metadata.n": {"$gt": 2}, "metadata.v": {"$ne": None}},
        {"$and": [{}]},
        {"$and": [{}, {"metadata.n": {"$lt": 3}}]},
        {"$or": [{}, {"metadata.n": 1}], "metadata.n": {"$lt": 5}},
        {"$or": [{"$and": [{}]}, {"metadata.n": 1}]},
        {"$nor": [{}, {"metadata.n": 1}]},
        {"$nor": [{"$nor": [{}]}], "metadata.n": {"$gt": 4}},
    ]
    for filter in [*({"metadata.v": f} for f in FILTERS), *combined]:
        by_vector = filtered.search("ash", k=50, filter=filter)
        by_text = filtered.search("ash", k=50, filter=filter, hybrid=True, weights=(0, 1))

        assert {h.document for h in by_text} == {h.document for h in by_vector}, filter


def test_a_filter_becomes_one_clause() -> None:
    assert text_filter({"a": 1}) == {"equals": {"path": "a", "value": 1}}
    assert text_filter({"a": {"$gt": 1, "$lt": 3}, "b": {"$nin": [1]}}) == {
        "compound": {
            "filter": [
                {
                    "compound": {
                        "filter": [
                            {"range": {"path": "a", "gt": 1}},
                            {"range": {"path": "a", "lt": 3}},
                        ]
                    }
                },
                {"compound": {"mustNot": [{"in": {"path": "b", "value": [1]}}]}},
            ]
        }
    }


def test_other_options_go_with_it(made: Made) -> None:
    searcher = made(books(), hybrid=True, chunk_tokens=32, chunk_overlap=0)

    pages = [searcher.search(QUESTION, k=5, skip=s, hybrid=True) for s in (0, 5, 10)]
    documents = searcher.search(QUESTION, k=5, hybrid=True, by_document=True)
    context = searcher.context(QUESTION, 200, hybrid=True)

    ids = [h.id for page in pages for h in page]
    assert len(ids) == len(set(ids)) == 15
    assert ids == [h.id for h in searcher.search(QUESTION, k=15, skip=0, hybrid=True)]
    assert len({h.document for h in documents}) == 5
    assert 0 < context.tokens <= 200


def test_a_collection_without_text_index_says_how_to_get_one_and_gets_it(
    made: Made, database: Database[Any], mongodb_uri: str, tmp_path: Any, opener: Any
) -> None:
    documents = with_a_code()
    searcher = made(documents)
    with pytest.raises(IndexMissing, match="Run `leaf-ingest PATH --hybrid --data"):
        searcher.search(CODE, hybrid=True)

    settings = load({}, database=database.name, collection="c")
    target = open_target(database, settings, Choices(hybrid=True))
    summary = ingest(documents, target, rejects=Rejects(tmp_path / "rejects"))
    target.ensure_index()
    target.collection.wait_until_ready(None, seconds=60, on_status=lambda status: None)

    assert summary.encoded == 0
    with opener.open(mongodb_uri, settings) as again:
        (found,) = again.search(CODE, k=1, hybrid=True, weights=(0, 1))
        assert found.document == "code"


def test_a_text_index_that_is_gone_is_an_error(made: Made, database: Database[Any]) -> None:
    searcher = made(with_a_code(), hybrid=True)
    database["c"].drop_search_index("leaf_vectors_text")

    for fusion in [{"hybrid": True}, *ON_THE_SERVER]:
        with pytest.raises(IndexMissing, match="has no search index 'leaf_vectors_text'"):
            searcher.search("nothing has this", **fusion)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hybrid": True, "weights": (-1, 1)}, "expected two numbers"),
        ({"hybrid": "rank"}, "hybrid is 'rank'; expected True, False, 'score' or 'rrf'"),
        ({"hybrid": 1}, "hybrid is 1; expected True"),
        ({"hybrid": ["score"]}, "hybrid is .'score'.; expected True"),
        ({"hybrid": True, "normalization": "minmaxx"}, "did you mean minmax"),
        ({"hybrid": True, "normalization": 1}, "normalization is 1; expected one of minmax"),
        ({"hybrid": "rrf", "normalization": "sigmoid"}, "for hybrid search by score only"),
        ({"normalization": "sigmoid"}, "for hybrid search by score only"),
        ({"weights": (1, 2)}, "for hybrid search only"),
    ],
    ids=str,
)
def test_options_of_the_fusion_are_checked(
    made: Made, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        made(corpus(3), hybrid=True).search(QUESTION, **options)


def test_words_that_no_passage_has_leave_the_vectors_alone(made: Made) -> None:
    searcher = made(corpus(30), hybrid=True)

    hits = searcher.search("zebra", k=5, hybrid=True)
    by_rank = searcher.search("zebra", k=5, hybrid="rrf")

    assert [h.id for h in by_rank] == [h.id for h in hits]
    assert [h.id for h in hits] == [h.id for h in searcher.search("zebra", k=5)]
    assert np.isfinite([h.score for h in hits]).all()
