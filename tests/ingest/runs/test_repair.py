"""`leaf-ingest repair` beside other runs and in place; see also tests/doctor."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Document, Rejects, Target
from leafsearch.ingest.pipeline.plan import plan_windows
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.pipeline.write import Writer, without_vectors
from leafsearch.ingest.runs.repair import repair
from leafsearch.vectors.store import RetryBudget

Open = Callable[..., Target]
Write = Callable[..., Any]
Run = Callable[..., "CompletedProcess[str]"]

LONG = " ".join(f"Sentence {n} of it." for n in range(40))
HASHED = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}


def repaired(database: Database[Any], tmp_path: Path, **options: Any) -> int:
    settings = load({}, teacher="hashing:64", student="hashing:64", collection="c")
    rejects = Rejects(tmp_path / "rejects.jsonl")
    done = repair(
        database,
        settings,
        rejects,
        seconds=0,
        on_status=lambda text: None,
        retries=RetryBudget(),
        **options,
    )
    return done.encoded


def test_a_run_that_a_repair_overtakes_looks_again(
    write: Write, target: Open, database: Database[Any], tmp_path: Path
) -> None:
    """The repair makes another chunk of the one that the run has seen and wants to delete."""
    write([Document("a", LONG)])
    opened, tally = target(), Tally(lambda summary: None)
    opened.registration.enter()
    (planned,) = plan_windows([[Document("a", LONG[:40])]], opened, tally)
    assert planned[0].gone

    assert repaired(database, tmp_path, everything=True) > 1
    Writer(opened, tally, lambda rejected: None).write(
        [without_vectors([plan for plan in planned if not plan.new])]
    )

    assert not opened.registration.was_alone()


def test_a_text_that_came_after_the_look_keeps_its_vector(
    write: Write, target: Open, database: Database[Any]
) -> None:
    """Its hash may be the same, where a title has moved into it."""
    write([Document("a", "One.")])
    seen = database["c"].find_one({"_id": "a#0"})
    assert seen is not None
    database["c"].update_one({"_id": "a#0"}, {"$set": {"text": "Two."}})

    assert target().collection.renew([seen], [{"embedding": b"", "hash": b""}]) == 0

    assert database["c"].count_documents({"hash": seen["hash"]}) == 1


def test_in_place_all_documents_are_looked_at_and_rejects_are_reported(
    run: Run, mongodb_uri: str, database: Database[Any]
) -> None:
    """Also one with a field of its own that is called as that of our generations."""
    database["d"].insert_many([{"_id": n, "text": f"Text {n}.", "generation": n} for n in range(3)])
    where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "d")
    source = f"mongodb:{database.name}.d"
    made = run("leaf-ingest", source, "--in-place", *where, "--wait", 0, **HASHED)
    assert made.returncode == 0, made.stderr
    before = list(database["d"].find().sort("_id"))
    database["d"].update_many({}, {"$set": {"embedding": b"no vector"}})
    database["d"].update_one({"_id": 2}, {"$set": {"text": 5}})

    ended = run("leaf-ingest", "repair", *where, "--wait", 0, **HASHED)

    assert ended.returncode == 3, ended.stderr
    assert "1 record was rejected; see leaf-ingest.rejects.jsonl" in ended.stderr
    assert "encoded 2 of 3 vectors again" in ended.stdout
    assert list(database["d"].find({"_id": {"$lt": 2}}).sort("_id")) == before[:2]
