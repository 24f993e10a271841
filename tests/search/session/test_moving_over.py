"""A searcher lives through a rebuild: it never stops, and never mixes the vectors of two models."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.ingest.generations.build import open_rebuild, tell_generations_apart
from leafsearch.ingest.generations.cutover import cut_over, roll_back
from leafsearch.ingest.generations.retire import retire
from leafsearch.search import AsyncSearcher, Hit, Searcher
from leafsearch.search.session.ask import _search
from leafsearch.search.session.io import Steps, perform
from leafsearch.search.session.open import OpenCollection
from leafsearch.vectors import ModelError, load_encoder
from leafsearch.vectors.store import MANIFESTS
from leaftests.search.corpora import QUESTION, corpus

Made = Callable[..., Searcher]
Step = Callable[..., None]

MODELS = {1: "hashing:128", 2: "hashing:64", 3: "hashing:256"}
DOCUMENTS = corpus(60)


def settings(database: Database[Any], model: str) -> Any:
    return load({}, teacher=model, student=model, storage="full", collection="c")


@pytest.fixture
def build(database: Database[Any], tmp_path: Path) -> Step:
    """Another generation up to its move, of another model unless choices say what differs."""

    def built(
        documents: Sequence[Document] = DOCUMENTS, model: str = MODELS[2], **choices: Any
    ) -> None:
        target = open_rebuild(database, settings(database, model), Choices(**choices))
        tell_generations_apart(database, "c")
        ingest(documents, target, rejects=Rejects(tmp_path / "rejects.jsonl"))
        target.ensure_index()

    return built


def move(database: Database[Any], generation: int = 2) -> None:
    cut_over(database, "c", generation, chunk=None, seconds=60, on_status=lambda status: None)


def drop(database: Database[Any]) -> None:
    retire(database, "c", seconds=60, on_status=lambda status: None)


def generation_of(hits: Sequence[Hit]) -> set[int]:
    return {int(hit.id.partition("@")[2] or 1) for hit in hits}


def kept(searcher: Any) -> Any:
    return getattr(searcher, "_searcher", searcher)._session


def a_minute_later(searcher: Any) -> None:
    kept(searcher).opened.seen -= 61


def expected(model: str) -> dict[str, float]:
    """Similarity of each document to the question by this model, in plain numpy."""
    encoder = load_encoder(model)
    rows = encoder.encode_documents([d.text for d in DOCUMENTS])
    cosines = rows @ encoder.encode_queries([QUESTION])[0]
    return dict(zip((d.id for d in DOCUMENTS), map(float, cosines), strict=True))


class Watch:
    """Judges every answer: complete, of one generation, by the model of that."""

    def __init__(self, models: dict[int, str]) -> None:
        self._wanted = {generation: expected(model) for generation, model in models.items()}
        self.answers: dict[int, int] = {}
        self.wrong: list[str] = []
        self.over = threading.Event()

    def judge(self, hits: Sequence[Hit]) -> None:
        found = generation_of(hits)
        if len(hits) != len(DOCUMENTS) or len(found) != 1:
            self.wrong.append(f"{len(hits)} hits of generations {found}")
            return
        (generation,) = found
        wanted = self._wanted[generation]
        similarities = [wanted[h.document] for h in hits]
        if not np.allclose([h.similarity for h in hits], similarities, atol=1e-6):
            self.wrong.append(f"similarities are not those of generation {generation}")
        self.answers[generation] = self.answers.get(generation, 0) + 1

    def search(self, searcher: Searcher) -> None:
        """Without a pause, until it is over."""
        try:
            while not self.over.is_set():
                self.judge(searcher.search(QUESTION, k=len(DOCUMENTS)))
        except Exception as error:
            self.wrong.append(repr(error))

    async def search_async(self, searcher: AsyncSearcher) -> None:
        try:
            while not self.over.is_set():
                self.judge(await searcher.search(QUESTION, k=len(DOCUMENTS)))
        except Exception as error:
            self.wrong.append(repr(error))

    def until(self, generation: int) -> None:
        """Until it has had an answer of this generation."""
        before = self.answers.get(generation, 0)
        for _ in range(3000):
            if self.answers.get(generation, 0) > before or self.wrong:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"no answer of generation {generation} in 30 s")


@contextmanager
def watched_threads(uri: str, database: str, watch: Watch) -> Iterator[Any]:
    with Searcher.open(uri, load({}, database=database, collection="c")) as searcher:
        threads = [threading.Thread(target=watch.search, args=[searcher]) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield searcher
        finally:
            watch.over.set()
            for thread in threads:
                thread.join()


@contextmanager
def watched_tasks(uri: str, database: str, watch: Watch) -> Iterator[Any]:
    there: list[AsyncSearcher] = []
    ready = threading.Event()

    async def searches() -> None:
        async with await AsyncSearcher.open(
            uri, load({}, database=database, collection="c")
        ) as searcher:
            there.append(searcher)
            ready.set()
            await asyncio.gather(*(watch.search_async(searcher) for _ in range(3)))

    thread = threading.Thread(target=lambda: asyncio.run(searches()))
    thread.start()
    try:
        assert ready.wait(30)
        yield there[0]
    finally:
        watch.over.set()
        thread.join()


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
@pytest.mark.parametrize("watched", [watched_threads, watched_tasks], ids=["sync", "async"])
def test_searching_goes_on_through_rebuild_rollback_and_retire(
    made: Made, build: Step, database: Database[Any], mongodb_uri: str, watched: Any
) -> None:
    made(DOCUMENTS)
    watch = Watch(MODELS)
    with watched(mongodb_uri, database.name, watch) as searcher:
        watch.until(1)
        build()
        watch.until(1)
        move(database)
        watch.until(1)  # until the minute is over, what is open is searched
        a_minute_later(searcher)
        watch.until(2)
        roll_back(database, "c", seconds=60, on_status=lambda status: None)
        a_minute_later(searcher)
        watch.until(1)
        move(database)
        drop(database)  # before the minute is over
        watch.until(2)
        build(model=MODELS[3])
        watch.until(2)
        move(database, 3)
        drop(database)
        watch.until(3)

    assert watch.wrong == []
    assert set(watch.answers) == {1, 2, 3}


def test_a_search_whose_vectors_were_retired_is_made_once_more_by_the_new_model(
    made: Made, build: Step, database: Database[Any]
) -> None:
    searcher = made(DOCUMENTS)
    build()
    move(database)
    assert generation_of(searcher.search(QUESTION)) == {1}
    drop(database)

    hits = searcher.search(QUESTION, k=60)

    assert len(hits) == 60
    assert generation_of(hits) == {2}
    assert searcher.manifest.student.name == MODELS[2]
    wanted = expected(MODELS[2])
    similarities = [wanted[h.document] for h in hits]
    assert [h.similarity for h in hits] == pytest.approx(similarities, abs=1e-6)


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
def test_a_concurrent_search_that_saw_the_same_vectors_is_not_a_switch(
    made: Made, build: Step, database: Database[Any]
) -> None:
    there = kept(made(DOCUMENTS))
    build()
    begun: list[OpenCollection] = []

    def work(opened: OpenCollection) -> Steps[list[list[Hit]]]:
        if not begun:
            yield from there._renew(opened)  # by the search beside it
            move(database)
            drop(database)
        begun.append(opened)
        return (yield from _search(there, opened, [QUESTION], {}))

    (hits,) = perform(there.on_current(work), database)

    assert [opened.manifest.generation for opened in begun] == [1, 2]
    assert generation_of(hits) == {2}


@pytest.mark.parametrize(
    "options",
    [
        {"filter": {"document": "7"}},
        {"hybrid": True},
        {"hybrid": True, "weights": (0, 1)},
        {"hybrid": True, "min_similarity": -1.0},
        {"by_document": True, "neighbours": 1},
        {"exact": True, "fields": ["text"], "skip": 0},
    ],
    ids=str,
)
def test_every_kind_of_search_is_repeated_after_a_switch(
    made: Made, build: Step, database: Database[Any], options: dict[str, Any]
) -> None:
    searcher = made(DOCUMENTS, hybrid=True)
    build()
    move(database)
    drop(database)

    hits = searcher.search(QUESTION, **options)

    assert generation_of(hits) == {2}
    assert all(hit.text for hit in hits)


def test_many_questions_and_contexts_are_repeated_after_a_switch(
    made: Made, build: Step, database: Database[Any]
) -> None:
    searcher = made(DOCUMENTS)
    build()
    move(database)
    drop(database)

    many = searcher.search_many([QUESTION, "bay"])

    assert [generation_of(hits) for hits in many] == [{2}, {2}]
    build(model=MODELS[3])
    move(database, 3)
    drop(database)
    assert searcher.context(QUESTION, 100).passages
    assert searcher.manifest.generation == 3


@pytest.mark.parametrize(
    "options",
    [{}, {"weights": (0, 1)}, {"min_similarity": -1.0}, {"filter": {"document": {"$ne": "x"}}}],
    ids=str,
)
def test_hybrid_search_in_transition_finds_passages_of_its_own_generation(
    made: Made,
    build: Step,
    database: Database[Any],
    opener: Any,
    mongodb_uri: str,
    options: dict[str, Any],
) -> None:
    old = made(DOCUMENTS, hybrid=True)
    build()

    before = old.search(QUESTION, k=200, hybrid=True, **options)
    move(database)
    with opener.open(mongodb_uri, load({}, database=database.name, collection="c")) as new:
        after = new.search(QUESTION, k=200, hybrid=True, **options)
    still = old.search(QUESTION, k=200, hybrid=True, **options)

    assert [generation_of(hits) for hits in (before, after, still)] == [{1}, {2}, {1}]
    assert len({hit.document for hit in after}) == len(after)
    assert {hit.document for hit in before} == {hit.document for hit in after}


def test_a_text_index_from_before_learns_to_tell_generations_apart_first(
    made: Made, build: Step, database: Database[Any]
) -> None:
    made(DOCUMENTS, hybrid=True)
    (listed,) = database["c"].list_search_indexes("leaf_vectors_text")
    fields = dict(listed["latestDefinition"]["mappings"]["fields"])
    del fields["generation"]
    older = {"mappings": {"dynamic": False, "fields": fields}}
    database["c"].update_search_index("leaf_vectors_text", older)

    build()

    (listed,) = database["c"].list_search_indexes("leaf_vectors_text")
    assert "generation" in listed["latestDefinition"]["mappings"]["fields"]
    assert listed["status"] == "READY"


def test_neighbours_and_contexts_in_transition_are_of_one_generation(
    made: Made, build: Step, database: Database[Any]
) -> None:
    text = " ".join(f"Sentence {i} speaks of ash and elm." for i in range(60))
    searcher = made([Document("a", text)], chunk_tokens=32, chunk_overlap=0)
    hit, *_ = searcher.search(QUESTION, k=1, neighbours=50)
    alone = searcher.context(QUESTION, 400)

    # Other chunks: if they were mixed with the old ones, the text would be in another order.
    build([Document("a", text)], chunk_tokens=64, chunk_overlap=0)

    assert searcher.search(QUESTION, k=1, neighbours=50)[0].context == hit.context
    assert searcher.context(QUESTION, 400) == alone
    assert searcher.manifest.generation == 1


def test_another_form_of_the_same_vectors_needs_no_other_student(
    made: Made, build: Step, database: Database[Any]
) -> None:
    searcher = made(DOCUMENTS)
    student = kept(searcher).opened.student
    build(model=MODELS[1], precision="binary")
    move(database)
    a_minute_later(searcher)

    hits = searcher.search(QUESTION)

    assert generation_of(hits) == {2}
    assert searcher.manifest.precision == "binary"
    assert kept(searcher).opened.student is student


def test_a_student_that_cannot_be_loaded_leaves_the_old_in_use_until_it_is_retired(
    made: Made, build: Step, database: Database[Any], caplog: pytest.LogCaptureFixture
) -> None:
    searcher = made(DOCUMENTS)
    build()
    move(database)
    gone = {"students.default.name": "./not-here", "students.default.revision": "sha256:1"}
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": gone})
    a_minute_later(searcher)

    with caplog.at_level(logging.WARNING):
        hits = searcher.search(QUESTION)

    assert generation_of(hits) == {1}
    assert "still using the previous vectors" in caplog.text
    drop(database)
    with pytest.raises(ModelError):
        searcher.search(QUESTION)


def test_candidates_are_reckoned_from_the_documents_of_one_generation(
    made: Made, build: Step, database: Database[Any]
) -> None:
    searcher = made(DOCUMENTS)
    build(DOCUMENTS[:20])
    a_minute_later(searcher)

    searcher.search(QUESTION)

    assert kept(searcher).opened.documents == 60
    move(database)
    a_minute_later(searcher)
    searcher.search(QUESTION)
    assert kept(searcher).opened.documents == 20
    drop(database)
    a_minute_later(searcher)
    searcher.search(QUESTION)
    assert kept(searcher).opened.documents == 20


def test_a_filter_that_nothing_passes_is_no_reason_to_look_twice(
    made: Made, build: Step, database: Database[Any]
) -> None:
    searcher = made(DOCUMENTS)
    build()

    assert searcher.search(QUESTION, filter={"document": "none"}) == []
    assert searcher.manifest.generation == 1


def test_what_is_opened_as_an_ordinary_target_is_the_one_that_answers(
    made: Made, build: Step, database: Database[Any]
) -> None:
    made(DOCUMENTS)
    build()
    assert open_target(database, settings(database, MODELS[1]), Choices()).manifest.generation == 1
    move(database)

    target = open_target(database, settings(database, MODELS[2]), Choices())

    assert target.manifest.generation == 2
