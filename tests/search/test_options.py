"""What can be asked of a search beyond k and a filter; each test asks both faces."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener

from leafsearch.ingest import Document
from leafsearch.search import (
    CrossEncoder,
    FilterError,
    Query,
    QueryError,
    Searcher,
    SearchError,
    SearchTimeout,
)
from leafsearch.search.query import Options
from leafsearch.search.retrieval.rank import order_by_mmr
from leafsearch.vectors import ManifestError, ModelError
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.store import MANIFESTS
from leaftests.search.corpora import QUESTION, WORDS, books, corpus

Made = Callable[..., Searcher]
PRECISIONS = ["float32", "int8", "binary"]


def test_options_and_query_name_the_same() -> None:
    assert set(Options.__annotations__) == set(Query.__dataclass_fields__)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_pages_follow_each_other_without_gap_or_repetition(made: Made, precision: str) -> None:
    twins = [Document(f"twin{i}", "ash elm") for i in range(9)]  # equal scores at every border
    searcher = made([*corpus(100), *twins], precision=precision)

    pages = [searcher.search(QUESTION, k=10, skip=skip) for skip in range(0, 120, 10)]

    ids = [hit.id for page in pages for hit in page]
    assert len(ids) == len(set(ids)) == 109
    assert ids == [hit.id for hit in searcher.search(QUESTION, k=109)]
    assert all(hit.text for page in pages for hit in page)


def test_pages_end_where_it_is_said(made: Made) -> None:
    with pytest.raises(QueryError, match="pages end at 1000"):
        made(corpus(3)).search(QUESTION, k=10, skip=995)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_minimum_similarity_is_a_plain_cosine(made: Made, precision: str) -> None:
    searcher = made(corpus(), precision=precision)
    everything = searcher.search(QUESTION, k=300)
    border = everything[50].similarity

    hits = searcher.search(QUESTION, k=300, min_similarity=border)

    assert [h.id for h in hits] == [h.id for h in everything if h.similarity >= border]
    assert searcher.search(QUESTION, min_similarity=0.999) == []


def test_bits_without_rescoring_are_in_the_servers_order(made: Made) -> None:
    searcher = made(corpus(), precision="binary")

    plain = searcher.search(QUESTION, k=50, rescore=0)
    rescored = searcher.search(QUESTION, k=50)

    assert [h.score for h in plain] == sorted((h.score for h in plain), reverse=True)
    assert [h.similarity for h in plain] == pytest.approx([2 * h.score - 1 for h in plain])
    assert [h.id for h in plain] != [h.id for h in rescored]


@pytest.mark.parametrize("more", [{}, {"by_document": True}])
def test_only_the_fields_that_are_wanted_come_back(made: Made, more: Any) -> None:
    searcher = made(books())

    (text, *_) = searcher.search(QUESTION, fields=["text"], **more)
    (shelf, *_) = searcher.search(QUESTION, fields=["metadata.shelf"], **more)
    (nothing, *_) = searcher.search(QUESTION, fields=[], **more)
    (all_of_it, *_) = searcher.search(QUESTION, fields=["metadata.shelf", "metadata"], **more)

    assert (bool(text.text), text.metadata) == (True, {})
    assert (shelf.text, set(shelf.metadata)) == ("", {"shelf"})
    assert (nothing.text, nothing.metadata, bool(nothing.document)) == ("", {}, True)
    assert set(all_of_it.metadata) == {"shelf", "title"}


@pytest.mark.parametrize("more", [{}, {"by_document": True}])
def test_fields_that_lie_in_each_other_come_as_the_outer_one(made: Made, more: Any) -> None:
    searcher = made([Document("a", "ash", metadata={"a": {"b": 1, "c": 2}, "d": 3})])

    (hit,) = searcher.search(QUESTION, fields=["metadata.a.b", "metadata.a"], **more)

    assert hit.metadata == {"a": {"b": 1, "c": 2}}


def test_by_document_gives_the_best_passage_of_each(made: Made) -> None:
    searcher = made(books(), chunk_tokens=32, chunk_overlap=8)
    passages = searcher.search(QUESTION, k=1000)
    best: dict[str, str] = {}
    for hit in passages:
        best.setdefault(hit.document, hit.id)

    hits = searcher.search(QUESTION, k=4, by_document=True)

    assert len(passages) > 100
    assert [h.id for h in hits] == list(best.values())[:4]


def test_by_document_looks_on_until_there_are_enough(made: Made) -> None:
    """The first hundreds of passages are all of one document."""
    many = Document("many", "\n\n".join(f"ash elm oak sea. {i}" for i in range(400)))
    others = [Document(f"other{i}", f"sea {w}") for i, w in enumerate(WORDS[:5])]
    searcher = made([many, *others], chunk_tokens=16, chunk_overlap=0)

    hits = searcher.search(QUESTION, k=5, by_document=True)

    assert Counter(h.document for h in searcher.search(QUESTION, k=20)) == {"many": 20}
    assert len({h.document for h in hits}) == 5


def test_neighbours_give_the_text_around_without_repetition(made: Made) -> None:
    documents = {d.id: d for d in books()}
    searcher = made(documents.values(), chunk_tokens=64, chunk_overlap=24)

    for hit in searcher.search(QUESTION, k=20, neighbours=1):
        assert hit.text in hit.context
        assert len(hit.context) > len(hit.text)
        assert hit.context.replace("\n", " ") in documents[hit.document].text


def test_more_neighbours_than_there_are_give_the_whole_document_at_once(made: Made) -> None:
    documents = {d.id: d for d in books(2)}
    searcher = made(documents.values(), chunk_tokens=64, chunk_overlap=24)

    (hit,) = searcher.search(QUESTION, k=1, neighbours=2**31 - 1)

    assert hit.context.replace("\n", " ") == documents[hit.document].text


def test_diversity_leaves_out_what_is_alike(made: Made) -> None:
    alike = [Document(f"alike{i}", f"ash elm oak sea fig {i}") for i in range(10)]
    other = [Document("other", "sea urn tin"), Document("another", "ash dew bay")]
    searcher = made([*alike, *other])

    plain = {h.document for h in searcher.search(QUESTION, k=3)}
    diverse = [h.document for h in searcher.search(QUESTION, k=3, diversity=0.6)]

    assert plain <= {d.id for d in alike}
    assert diverse[0] == searcher.search(QUESTION, k=1)[0].document
    assert set(diverse[1:]) == {"other", "another"}


def test_diversity_follows_its_formula() -> None:
    rows = unit_rows(np.random.default_rng(1).standard_normal((40, 8)).astype(np.float32))
    relevance = rows @ rows[7]

    order = order_by_mmr(relevance, rows, count=12, diversity=0.3)

    for place, chosen in enumerate(order):
        left = [i for i in range(40) if i not in order[:place]]
        worth = {
            i: 0.7 * relevance[i] - 0.3 * max((rows[i] @ rows[j] for j in order[:place]), default=0)
            for i in left
        }
        assert worth[chosen] == pytest.approx(max(worth.values()), abs=1e-6)
    assert len(set(order)) == 12


@pytest.mark.parametrize("precision", PRECISIONS)
def test_many_questions_at_once_get_what_each_gets_alone(made: Made, precision: str) -> None:
    searcher = made(corpus(), precision=precision)
    questions = [f"{a} {b}" for a in WORDS[:10] for b in WORDS[10:14]]

    together = searcher.search_many(questions, k=5)

    assert together == [searcher.search(question, k=5) for question in questions]
    assert searcher.search_many([]) == []


def test_a_reranker_puts_the_best_hits_in_its_own_order(made: Made) -> None:
    searcher = made(corpus())
    pool = searcher.search(QUESTION, k=100)

    hits = searcher.search(
        QUESTION, k=5, rerank=lambda question, texts: [t.count("jay") for t in texts]
    )

    counts = [h.text.count("jay") for h in hits]
    assert counts == sorted((h.text.count("jay") for h in pool), reverse=True)[:5]
    assert [h.score for h in hits] == counts
    assert {h.id for h in hits} <= {h.id for h in pool}


class Counting:
    """A reranker that remembers how many texts it was given, each time."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
        self.read.append(len(texts))
        return [float(-len(text)) for text in texts]


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({}, 100),
        ({"skip": 0}, 100),
        ({"skip": 20}, 100),
        ({"skip": 0, "by_document": True}, 6),
        ({"by_document": True}, 6),
        ({"hybrid": True}, 100),
    ],
    ids=str,
)
@pytest.mark.parametrize("precision", ["float32", "binary"])
def test_a_reranker_reads_the_best_hundred_once(
    made: Made, precision: str, options: dict[str, Any], texts: int
) -> None:
    """Few documents with many passages are found too, where more candidates are needed."""
    searcher = made(
        books(sentences=120), chunk_tokens=16, chunk_overlap=0, hybrid=True, precision=precision
    )
    model = Counting()

    hits = searcher.search(QUESTION, k=10, rerank=model, **options)

    assert model.read == [texts]
    assert [h.score for h in hits] == sorted((-len(h.text) for h in hits), reverse=True)


def test_reranked_pages_are_cut_from_one_ranking(made: Made) -> None:
    searcher = made(books(60, sentences=10), chunk_tokens=16, chunk_overlap=0)
    by_document = {"by_document": True, "rerank": Counting()}

    pages = [searcher.search(QUESTION, k=10, skip=skip, **by_document) for skip in range(0, 60, 10)]

    assert [len(page) for page in pages] == [10] * 6
    hits = [hit for page in pages for hit in page]
    assert len({hit.document for hit in hits}) == 60
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


@pytest.mark.parametrize("opener", [Searcher], ids=["sync"])
def test_exact_search_looks_on_beyond_what_other_searches_may(made: Made) -> None:
    """Ten thousand is the server's limit of candidates, which exact search has none of."""
    many = Document("many", "\n\n".join(f"ash elm oak sea. {i}" for i in range(20_300)))
    others = [Document(f"other{i}", f"sea {w}") for i, w in enumerate(WORDS[:5])]
    searcher = made([many, *others], chunk_tokens=16, chunk_overlap=0)

    hits = searcher.search(QUESTION, k=10_050, exact=True, by_document=True, fields=[])

    assert len(searcher.search(QUESTION, k=10_050, exact=True, fields=[])) == 10_050
    assert len({h.document for h in hits}) == 6


def test_a_cross_encoder_reranks(made: Made, cross_encoder: str) -> None:
    model = CrossEncoder(cross_encoder)
    searcher = made(corpus(40))

    hits = searcher.search(QUESTION, k=40, rerank=model)

    scores = model(QUESTION, [h.text for h in hits])
    assert [h.score for h in hits] == pytest.approx(scores, abs=1e-5)
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


@pytest.mark.parametrize("scores", [[1.0], [float("nan")] * 40, ["high"] * 40, None, [[1]] * 40])
def test_a_reranker_that_does_not_answer_is_an_error(made: Made, scores: Any) -> None:
    with pytest.raises(SearchError, match=r"rerank returned .* 40 texts") as caught:
        made(corpus(40)).search(QUESTION, rerank=lambda question, texts: scores)
    assert not isinstance(caught.value, QueryError)  # the question and its options were right


def test_a_model_of_another_kind_is_refused_as_cross_encoder(
    published_pair: tuple[str, str],
) -> None:
    """It would get a random head, and so give a random order."""
    with pytest.raises(ModelError, match="is BertModel; expected a cross-encoder"):
        CrossEncoder(published_pair[0])


def test_with_scalar_codes_the_similarity_is_the_cosine_too(made: Made) -> None:
    searcher = made(corpus(), quantization="scalar")
    exact = {h.id: h.similarity for h in searcher.search(QUESTION, k=300, exact=True)}

    hits = searcher.search(QUESTION, k=50)

    assert [h.similarity for h in hits] == pytest.approx([exact[h.id] for h in hits], abs=1e-5)
    assert [h.similarity for h in hits] == sorted((h.similarity for h in hits), reverse=True)
    assert [2 * h.score - 1 for h in hits] != pytest.approx([h.similarity for h in hits], abs=1e-3)


def test_a_missing_cross_encoder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        CrossEncoder(str(tmp_path / "nothing"))


def test_a_server_that_takes_too_long_is_an_error(made: Made) -> None:
    searcher = made(corpus(2500))

    def search() -> None:
        for _ in range(100):  # a fast server may answer some of them in time
            searcher.search(QUESTION, k=2500, max_time_ms=1)

    with pytest.raises(SearchTimeout, match=r"longer than max_time_ms \(1\)"):
        search()
    assert len(searcher.search(QUESTION, k=2500, max_time_ms=60_000)) == 2500


class Commands(CommandListener):
    def __init__(self) -> None:
        self.begun: list[Any] = []

    def started(self, event: Any) -> None:
        self.begun.append(event.command)

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
def test_every_answer_of_the_server_has_its_longest_time(made: Made, mongodb_uri: str) -> None:
    kept = made(books(), chunk_tokens=32, hybrid=True)._session
    reported = Commands()

    with Searcher(MongoClient(mongodb_uri, event_listeners=[reported]), kept) as searcher:
        searcher.search(QUESTION, neighbours=1, by_document=True, max_time_ms=20_000)
        searcher.search(QUESTION, hybrid=True, max_time_ms=20_000)
        searcher.context(QUESTION, 500, max_time_ms=20_000)

    asked = [command for command in reported.begun if "aggregate" in command]
    assert len(asked) >= 5
    assert {command.get("maxTimeMS") for command in asked} == {20_000}


def test_a_collection_that_was_replaced_is_reported_from_the_one_that_was_opened(
    made: Made, database: Database[Any]
) -> None:
    searcher = made(corpus(5))
    database["c"].drop()
    database[MANIFESTS].delete_many({})
    made(corpus(5), dimensions=64)

    with pytest.raises(ManifestError, match="was replaced by one with other models"):
        searcher.search(QUESTION)
    searcher.reopen()
    assert len(searcher.search(QUESTION)) == 5
    assert searcher.manifest.dimensions == 64


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limit": 3}, "unknown option limit; expected some of k, skip, filter"),
        ({"skip": -1}, "skip is -1; expected a whole number of at least 0"),
        ({"neighbours": 1.5}, "neighbours is 1.5; expected a whole number"),
        ({"diversity": 2}, "diversity is 2; expected a number from 0 to 1"),
        ({"min_similarity": "high"}, "min_similarity is 'high'; expected a number from -1 to 1"),
        ({"max_time_ms": 0}, "max_time_ms is 0; expected a whole number of at least 1"),
        ({"fields": "text"}, "fields is 'text'; expected a list of names"),
        ({"fields": ["title"]}, "field 'title' is not one of a hit"),
        ({"weights": (1, 2)}, "weights are for hybrid search only"),
        ({"hybrid": True, "weights": (0, 0)}, "not both 0"),
        ({"hybrid": True, "weights": ("a", 1)}, "expected two numbers"),
        ({"hybrid": True, "weights": None}, "expected two numbers"),
        ({"rerank": "some-model"}, "rerank is 'some-model'; expected a CrossEncoder"),
        ({"k": 10**20, "exact": True}, "expected a whole number of at least 1, below"),
        ({"question": "\udcff"}, "expected text in UTF-8"),
        ({"filter": []}, "filter is []; expected an object like"),
        ({"filter": ""}, "filter is ''; expected an object like"),
        ({"filter": 0}, "filter is 0; expected an object like"),
        ({"filter": False}, "filter is False; expected an object like"),
        ({"hybrid": "no"}, "hybrid is 'no'; expected True, False, 'score' or 'rrf'"),
        ({"exact": 1}, "exact is 1; expected True or False"),
        ({"by_document": None}, "by_document is None; expected True or False"),
        ({"hybrid": True, "weights": {1: 1, 2: 2}}, "expected two numbers"),
        ({"hybrid": True, "weights": (True, 1)}, "expected two numbers"),
        ({"fields": {"text": 1}}, "expected a list of names"),
        ({"fields": [1]}, "field 1 is not one of a hit"),
        ({"fields": ["metadata."]}, "field 'metadata.' is not one of a hit"),
        ({"fields": ["metadata.$x"]}, "field 'metadata.$x' is not one of a hit"),
        ({"question": b"ash"}, "expected some text"),
        ({"question": None}, "question None: expected some text"),
        ({"question": ["x" * 10**6]}, "expected some text"),
        ({"k": 90, "skip": 20, "diversity": 0.5}, "with diversity or rerank expected at most 100"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    made: Made, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises((QueryError, FilterError)) as caught:
        made(corpus(2)).search(**{"question": QUESTION, **options})
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_text_is_refused_as_list_of_questions(made: Made) -> None:
    with pytest.raises(QueryError, match="questions is 'ash'; expected a list of texts"):
        made(corpus(2)).search_many("ash")
