"""Two generations of vectors in one collection: each is judged by its own, and strays are found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.doctor import Severity
from leafsearch.ingest import Choices, Document, Rejects, ingest
from leafsearch.ingest.generations.build import open_rebuild
from leafsearch.ingest.generations.cutover import cut_over
from leafsearch.ingest.generations.retire import retire
from leafsearch.vectors.store import MANIFESTS
from leaftests.doctor import Examined, Ingested, complaints, corpus


@pytest.fixture
def build(database: Database[Any], tmp_path: Path) -> Callable[..., None]:
    """Generation 2 of other vectors, up to its move."""

    def built(documents: Sequence[Document] | None = None, **choices: Any) -> None:
        settings = load(
            {}, teacher="hashing:256", student="hashing:256", storage="full", collection="c"
        )
        target = open_rebuild(database, settings, Choices(**choices))
        summary = ingest(documents or corpus(), target, rejects=Rejects(tmp_path / "rejects"))
        target.collection.wait_until_ready(
            summary.last_written, seconds=60, on_status=lambda text: None
        )

    return built


def move(database: Database[Any]) -> None:
    cut_over(database, "c", 2, chunk=None, seconds=60, on_status=lambda status: None)


def drop(database: Database[Any]) -> None:
    retire(database, "c", seconds=60, on_status=lambda status: None)


@pytest.mark.parametrize("choices", [{}, {"precision": "binary"}], ids=str)
@pytest.mark.parametrize("hybrid", [False, True])
def test_a_collection_in_transition_is_well_all_the_time(
    ingested: Ingested,
    examined: Examined,
    build: Callable[..., None],
    database: Database[Any],
    choices: dict[str, Any],
    hybrid: bool,
) -> None:
    ingested(hybrid=hybrid)
    build(corpus()[:20], **choices)

    building = examined()
    move(database)
    moved = examined()
    drop(database)
    retired = examined()

    assert [complaints(f) for f in (building, moved, retired)] == [{}, {}, {}]
    findings = [f["generations"] for f in (building, moved, retired)]
    assert "2 is being built and has 20 chunks" in findings[0].message
    assert "1 is kept for `leaf-ingest rollback " in findings[1].message
    assert "searches use generation 2, the only one" in findings[2].message
    assert findings[1].numbers == {"generation_1": 60, "generation_2": 20}
    assert [f["indexed documents"].numbers["vectors"] for f in (building, moved, retired)] == [
        60,
        20,
        20,
    ]


def test_the_other_one_can_be_examined_by_its_path(
    ingested: Ingested, examined: Examined, build: Callable[..., None]
) -> None:
    ingested()
    build(corpus()[:20])

    findings = examined(path="embedding_2")

    assert complaints(findings) == {}
    assert "teacher hashing:256" in findings["manifest"].message


def test_a_sample_is_of_the_generation_that_is_looked_at(
    ingested: Ingested, examined: Examined, build: Callable[..., None]
) -> None:
    ingested()
    build()

    findings = examined(sample=30)

    assert complaints(findings) == {}
    assert findings["vectors"].numbers["sampled"] == 30


def test_chunks_that_no_manifest_names_are_a_problem(
    ingested: Ingested, examined: Examined, build: Callable[..., None], database: Database[Any]
) -> None:
    ingested()
    build()
    move(database)
    database[MANIFESTS].update_one({"_id": "c"}, {"$unset": {"previous": ""}})

    findings = examined()

    assert findings["generations"].level is Severity.PROBLEM
    assert "60 of generation 1" in findings["generations"].message
    assert "leaf-ingest retire" in findings["generations"].message
    drop(database)
    assert complaints(examined()) == {}


def test_an_index_that_no_manifest_names_is_a_warning(
    ingested: Ingested, examined: Examined, build: Callable[..., None], database: Database[Any]
) -> None:
    ingested()
    build()
    database[MANIFESTS].update_one({"_id": "c"}, {"$unset": {"next": ""}})
    database["c"].delete_many({"generation": 2})

    findings = examined()

    assert complaints(findings) == {"generations": Severity.WARNING}
    assert "search indexes of generation 2" in findings["generations"].message


def test_one_that_is_kept_but_could_not_answer_is_a_warning(
    ingested: Ingested, examined: Examined, build: Callable[..., None], database: Database[Any]
) -> None:
    ingested()
    build()
    move(database)
    database["c"].drop_search_index("leaf_vectors")

    without_index = examined()
    database["c"].delete_many({"generation": None})
    without_chunks = examined()

    for findings in (without_index, without_chunks):
        assert complaints(findings) == {"generations": Severity.WARNING}
    assert "has no search index 'leaf_vectors'" in without_index["generations"].message
    assert "has no chunks" in without_chunks["generations"].message
