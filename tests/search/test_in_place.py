"""Searches over documents of somebody else's, each with its vector in place."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.config.storage import IndexTuning
from leafsearch.doctor import Examination, examine
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.sweep import SweepOptions, sweep
from leafsearch.ingest import Choices, Fields, Rejects, open_target
from leafsearch.ingest.cli.index_options import InPlaceChoice
from leafsearch.ingest.pipeline.extent import ALL
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leafsearch.search import FilterError, Searcher
from leaftests.doctor import complaints

Made = Callable[..., Searcher]
ANIMALS = ["cat", "dog", "horse", "mouse", "hedgehog", "sparrow", "salmon", "spider"]
ID = ObjectId("65f0c0ffee65f0c0ffee65f0")


def documents() -> list[dict[str, Any]]:
    ids: list[Any] = [ID, *range(1, 7), "eight"]
    return [
        {
            "_id": id,
            "headline": f"On the {animal}",
            "content": {"body": f"the {animal} lives in place {i}", "words": 6},
            "year": 2000 + i,
            "day": datetime(2020, 1, 1 + i),
            "score": "theirs",
            "document": "theirs",
        }
        for i, (id, animal) in enumerate(zip(ids, ANIMALS, strict=True))
    ]


@pytest.fixture
def articles(database: Database[Any]) -> Collection[Any]:
    database["articles"].insert_many(documents())
    return database["articles"]


@pytest.fixture
def made(
    articles: Collection[Any], mongodb_uri: str, tmp_path: Path, opener: Any
) -> Iterator[Made]:
    """Puts vectors into `articles` and opens a searcher on it."""
    with ExitStack() as opened:

        def searcher(**choices: Any) -> Any:
            database = articles.database
            names = {"database": database.name, "collection": "articles"}
            models = {"teacher": "hashing:128", "student": "hashing:128", "storage": "full"}
            where = InPlaceChoice(text_field="content.body", title_field="headline")
            asked = Choices(**{"in_place": where, **choices})
            target = open_target(database, load({}, **names, **models), asked)
            address = Address(database.name, "articles")
            source = MongoSource(database.client, address, Fields())
            source.begin(target.manifest)
            rejects = Rejects(tmp_path / "rejects.jsonl")
            keeper = SourceSync(source, target, rejects, lambda summary: None, Stop(), ALL)
            keeper.whole()
            rejects.close()
            target.ensure_index()
            target.wait_until_ready(
                keeper.summary.last_written, seconds=60, on_status=lambda status: None
            )
            return opened.enter_context(opener.open(mongodb_uri, load({}, **names)))

        yield searcher


def test_a_hit_is_a_document_with_its_own_fields(made: Made) -> None:
    searcher = made()

    hit, *_ = searcher.search("cat", k=3)

    assert (hit.id, hit.document, hit.position) == (str(ID), str(ID), 0)
    assert hit.text == "the cat lives in place 0"
    assert hit.metadata == {
        "title": "On the cat",
        "headline": "On the cat",
        "content": {"words": 6},
        "year": 2000,
        "day": datetime(2020, 1, 1, tzinfo=UTC),
        "score": "theirs",
        "document": "theirs",
    }
    assert 0 < hit.similarity <= 1
    assert isinstance(hit.score, float)


def test_ids_of_all_kinds_are_text(made: Made) -> None:
    hits = made().search("place", k=8)

    assert {hit.id for hit in hits} == {str(ID), *"123456", "eight"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"skip": 0},
        {"exact": True},
        {"num_candidates": 50},
        {"by_document": True},
        {"neighbours": 2},
        {"diversity": 0.2},
        {"min_similarity": 0.1},
        {"rerank": lambda question, texts: [float(question in text) for text in texts]},
        {"max_time_ms": 20_000},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_every_option_finds_the_document(made: Made, options: dict[str, Any]) -> None:
    hit, *_ = made().search("hedgehog", k=2, **options)

    assert (hit.id, hit.text) == ("4", "the hedgehog lives in place 4")
    assert hit.metadata["year"] == 2004
    assert hit.context == (hit.text if "neighbours" in options else "")


@pytest.mark.parametrize(
    "form",
    [
        {"precision": "int8"},
        {"precision": "binary"},
        {"dimensions": 64},
        {"quantization": "scalar"},
    ],
    ids=str,
)
def test_every_stored_form_finds_the_document(made: Made, form: dict[str, Any]) -> None:
    assert made(**form).search("hedgehog", k=1)[0].id == "4"


def test_pages_are_cut_from_one_ranking(made: Made) -> None:
    searcher = made()

    pages = [hit.id for skip in (0, 3, 6) for hit in searcher.search("place", k=3, skip=skip)]

    assert len(pages) == len(set(pages)) == 8


def test_a_hit_has_no_more_fields_than_were_asked_for(made: Made) -> None:
    searcher = made()

    (some,) = searcher.search("dog", k=1, fields=["metadata.year", "metadata.content.words"])
    (text,) = searcher.search("dog", k=1, fields=["text"])
    (rest,) = searcher.search("dog", k=1, fields=["metadata"])
    (none,) = searcher.search("dog", k=1, fields=[])

    assert (some.text, some.metadata) == ("", {"year": 2001, "content": {"words": 6}})
    assert (text.text, text.metadata) == ("the dog lives in place 1", {})
    assert (rest.text, rest.metadata["content"]) == ("", {"words": 6})
    assert (none.text, none.metadata, none.id) == ("", {}, "1")


def test_fields_that_lie_in_each_other_come_as_the_outer_one(made: Made) -> None:
    searcher = made()
    text_and_around = ["text", "metadata.content"]
    twice = ["metadata.content", "metadata.content.words", "metadata.year"]

    for options in ({}, {"skip": 0}):
        (some,) = searcher.search("dog", k=1, fields=text_and_around, **options)
        (outer,) = searcher.search("dog", k=1, fields=twice, **options)

        assert (some.text, some.metadata) == ("the dog lives in place 1", {"content": {"words": 6}})
        assert outer.metadata == {"content": {"words": 6}, "year": 2001}


def test_filters_are_on_the_documents_own_paths(made: Made) -> None:
    searcher = made(filters=["year", "content.words", "day"])

    later = searcher.search("place", k=8, filter={"year": {"$gte": 2005}})
    dated = searcher.search("place", k=8, filter={"day": {"$lt": datetime(2020, 1, 3)}})
    inner = searcher.search("place", k=8, filter={"content.words": 6, "year": 2001})

    assert {hit.id for hit in later} == {"5", "6", "eight"}
    assert {hit.id for hit in dated} == {str(ID), "1"}
    assert [hit.id for hit in inner] == ["1"]


def test_a_path_that_is_not_declared_is_reported_by_its_own_name(made: Made) -> None:
    searcher = made(filters=["year"])

    with pytest.raises(FilterError, match="--filter-field headline`"):
        searcher.search("place", filter={"headline": "x"})


@pytest.mark.parametrize("options", [{}, {"min_similarity": -1}, {"skip": 0}], ids=str)
def test_words_are_searched_where_the_documents_have_them(
    made: Made, options: dict[str, Any]
) -> None:
    searcher = made(hybrid=True, filters=["year"])

    hit, *_ = searcher.search("sparrow", k=3, hybrid=True, weights=(0.0, 1.0), **options)
    filtered = searcher.search("lives", k=8, hybrid=True, filter={"year": 2003}, **options)

    assert (hit.id, hit.metadata["headline"]) == ("5", "On the sparrow")
    assert [hit.id for hit in filtered] == ["3"]


def test_a_context_has_the_documents_with_their_titles(made: Made) -> None:
    context = made().context("spider", 60, k=2)

    assert context.text.startswith("[1] On the spider (eight)\nthe spider lives in place 7")
    assert context.passages[0].document == "eight"


def test_the_doctor_finds_nothing_wrong(
    made: Made, articles: Collection[Any], database: Database[Any], mongodb_uri: str
) -> None:
    texts = [{"content": {"body": f"{a} and {b}"}} for a in ANIMALS for b in ANIMALS]
    articles.insert_many([{"year": 1990 + i, **text} for i, text in enumerate(texts)])
    articles.insert_many([{"year": 1900}, {"content": {"body": " "}}])
    articles.insert_one({"content": {"body": "a sentence of many words, all of them. " * 40}})
    made(filters=["year"], chunk_tokens=64)

    settings = load({}, database=database.name, collection="articles")
    findings = {f.check: f for f in examine(Examination(uri=mongodb_uri, settings=settings))}

    assert complaints(findings) == {}


def test_the_doctor_sees_a_text_that_was_changed_and_one_that_was_not_encoded(
    made: Made, articles: Collection[Any], database: Database[Any], mongodb_uri: str
) -> None:
    made()
    articles.update_one({"_id": 3}, {"$set": {"content.body": "something else"}})
    articles.insert_one({"_id": "late", "content": {"body": "a text without a vector"}})

    settings = load({}, database=database.name, collection="articles")
    findings = {f.check: f for f in examine(Examination(uri=mongodb_uri, settings=settings))}

    assert "1 of 8 have changed since they were encoded (_id 3)" in findings["texts"].message
    assert "1 of 9 documents have no vector" in findings["vectors"].message
    assert "'late'" in findings["vectors"].message


def test_storage_formats_are_measured_on_collections_of_chunks_only(
    made: Made, articles: Collection[Any], database: Database[Any]
) -> None:
    made()
    settings = load({}, database=database.name, collection="articles")

    with pytest.raises(EvalError, match="has its vectors in place; expected a collection of"):
        sweep(database.client, settings, SweepOptions(), lambda text: None)


@pytest.mark.parametrize("options", [{}, {"min_similarity": -1}, {"weights": (0.0, 1.0)}], ids=str)
def test_documents_without_our_vector_are_skipped_in_text_search(
    made: Made, articles: Collection[Any], options: dict[str, Any]
) -> None:
    """The text index holds every document, those that are not encoded yet too."""
    searcher = made(hybrid=True)
    articles.update_one({"_id": 5}, {"$unset": {"embedding": "", "leaf": ""}})
    articles.update_one({"_id": 6}, {"$set": {"embedding": "theirs"}, "$unset": {"leaf": ""}})

    hits = searcher.search("lives", k=8, hybrid=True, **options)

    assert {hit.id for hit in hits} >= {str(ID), "1", "2", "3", "4", "eight"}
    assert all(-1 <= hit.similarity <= 1 for hit in hits)


def test_a_hit_shows_the_texts_that_were_encoded_together(made: Made) -> None:
    where = InPlaceChoice(
        text_field="headline", more_text_fields=["content.body"], title_field="headline"
    )
    searcher = made(in_place=where, hybrid=True)

    hit, *_ = searcher.search("cat", k=3)
    words, *_ = searcher.search("cat", k=3, hybrid=True)

    assert hit.text == "On the cat\n\nthe cat lives in place 0"
    assert (hit.metadata["title"], hit.metadata["content"]) == ("On the cat", {"words": 6})
    assert words.text == hit.text


def test_hits_in_place_are_the_same_from_the_index_alone(made: Made) -> None:
    plain = made().search("the cat lives", k=3)
    stored = made(tuning=IndexTuning(stored_source=True))

    assert stored.search("the cat lives", k=3) == plain
    assert stored.search("the cat lives", k=3, fields=["metadata.year"])[0].metadata == {
        "year": 2000
    }
