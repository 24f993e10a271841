"""Vectors of another teacher or form are built beside those that answer: rebuild, rollback, retire.

Hashed vectors of another length are those of another teacher: none of one is near one of the other.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Document, Rejects, Summary, Target, TargetError, ingest, open_target
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.generations.build import find_missing_documents, open_rebuild
from leafsearch.ingest.generations.cutover import cut_over
from leafsearch.ingest.generations.retire import retire
from leafsearch.ingest.target.reconcile import reconcile
from leafsearch.vectors import Collection, Manifest, ManifestError
from leafsearch.vectors.store import (
    MANIFESTS,
    Generations,
    StudentRecord,
    add_student,
    read_generations,
    read_manifest,
    switch_generation,
)
from leaftests.forked import Command

Run = Callable[..., CompletedProcess[str]]
Rebuild = Callable[..., CompletedProcess[str]]

N = 40
OTHER = {"LEAF_TEACHER": "hashing:128", "LEAF_STUDENT": "hashing:128"}


def records(n: int = N, **more: Any) -> str:
    lines = [{"id": f"d{i}", "text": f"Text of number {i} in words.", **more} for i in range(n)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def generations(database: Database[Any]) -> Generations:
    return read_generations(database, "chunks")


def indexes(database: Database[Any]) -> set[str]:
    return {index["name"] for index in database["chunks"].list_search_indexes()}


def stored(database: Database[Any]) -> dict[int, int]:
    """Chunks of each generation."""
    groups = database["chunks"].aggregate([{"$group": {"_id": "$generation", "n": {"$sum": 1}}}])
    return {group["_id"] or 1: group["n"] for group in groups}


@pytest.fixture
def corpus(leaf_ingest: Run) -> str:
    """A file that was ingested as generation 1."""
    Path("c.jsonl").write_text(records())
    assert leaf_ingest("c.jsonl").returncode == 0
    return "c.jsonl"


def test_a_rebuild_with_another_teacher_switches_searches(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    before = list(database["chunks"].find().sort("_id"))

    ended = leaf_ingest(corpus, "--rebuild", **OTHER)

    assert ended.returncode == 0
    assert f"{N} encoded" in ended.stdout
    assert "holds 40 chunks as 128 x float32" in ended.stdout
    assert (
        "searches switched from generation 1 (hashing:64, 64 x float32) to generation 2 "
        "(hashing:128, 128 x float32)"
    ) in ended.stderr
    assert ended.stderr.count("\n") == 1
    seen = generations(database)
    assert (seen.active.generation, seen.active.path) == (2, "embedding_2")
    assert (seen.active.index, seen.active.teacher.name) == ("leaf_vectors_2", "hashing:128")
    assert seen.previous is not None
    assert seen.previous.index == "leaf_vectors"
    assert seen.next is None
    assert list(database["chunks"].find({"generation": None}).sort("_id")) == before
    chunk = database["chunks"].find_one({"_id": "d0#0@2"}) or {}
    assert (chunk["generation"], chunk["document"]) == (2, "d0")
    assert "embedding" not in chunk
    assert read_manifest(database, "chunks") == seen.active


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        (["--precision", "int8"], (64, "int8", "none")),
        (["--precision", "binary"], (64, "binary", "none")),
        (["--dimensions", "32"], (32, "float32", "none")),
        (["--quantization", "scalar"], (64, "float32", "scalar")),
        (["--storage", "binary"], (64, "binary", "none")),
        ([], (64, "float32", "none")),
    ],
)
def test_a_rebuild_keeps_what_is_not_changed(
    leaf_ingest: Run, corpus: str, database: Database[Any], asked: list[str], form: Any
) -> None:
    old = generations(database).active
    unset = {"LEAF_STORAGE": "", "LEAF_TEACHER": "", "LEAF_STUDENT": ""}

    first = leaf_ingest(corpus, "--rebuild", *asked, **unset)
    again = leaf_ingest(corpus, "--rebuild", *asked, **unset)

    new = generations(database).active
    assert (first.returncode, again.returncode) == (0, 0)
    assert (new.dimensions, new.precision, new.quantization) == form
    assert (new.teacher, new.student, new.probe) == (old.teacher, old.student, old.probe)
    assert (new.chunk_tokens, new.chunk_overlap) == (old.chunk_tokens, old.chunk_overlap)
    assert (new.scale is not None) == (new.precision == "int8")
    assert "0 encoded" in again.stdout
    assert "searches use generation 2 already" in again.stderr


def test_without_rebuild_another_form_is_refused_and_the_way_is_named(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    ended = leaf_ingest(corpus, LEAF_STORAGE="binary")

    assert ended.returncode == 1
    assert "precision is float32, requested binary" in ended.stderr
    assert f"`leaf-ingest {corpus} --rebuild --database {database.name}`" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_ordinary_runs_after_the_switch_write_the_new_generation(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)
    Path("more.jsonl").write_text('{"id": "more", "text": "One more."}\n')

    ended = leaf_ingest("more.jsonl", **OTHER)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "holds 41 chunks as 128 x float32" in ended.stdout
    assert stored(database) == {1: N, 2: N + 1}


def test_rollback_and_retire_finish_it_and_are_idempotent(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)

    back = [leaf_ingest("rollback") for _ in range(2)]

    assert [ended.returncode for ended in back] == [0, 0]
    assert back[0].stdout == back[1].stdout
    assert "searches of chunks use generation 1 (hashing:64, 64 x float32)" in back[0].stdout
    assert generations(database).active.generation == 1
    retired = [leaf_ingest("retire", "--json") for _ in range(2)]
    assert [json.loads(ended.stdout) for ended in retired] == [
        {"generation": 1, "chunks": N, "indexes": 1, "transforms": 0},
        {"generation": 1, "chunks": 0, "indexes": 0, "transforms": 0},
    ]
    assert stored(database) == {1: N}
    assert indexes(database) == {"leaf_vectors"}
    assert generations(database).other is None


def test_a_retired_generation_number_is_never_reused(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)
    assert leaf_ingest("retire").returncode == 0
    assert stored(database) == {2: N}
    assert indexes(database) == {"leaf_vectors_2"}

    ended = leaf_ingest(corpus, "--rebuild", LEAF_STORAGE="binary")

    assert ended.returncode == 0
    assert "to generation 3 (hashing:64, 64 x binary)" in ended.stderr
    assert stored(database) == {2: N, 3: N}


def test_a_rolled_back_generation_is_resumed(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)
    leaf_ingest("rollback")
    Path(corpus).write_text(records(N + 1))
    assert "1 encoded" in leaf_ingest(corpus).stdout

    ended = leaf_ingest(corpus, "--rebuild", **OTHER)

    assert "1 encoded, 0 updated, 40 unchanged" in ended.stdout
    assert "to generation 2" in ended.stderr
    assert stored(database) == {1: N + 1, 2: N + 1}


def test_documents_that_would_be_lost_stop_the_switch_without_yes(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    Path("part.jsonl").write_text(records(N - 5) + '{"id": "new", "text": "New."}\n' * 5 + "{}\n")

    refused = leaf_ingest("part.jsonl", "--rebuild", **OTHER)

    assert refused.returncode == 1
    last = refused.stderr.splitlines()[-1]
    assert "5 records were rejected" in last  # four of one id, one without text
    assert "lacks 5 documents that searches find now: d35, d36, d37, ..." in last
    assert f"`leaf-ingest part.jsonl --rebuild --yes --database {database.name}`" in last
    seen = generations(database)
    assert (seen.active.generation, seen.next is None) == (1, False)
    meant = leaf_ingest("part.jsonl", "--rebuild", "--yes", **OTHER)
    assert meant.returncode == 3
    assert "0 encoded" in meant.stdout
    assert generations(database).active.generation == 2


def test_documents_rejected_in_both_generations_do_not_stop_the_switch(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    """An id that stands twice, and a record without a text, of both generations."""
    Path("c.jsonl").write_text(records(9) + records(2) + "{}\n")
    assert leaf_ingest("c.jsonl").returncode == 3

    rebuilt = leaf_ingest("c.jsonl", "--rebuild", **OTHER)

    assert rebuilt.returncode == 3
    assert "leaf-ingest: 3 records were rejected" in rebuilt.stderr
    assert generations(database).active.generation == 2


def test_an_unfinished_rebuild_is_reported_by_ordinary_runs_and_dropped_by_retire(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    Path("part.jsonl").write_text(records(3))
    leaf_ingest("part.jsonl", "--rebuild", **OTHER)

    ordinary = leaf_ingest(corpus)
    other = leaf_ingest(corpus, "--rebuild", LEAF_STORAGE="binary")
    back = leaf_ingest("rollback")
    dropped = leaf_ingest("retire")

    assert ordinary.returncode == 0
    assert "generation 2 of chunks is not finished" in ordinary.stderr
    assert "holds 40 chunks" in ordinary.stdout
    assert other.returncode == 1
    assert "teacher is hashing:128, requested hashing:64" in other.stderr
    assert "leaf-ingest retire" in other.stderr
    assert (
        "generation to roll back to: 1 is the only one, beside an unfinished rebuild" in back.stderr
    )
    assert "deleted 3 chunks and 1 search index" in dropped.stdout
    assert leaf_ingest("retire").stdout == "nothing to delete: chunks has only generation 1\n"
    assert stored(database) == {1: N}
    assert indexes(database) == {"leaf_vectors"}


def test_a_third_generation_is_not_built(leaf_ingest: Run, corpus: str) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)

    ended = leaf_ingest(corpus, "--rebuild", LEAF_STORAGE="binary")

    assert ended.returncode == 1
    assert "keeps generation 1 beside 2" in ended.stderr
    assert "Delete generation 1 with `leaf-ingest retire " in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rollback", "c.jsonl"], "Got unexpected extra argument(s) (c.jsonl)"),
        (["repair", "c.jsonl"], "Got unexpected extra argument(s) (c.jsonl)"),
        (["c.jsonl", "--all"], "No such option: --all"),
        (["retire", "--storage", "binary"], "No such option: --storage"),
        (["retire", "rollback"], "Got unexpected extra argument(s) (rollback)"),
        (["retire", "--yes"], "No such option: --yes"),
        (["rollback", "--wait", "-1"], "--wait -1: expected seconds, 0 or more"),
        (["--rebuild"], "Missing argument 'PATH'"),
        (["c.jsonl", "--yes"], "--yes: only --rebuild and --prune stop before documents are lost"),
    ],
)
def test_usage_errors_exit_2(leaf_ingest: Run, arguments: list[str], expected: str) -> None:
    ended = leaf_ingest(*arguments)

    assert ended.returncode == 2
    assert expected in " ".join(ended.stderr.split())


@pytest.mark.parametrize("verb", ["rollback", "retire", "--rebuild"])
def test_an_empty_collection_has_nothing_to_rebuild_or_retire(leaf_ingest: Run, verb: str) -> None:
    Path("c.jsonl").write_text(records(1))

    ended = leaf_ingest(*(["c.jsonl"] if verb == "--rebuild" else []), verb)

    assert ended.returncode == 1
    assert "has no manifest" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_rollback_without_a_rebuild_is_refused(leaf_ingest: Run, corpus: str) -> None:
    ended = leaf_ingest("rollback")

    assert ended.returncode == 1
    assert "has no generation to roll back to: 1 is the only one" in ended.stderr


def test_retire_refuses_while_the_active_generation_cannot_answer(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)
    database["chunks"].drop_search_index("leaf_vectors_2")

    ended = leaf_ingest("retire")

    assert ended.returncode == 1
    assert "has no search index 'leaf_vectors_2'" in ended.stderr
    assert stored(database) == {1: N, 2: N}
    assert leaf_ingest("rollback").returncode == 0


def test_rollback_refuses_a_generation_without_chunks(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)
    database["chunks"].delete_many({"generation": None})

    ended = leaf_ingest("rollback")

    assert ended.returncode == 1
    assert "generation 1 of" in ended.stderr
    assert "has no chunks" in ended.stderr
    assert generations(database).active.generation == 2


def test_retire_deletes_nothing_but_chunks_of_old_generations(
    leaf_ingest: Run, corpus: str, database: Database[Any]
) -> None:
    leaf_ingest(corpus, "--rebuild", **OTHER)
    foreign = [{"_id": 1, "text": "theirs"}, {"_id": 2, "generation": 1, "document": "theirs"}]
    database["chunks"].insert_many(foreign)

    ended = leaf_ingest("retire")

    assert "deleted 40 chunks" in ended.stdout
    assert list(database["chunks"].find({"hash": None}).sort("_id")) == foreign
    assert database["chunks"].count_documents({"generation": 2}) == N


def test_filter_paths_and_the_text_index_come_along_and_may_be_added_meanwhile(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("c.jsonl").write_text(records(a=1, b=2, c=3))
    Path("part.jsonl").write_text(records(3, a=1, b=2, c=3))
    leaf_ingest("c.jsonl", "--filter-field", "metadata.a")
    leaf_ingest("part.jsonl", "--rebuild", "--filter-field", "metadata.b", **OTHER)
    leaf_ingest("c.jsonl", "--filter-field", "metadata.c", "--hybrid")

    ended = leaf_ingest("c.jsonl", "--rebuild", **OTHER)

    assert ended.returncode == 0
    active = generations(database).active
    assert set(active.filters) == {"document", "metadata.a", "metadata.b", "metadata.c"}
    assert active.hybrid
    assert indexes(database) == {
        "leaf_vectors",
        "leaf_vectors_text",
        "leaf_vectors_2",
        "leaf_vectors_2_text",
    }
    Collection(database["chunks"], active).indexes[1].check(ready=True)


def killed_when(command: list[str], reached: Callable[[], bool]) -> None:
    """Starts the command and kills it at that moment."""
    running = Command("leaf-ingest", *command, environ=os.environ)
    deadline = time.monotonic() + 60
    while not reached():
        assert not running.ends_in(0)
        assert time.monotonic() < deadline
    running.kill()


@pytest.fixture
def environ(database: Database[Any], mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of commands that are started without `leaf_ingest`."""
    for name, value in {
        "MONGODB_URI": mongodb_uri,
        "LEAF_DATABASE": database.name,
        "LEAF_STORAGE": "full",
        **OTHER,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environ")
def test_a_killed_rebuild_changes_nothing_and_is_finished_by_the_same_command(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("c.jsonl").write_text(records(6000))
    leaf_ingest("c.jsonl")
    new = {"generation": 2}

    killed_when(["c.jsonl", "--rebuild"], lambda: generations(database).next is not None)
    assert generations(database).active.generation == 1
    killed_when(["c.jsonl", "--rebuild"], lambda: database["chunks"].count_documents(new) > 1000)
    done = database["chunks"].count_documents(new)
    assert 1000 < done < 6000
    assert generations(database).active.generation == 1
    ended = leaf_ingest("c.jsonl", "--rebuild", "--json", **OTHER)

    # What was on its way when the command was killed may have arrived.
    assert json.loads(ended.stdout)["encoded"] in range(6000 - done - 1024, 6000 - done + 1)
    assert generations(database).active.generation == 2
    assert stored(database) == {1: 6000, 2: 6000}
    retired = ["retire"]
    killed_when(retired, lambda: generations(database).previous is None)
    assert leaf_ingest("retire").returncode == 0
    assert stored(database) == {2: 6000}
    assert indexes(database) == {"leaf_vectors_2"}


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("storage", ["full", "mrl256-int8"])
def test_two_rebuilds_at_once_make_one_generation_and_one_switch(
    leaf_ingest: Run, corpus: str, database: Database[Any], storage: str
) -> None:
    command = ("leaf-ingest", corpus, "--rebuild", "--storage", storage, "--dimensions", 64)

    running = [Command(*command, environ=os.environ) for _ in range(2)]
    done = [command.ended() for command in running]

    assert [command.returncode for command in done] == [0, 0]
    assert any("searches switched from generation 1" in command.stderr for command in done)
    assert stored(database) == {1: N, 2: N}
    seen = generations(database)
    assert (seen.active.generation, seen.newest) == (2, 2)
    assert seen.previous is not None


def opened(database: Database[Any], teacher: str, *, rebuild: bool = False) -> Target:
    settings = load({}, teacher=teacher, student=teacher, storage="full", collection="c")
    return (open_rebuild if rebuild else open_target)(database, settings, Choices())


def written(target: Target, documents: list[Document], rejects: Path) -> Summary:
    summary = ingest(documents, target, rejects=Rejects(rejects))
    target.ensure_index()
    return summary


TWO = [Document("a", "one"), Document("b", "two")]


def test_one_of_two_conflicting_rebuilds_goes_on(database: Database[Any], tmp_path: Path) -> None:
    written(opened(database, "hashing:64"), TWO, tmp_path / "r")
    one = opened(database, "hashing:128", rebuild=True)
    other = opened(database, "hashing:32", rebuild=True)
    written(one, TWO, tmp_path / "r")

    with pytest.raises(ManifestError, match="Another ingest has just created it"):
        written(other, TWO, tmp_path / "r")

    assert database["c"].count_documents({"generation": 2}) == 2


def test_a_run_writes_nothing_into_a_retired_generation(
    database: Database[Any], tmp_path: Path
) -> None:
    written(opened(database, "hashing:64"), TWO, tmp_path / "r")
    late = opened(database, "hashing:128", rebuild=True)
    written(late, TWO, tmp_path / "r")
    retire(database, "c", seconds=60, on_status=lambda status: None)

    with pytest.raises(ManifestError, match="generation 2 of c was retired during this run"):
        written(late, [Document("c", "three")], tmp_path / "r")

    assert database["c"].count_documents({}) == 2


def test_an_ordinary_run_reports_a_switch_that_it_missed(
    database: Database[Any], tmp_path: Path
) -> None:
    late = opened(database, "hashing:64")
    written(late, TWO, tmp_path / "r")
    written(opened(database, "hashing:128", rebuild=True), TWO, tmp_path / "r")
    cut_over(database, "c", 2, chunk=None, seconds=60, on_status=lambda status: None)
    written(late, [Document("c", "three")], tmp_path / "r")

    with pytest.raises(TargetError, match="switched from generation 1 to 2 during this run"):
        late.require_active()


def test_the_switch_is_atomic_and_conditional(database: Database[Any], tmp_path: Path) -> None:
    written(opened(database, "hashing:64"), TWO, tmp_path / "r")
    written(opened(database, "hashing:128", rebuild=True), TWO, tmp_path / "r")
    seen = read_generations(database, "c")
    assert seen.next is not None
    written(opened(database, "hashing:64"), [Document("c", "three")], tmp_path / "r")
    database[MANIFESTS].update_one({"_id": "c"}, {"$addToSet": {"filters": "metadata.new"}})

    moved = [switch_generation(database, "c", seen, seen.next)]
    again = read_generations(database, "c")
    assert again.next is not None
    moved += [switch_generation(database, "c", again, again.next) for _ in range(2)]

    assert moved == [False, True, False]
    assert read_generations(database, "c").previous == again.active


def test_a_manifest_from_before_there_were_generations_is_the_first(
    database: Database[Any], tmp_path: Path
) -> None:
    written(opened(database, "hashing:64"), TWO, tmp_path / "r")
    database[MANIFESTS].update_one({"_id": "c"}, {"$unset": {"generation": ""}})
    written(opened(database, "hashing:128", rebuild=True), TWO, tmp_path / "r")

    cut_over(database, "c", 2, chunk=None, seconds=60, on_status=lambda status: None)

    seen = read_generations(database, "c")
    assert seen.previous is not None
    assert (seen.active.generation, seen.previous.generation) == (2, 1)
    cut_over(database, "c", 1, chunk=None, seconds=60, on_status=lambda status: None)
    assert read_generations(database, "c").active.generation == 1


def test_each_generation_counts_its_own(database: Database[Any], tmp_path: Path) -> None:
    first = opened(database, "hashing:64")
    written(first, TWO, tmp_path / "r")
    assert first.collection.count() == 2
    second = opened(database, "hashing:128", rebuild=True)
    written(second, [*TWO, Document("c", "three")], tmp_path / "r")

    assert (first.collection.count(), second.collection.count()) == (2, 3)
    assert list(find_missing_documents(database, "c", first.manifest, second.manifest)) == []
    assert list(find_missing_documents(database, "c", second.manifest, first.manifest)) == ["c"]


def test_a_dropped_collection_begins_again_at_the_first_generation(
    database: Database[Any], tmp_path: Path
) -> None:
    written(opened(database, "hashing:64"), TWO, tmp_path / "r")
    written(opened(database, "hashing:128", rebuild=True), TWO, tmp_path / "r")
    cut_over(database, "c", 2, chunk=None, seconds=60, on_status=lambda status: None)
    database["c"].drop()

    written(opened(database, "hashing:32"), TWO, tmp_path / "r")

    seen = read_generations(database, "c")
    assert (seen.active.generation, seen.active.dimensions, seen.other) == (1, 32, None)
    assert reconcile(database, "c", seen.active).count() == 2


def rebuilt(database: Database[Any], **models: str) -> Manifest:
    settings = load({}, **models, storage="full", collection="c")
    return open_rebuild(database, settings, Choices()).manifest


def test_other_students_come_along_to_vectors_of_the_same_teacher(
    database: Database[Any], tmp_path: Path
) -> None:
    written(opened(database, "hashing:64"), TWO, tmp_path / "r")
    active = read_manifest(database, "c")
    fast = StudentRecord(replace(active.student, name="fast-model"), 0.8)
    add_student(database, "c", active, "fast", fast)

    same = rebuilt(database)
    other = rebuilt(database, teacher="hashing:128", student="hashing:128")

    assert same.generation == 2
    assert same.students == read_manifest(database, "c").students
    assert (list(other.students), other.student.name) == (["default"], "hashing:128")
