"""Hits that come from the index alone, where it keeps what they show."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener

from leafsearch.config.storage import IndexTuning
from leafsearch.ingest import Document
from leafsearch.search import Hit, Searcher

Made = Callable[..., Any]
ANIMALS = ["cat", "dog", "horse", "mouse", "hedgehog", "sparrow", "salmon", "spider"]
STORED = IndexTuning(stored_source=True)


def documents() -> list[Document]:
    return [
        Document(
            f"d{n}",
            f"the {animal} sleeps",
            metadata={"year": 2000 + n, "title": f"On the {animal}"},
        )
        for n, animal in enumerate(ANIMALS)
    ]


class Pipelines(CommandListener):
    """The pipelines that are run, without the one that looks at the manifest."""

    def __init__(self) -> None:
        self.begun: list[Sequence[Any]] = []

    def started(self, event: Any) -> None:
        if event.command.get("aggregate") == "c":
            self.begun.append(event.command["pipeline"])

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


@contextmanager
def reported(searcher: Searcher, uri: str) -> Iterator[tuple[Searcher, Pipelines]]:
    pipelines = Pipelines()
    with Searcher(MongoClient(uri, event_listeners=[pipelines]), searcher._session) as opened:
        yield opened, pipelines


FORMS: list[dict[str, Any]] = [
    {},
    {"precision": "int8"},
    {"precision": "int8", "quantization": "binary"},
    {"quantization": "scalar"},
    {"precision": "binary"},
]
WAYS: list[dict[str, Any]] = [
    {},
    {"exact": True},
    {"k": 3, "skip": 0},
    {"k": 2, "by_document": True},
    {"filter": {"metadata.year": {"$gte": 2004}}},
    {"fields": ["metadata.title"]},
    {"rerank": lambda question, texts: [len(text) for text in texts]},
    {"min_similarity": 0.2},
    {"diversity": 0.3, "k": 3},
    {"hybrid": True},
    {"neighbours": 1},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_hits_are_the_same_with_and_without_stored_source(made: Made, form: dict[str, Any]) -> None:
    choices = {"filters": ["metadata.year"], "hybrid": True, **form}
    plain, stored = made(documents(), **choices), made(documents(), tuning=STORED, **choices)

    for way in WAYS:
        asked: dict[str, Any] = {"k": 4, **way}
        hits: list[Hit] = plain.search("the horse sleeps", **asked)
        assert hits
        assert stored.search("the horse sleeps", **asked) == hits, way


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
@pytest.mark.parametrize("way", [{}, {"k": 2, "by_document": True}], ids=["plain", "by document"])
def test_one_request_to_the_index_brings_whole_hits(
    made: Made, mongodb_uri: str, form: dict[str, Any], way: dict[str, Any]
) -> None:
    searcher = made(documents(), tuning=STORED, **form)
    with reported(searcher, mongodb_uri) as (opened, pipelines):
        hits = opened.search("the horse sleeps", **{"k": 4, **way})

    assert hits[0].text == "the horse sleeps"
    assert hits[0].metadata["title"] == "On the horse"
    (pipeline,) = pipelines.begun
    assert pipeline[0]["$vectorSearch"]["returnStoredSource"] is True


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
def test_an_index_that_keeps_nothing_is_never_asked_for_it(made: Made, mongodb_uri: str) -> None:
    with reported(made(documents()), mongodb_uri) as (opened, pipelines):
        opened.search("the horse sleeps")

    assert all("returnStoredSource" not in p[0].get("$vectorSearch", {}) for p in pipelines.begun)


def test_searches_go_on_when_the_index_no_longer_keeps_it(
    made: Made, database: Database[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An older server ignores the option; another program may have updated the index."""
    searcher = made(documents(), tuning=STORED)
    (index,) = database["c"].list_search_indexes()
    without = {k: v for k, v in index["latestDefinition"].items() if k != "storedSource"}
    database["c"].update_search_index(index["name"], without)
    while not all(i["status"] == "READY" for i in database["c"].list_search_indexes()):
        pass

    hits = searcher.search("the horse sleeps", k=1)
    again = searcher.search("the horse sleeps", k=1)

    assert hits == again
    assert hits[0].text == "the horse sleeps"
    assert caplog.text.count("does not keep what hits show") == 1
