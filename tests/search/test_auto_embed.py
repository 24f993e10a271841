"""Searches over documents of somebody else's whose texts MongoDB embeds itself."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.operations import SearchIndexModel

from leafsearch.config import load
from leafsearch.doctor import Examination, Severity, examine
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.sweep import SweepOptions, sweep
from leafsearch.search import (
    FilterError,
    NoHits,
    QueryError,
    UndeclaredPath,
)
from leafsearch.search.session.auto_embed import embedding_manifest, similarity_of
from leafsearch.search.students.change import students_of
from leafsearch.vectors import (
    IndexFailed,
    IndexMissing,
    IndexNotReady,
    ManifestError,
    SearchIndexError,
)
from leaftests.doctor import wait_until_ready

Run = Callable[..., CompletedProcess[str]]
Opened = Callable[..., Any]
ANIMALS = ["cat", "dog", "horse", "mouse", "hedgehog", "sparrow", "salmon", "spider"]
FIELD = {"type": "autoEmbed", "modality": "text", "path": "plot.full", "model": "hashing"}


def films() -> list[dict[str, Any]]:
    return [
        {
            "_id": n,
            "title": f"The {animal}",
            "plot": {"full": f"a {animal} comes to town {n}", "words": 6},
            "year": 2000 + n,
            "leaf": "theirs",
            "embedding": "theirs",
        }
        for n, animal in enumerate(ANIMALS)
    ]


@pytest.fixture
def movies(database: Database[Any]) -> Collection[Any]:
    database["movies"].insert_many(films())
    return database["movies"]


def index(movies: Collection[Any], name: str = "plots", **changes: Any) -> None:
    fields = [{**FIELD, **changes}, {"type": "filter", "path": "year"}]
    movies.create_search_index(SearchIndexModel({"fields": fields}, name, "vectorSearch"))
    wait_until_ready(movies, name)


@pytest.fixture
def opened(movies: Collection[Any], mongodb_uri: str, opener: Any) -> Iterator[Opened]:
    with ExitStack() as stack:

        def searcher(**changes: Any) -> Any:
            index(movies, **changes)
            names = {"database": movies.database.name, "collection": "movies"}
            return stack.enter_context(opener.open(mongodb_uri, load({}, **names)))

        yield searcher


def test_hit_is_a_document_with_all_its_own_fields(opened: Opened) -> None:
    hit, *rest = opened().search("a hedgehog comes", k=3)

    assert len(rest) == 2
    assert (hit.id, hit.document, hit.position) == ("4", "4", 0)
    assert hit.text == "a hedgehog comes to town 4"
    assert hit.metadata == {
        "title": "The hedgehog",
        "plot": {"words": 6},
        "year": 2004,
        "leaf": "theirs",
        "embedding": "theirs",
    }
    assert hit.similarity == pytest.approx(2 * hit.score - 1)


@pytest.mark.parametrize("quantization", ["float", "scalar", "binary"])
def test_similarity_is_the_cosine_for_every_quantization(opened: Opened, quantization: str) -> None:
    """Five words of the question are among the six of the text."""
    hits = opened(quantization=quantization).search("a horse comes to town", k=8)

    assert hits[0].document == "2"
    assert hits[0].similarity == pytest.approx(5 / math.sqrt(5 * 6), abs=0.01)
    assert all(-1 <= hit.similarity < hits[0].similarity for hit in hits[1:])


@pytest.mark.parametrize(
    ("score", "similarity", "cosine"),
    [(1.0, "euclidean", 1.0), (1 / 3, "euclidean", 0.0), (0.75, "dotProduct", 0.5)],
)
def test_similarity_by_hand(score: float, similarity: Any, cosine: float) -> None:
    assert similarity_of(score, similarity) == pytest.approx(cosine)


def test_filters_pages_fields_and_limits_work(opened: Opened) -> None:
    searcher = opened()

    late = searcher.search("a cat comes to town", filter={"year": {"$gte": 2006}})
    assert {hit.document for hit in late} == {"6", "7"}
    pages = [searcher.search("town", k=3, skip=skip) for skip in (0, 3, 6)]
    assert sorted(hit.document for page in pages for hit in page) == [*"01234567"]
    assert searcher.search("cat", k=1, exact=True)[0].document == "0"
    assert searcher.search("cat", k=1, num_candidates=50, max_time_ms=10_000)[0].document == "0"
    titled = searcher.search("cat", k=1, fields=["metadata.title"])[0]
    assert (titled.text, titled.metadata) == ("", {"title": "The cat"})
    assert searcher.search("cat", k=8, min_similarity=0.1)[0].document == "0"
    assert searcher.search("whale", min_similarity=0.9) == []
    ranked = searcher.search("a cat", k=2, rerank=lambda question, texts: range(len(texts)))
    assert ranked[0].score == 7
    many = searcher.search_many(["cat", "spider"], k=1)
    assert [hits[0].document for hits in many] == ["0", "7"]
    assert len(searcher.search("cat", k=3, by_document=True, neighbours=1)) == 3


def test_context_counts_tokens_without_a_student(opened: Opened) -> None:
    searcher = opened()

    context = searcher.context("a hedgehog comes", 60, k=2)
    short = searcher.context("a hedgehog comes", 14, k=2)

    assert context.text.startswith("[1] The hedgehog (4)\na hedgehog comes to town 4")
    assert len(context.passages) == 2
    assert 14 >= short.tokens > 0


def test_undeclared_path_names_the_field_that_declares_it(opened: Opened) -> None:
    searcher = opened()

    with pytest.raises(UndeclaredPath) as error:
        searcher.search("cat", filter={"plot.words": 6})
    assert '{"type": "filter", "path": "plot.words"} among the fields of search index plots' in (
        str(error.value)
    )
    with pytest.raises(FilterError):
        searcher.search("cat", filter={"$bad": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hybrid": True}, "hybrid on .*, which has no text index of leafsearch"),
        ({"diversity": 0.5}, "diversity on .*, whose vectors MongoDB keeps to itself"),
        ({"student": "fast"}, "student on .*, whose questions MongoDB encodes itself"),
        ({"k": 0}, "k is 0"),
        ({"question": " "}, "expected some text"),
    ],
    ids=["hybrid", "diversity", "student", "k", "blank"],
)
def test_what_needs_vectors_is_refused(
    opened: Opened, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        opened().search(**{"question": "cat", **options})


def test_such_a_collection_has_no_students(
    opened: Opened, movies: Collection[Any], mongodb_uri: str, opener: Any
) -> None:
    opened()
    names = {"database": movies.database.name, "collection": "movies"}

    with pytest.raises(QueryError, match="has an autoEmbed index, whose questions MongoDB encodes"):
        students_of(movies.database, movies.name)
    with pytest.raises(QueryError, match="Leave student out, or ingest"):
        opener.open(mongodb_uri, load({}, **names), student="fast")


def test_new_and_changed_documents_are_found(opened: Opened, movies: Collection[Any]) -> None:
    searcher = opened()
    movies.insert_one({"_id": "new", "plot": {"full": "a whale sings"}, "year": 1990})
    movies.update_one({"_id": 0}, {"$set": {"plot.full": "an octopus dreams"}})

    assert searcher.search("whale sings", k=1)[0].document == "new"
    assert searcher.search("octopus dreams", k=1)[0].document == "0"


def test_dropped_index_is_an_error_and_not_an_empty_list(
    opened: Opened, movies: Collection[Any]
) -> None:
    searcher = opened()
    movies.drop_search_index("plots")

    with pytest.raises(IndexMissing, match="no longer has the autoEmbed index 'plots'"):
        searcher.search("cat")


def test_index_of_another_name_needs_reopening(opened: Opened, movies: Collection[Any]) -> None:
    searcher = opened()
    movies.drop_search_index("plots")
    index(movies, "titles", path="title")

    with pytest.raises(ManifestError, match="another autoEmbed index, 'titles' on 'title'"):
        searcher.search("cat")
    searcher.reopen()
    assert searcher.search("the cat", k=1)[0].text == "The cat"


def test_filter_that_is_declared_later_is_known_after_a_look(
    opened: Opened, movies: Collection[Any]
) -> None:
    searcher = opened()
    (listed,) = movies.list_search_indexes("plots")
    more = listed["latestDefinition"]["fields"] + [{"type": "filter", "path": "plot.words"}]
    movies.update_search_index("plots", {"fields": more})
    wait_until_ready(movies, "plots")

    searcher.reopen()

    assert len(searcher.search("cat", filter={"plot.words": 6})) == 8


def test_index_over_a_path_without_texts_is_explained(opened: Opened) -> None:
    with pytest.raises(NoHits, match="embeds only texts: expected some at year_in_words"):
        opened(path="year_in_words").search("cat")


def test_several_fields_are_not_chosen_from(opened: Opened, movies: Collection[Any]) -> None:
    index(movies, "titles", path="title")

    with pytest.raises(SearchIndexError, match=r"titles on title, plots on plot\.full"):
        opened()


def test_collection_without_any_index_has_nothing_to_search(
    movies: Collection[Any], mongodb_uri: str, opener: Any
) -> None:
    names = {"database": movies.database.name, "collection": "movies"}

    with pytest.raises(ManifestError, match="has no manifest, so nothing was ingested"):
        opener.open(mongodb_uri, load({}, **names))


@pytest.mark.parametrize(
    ("status", "error"),
    [("FAILED", IndexFailed), ("BUILDING", IndexNotReady), ("PENDING", IndexNotReady)],
)
def test_index_that_does_not_answer_is_explained(status: str, error: type[Exception]) -> None:
    listed = {
        "name": "plots",
        "status": status,
        "queryable": False,
        "latestDefinition": {"fields": [FIELD]},
    }

    with pytest.raises(error, match=r"autoEmbed index 'plots' of db\.movies"):
        embedding_manifest([listed], "db.movies")


def test_bits_that_are_not_rescored_score_a_share() -> None:
    field = {**FIELD, "quantization": "binaryNoRescore"}
    listed = {"name": "p", "queryable": True, "latestDefinition": {"fields": [field]}}

    manifest = embedding_manifest([listed], "db.movies")

    assert manifest is not None
    assert (manifest.similarity, manifest.quantization) == ("cosine", "binary")


def test_command_searches_it_too(run: Run, movies: Collection[Any], mongodb_uri: str) -> None:
    index(movies)
    where = {"MONGODB_URI": mongodb_uri, "LEAF_DATABASE": movies.database.name}
    command = ("leaf-search", "a spider comes", "--collection", "movies")

    found = run(*command, "-k", "1", "--json", **where)
    filtered = run(*command, "--filter", '{"year": 2001}', "--json", **where)
    table = run(*command, "-k", "1", **where)
    text = run(*command, "--max-tokens", "40", **where)
    bad = run(*command, "--hybrid", **where)

    assert json.loads(found.stdout)["document"] == "7"
    assert [json.loads(line)["document"] for line in filtered.stdout.splitlines()] == ["1"]
    assert "The spider" in table.stdout
    assert "a spider comes to town 7" in text.stdout
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "hybrid on" in bad.stderr


def test_doctor_says_how_it_is_searched(movies: Collection[Any], mongodb_uri: str) -> None:
    index(movies)
    movies.insert_one({"_id": "mute", "plot": {"full": 7}})
    settings = load({}, database=movies.database.name, collection="movies")

    found = {f.check: f for f in examine(Examination(uri=mongodb_uri, settings=settings))}

    assert found["manifest"].level is Severity.OK
    assert "MongoDB embeds its texts itself" in found["manifest"].message
    assert found["index"].level is Severity.WARNING
    assert "autoEmbed index plots on 'plot.full' (model hashing)" in found["index"].message
    assert "1 of 9 documents have no text there and are never found (_id 'mute')" in (
        found["index"].message
    )
    assert {f.level for name, f in found.items() if name.startswith("vector")} == {Severity.SKIPPED}


def test_evaluation_needs_vectors_of_ours(
    movies: Collection[Any], mongodb_uri: str, client: Any
) -> None:
    index(movies)
    settings = load({}, database=movies.database.name, collection="movies")

    with pytest.raises(EvalError, match="autoEmbed index, whose vectors MongoDB keeps to itself"):
        sweep(client, settings, SweepOptions(), lambda status: None)
