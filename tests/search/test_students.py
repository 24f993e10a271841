"""Several students over one index: each query says which one encodes it."""

from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener, CommandStartedEvent

from leafsearch.config import load
from leafsearch.ingest import Document
from leafsearch.search import QueryError, Searcher
from leafsearch.vectors import Manifest, ManifestError, ModelError, ModelRecord
from leafsearch.vectors.encoders import PROBES, encode_probe, load_student
from leafsearch.vectors.store import (
    StudentFacts,
    StudentRecord,
    add_student,
    read_manifest,
    remove_student,
    set_default_student,
)
from leaftests.static import random_rows, static_model, wordpieces

DOCUMENTS = [Document(str(n), probe) for n, probe in enumerate(PROBES)]


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> StudentRecord:
    """A static model of 128 dimensions that knows nothing of the hashing teacher's space."""
    tokenizer = wordpieces()
    rows = random_rows(tokenizer.get_vocab_size(), 128)
    model = load_student(static_model(tmp_path_factory.mktemp("s") / "fast", tokenizer, rows))
    return StudentRecord(ModelRecord.of(model), 0.8, encode_probe(model), StudentFacts(4.0))


def added(database: Database[Any], record: StudentRecord, name: str = "fast") -> Manifest:
    add_student(database, "c", read_manifest(database, "c"), name, record)
    return read_manifest(database, "c")


def test_a_query_names_its_student(
    made: Any, database: Database[Any], other: StudentRecord
) -> None:
    searcher = made(DOCUMENTS)
    usual = searcher.search(PROBES[1], k=12)
    added(database, other)

    fast = searcher.search(PROBES[1], k=12, student="fast")

    assert usual[0].similarity > 0.9
    assert max(abs(hit.similarity) for hit in fast) < 0.5  # another space
    for name in ("default", "teacher", None):
        assert searcher.search(PROBES[1], k=12, student=name) == usual
    assert searcher.search_many([PROBES[1]], k=12, student="fast") == [fast]
    context = searcher.context(PROBES[1], 1000, k=1, student="fast")
    assert context.passages[0].similarity == pytest.approx(fast[0].similarity)


def test_a_searcher_may_have_a_student_of_its_own(
    made: Any, database: Database[Any], mongodb_uri: str, opener: Any, other: StudentRecord
) -> None:
    made(DOCUMENTS)
    added(database, other)
    where = {"database": database.name, "collection": "c"}

    with opener.open(mongodb_uri, load({}, **where), student="fast") as one:
        hits = one.search(PROBES[1])
    for given in ("fast", other.model.name):
        with opener.open(mongodb_uri, load({"LEAF_STUDENT": given}, **where)) as two:
            assert two.search(PROBES[1]) == hits
            assert two.search(PROBES[1], student="default") != hits


def test_an_unknown_name_brings_the_nearest_one(
    made: Any, database: Database[Any], mongodb_uri: str, opener: Any, other: StudentRecord
) -> None:
    searcher = made(DOCUMENTS)
    added(database, other)
    expected = "expected one of default, fast, teacher; did you mean fast"

    with pytest.raises(QueryError, match=expected):
        searcher.search("x", student="fsat")
    with pytest.raises(QueryError, match=r"leaf-search students add NAME MODEL"):
        searcher.search("x", student="fsat")
    with pytest.raises(QueryError, match=expected):
        opener.open(mongodb_uri, load({}, database=database.name, collection="c"), student="fsat")
    for wrong in ("", 3, ["fast"]):
        with pytest.raises(QueryError, match="expected a name, or None"):
            searcher.search("x", student=wrong)


def test_a_setting_of_another_model_is_refused(
    made: Any, database: Database[Any], mongodb_uri: str, opener: Any
) -> None:
    made(DOCUMENTS)

    with pytest.raises(ManifestError, match="`leaf-search students add NAME hashing:64"):
        opener.open(
            mongodb_uri,
            load({"LEAF_STUDENT": "hashing:64"}, database=database.name, collection="c"),
        )


def test_another_model_under_the_name_is_refused(
    made: Any, database: Database[Any], other: StudentRecord
) -> None:
    searcher = made(DOCUMENTS)
    added(database, replace(other, probe=encode_probe(load_student("hashing:128"))))

    with pytest.raises(ModelError, match="gives other vectors here"):
        searcher.search("x", student="fast")
    assert searcher.search(PROBES[0], k=1)[0].document == "0"


def test_an_open_searcher_takes_another_default(
    made: Any, database: Database[Any], other: StudentRecord
) -> None:
    searcher = made(DOCUMENTS)
    manifest = added(database, other)
    usual = searcher.search(PROBES[1])
    fast = searcher.search(PROBES[1], student="fast")

    set_default_student(database, "c", manifest, "fast")
    remove_student(database, "c", manifest, "default")
    getattr(searcher, "_searcher", searcher)._session.opened.seen -= 61

    assert usual != fast
    assert searcher.search(PROBES[1]) == fast
    with pytest.raises(QueryError, match="expected one of fast, teacher"):
        searcher.search(PROBES[1], student="default")


class Candidates(CommandListener):
    """numCandidates of each search."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def started(self, event: CommandStartedEvent) -> None:
        for stage in event.command.get("pipeline", ()):
            if "$vectorSearch" in stage:
                self.asked.append(stage["$vectorSearch"]["numCandidates"])

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


def test_a_student_takes_more_candidates(
    made: Any, database: Database[Any], mongodb_uri: str, other: StudentRecord
) -> None:
    made(DOCUMENTS)
    added(database, other)
    added(database, replace(other, facts=StudentFacts(1.5)), "measured")
    added(database, replace(other, facts=StudentFacts()), "unmeasured")
    with Searcher.open(mongodb_uri, load({}, database=database.name, collection="c")) as opened:
        listener = Candidates()
        client: MongoClient[Any] = MongoClient(mongodb_uri, event_listeners=[listener])
        with client:
            searcher = Searcher(client, opened._session)
            for name in (None, "fast", "measured", "unmeasured", "teacher"):
                searcher.search("x", student=name, k=10)
            searcher.search("x", student="fast", k=600, num_candidates=600)
            searcher.search("x", student="fast", k=600)

    assert listener.asked == [200, 800, 300, 800, 200, 600, 10_000]
