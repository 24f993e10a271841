"""Manifest and indexes stay in line: with several ingests at once, and when the server refuses."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import ConfigError
from leafsearch.ingest import Document, Rejects, Summary, Target, ingest
from leafsearch.ingest.target import reconcile as settling
from leafsearch.ingest.target.reconcile import follow, reconcile, with_wanted_indexes
from leafsearch.vectors import Collection, DeploymentError, IndexFailed, ManifestError
from leafsearch.vectors.store import MANIFESTS, IndexSpec, find_manifest, read_manifest
from leafsearch.vectors.store.indexes.search_index import SearchIndex, wait_for
from leaftests.forked import Command

Run = Callable[..., CompletedProcess[str]]
Write = Callable[..., Summary]
Open = Callable[..., Target]
ONE = [Document("a", "one")]


def indexed(database: Database[Any], name: str = "c") -> set[str]:
    (index,) = database[name].list_search_indexes("leaf_vectors")
    fields = index["latestDefinition"]["fields"]
    return {f["path"] for f in fields if f["type"] == "filter"}


@pytest.fixture
def at_once(mongodb_uri: str, database: Database[Any]) -> Any:
    """Runs several ingests of one file at once, each with options of its own."""
    named = {"MONGODB_URI": mongodb_uri, "LEAF_DATABASE": database.name}
    hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}
    environ = {**os.environ, **named, **hashed}

    def started(*options: Sequence[str]) -> list[tuple[int, str]]:
        command = ("leaf-ingest", "c.jsonl", "--collection", "c")
        running = [Command(*command, *o, environ=environ) for o in options]
        return [(done.returncode, done.stderr) for done in (r.ended() for r in running)]

    return started


def test_ingests_at_once_lose_no_filter_path(at_once: Any, database: Database[Any]) -> None:
    records = [json.dumps({"id": n, "text": f"Text {n}", "f0": n}) for n in range(50)]
    Path("c.jsonl").write_text("\n".join(records))
    for round in range(2):  # of a new collection, of one that is there
        fields = [f"metadata.f{round}{n}" for n in range(4)]

        ended = at_once(*(["--filter-field", field] for field in fields), ["--hybrid"])

        assert ended == [(0, "")] * 5
        manifest = read_manifest(database, "c")
        assert set(fields) < set(manifest.filters) == indexed(database)
        assert manifest.hybrid
        assert len(manifest.filters) == len(set(manifest.filters))
    assert len(list(database["c"].list_search_indexes())) == 2
    assert database["c"].count_documents({}) == 50


def test_a_run_keeps_paths_that_another_added_after_it_opened(
    target: Open, write: Write, database: Database[Any]
) -> None:
    write(ONE)
    late = target(filters=["metadata.late"])
    write(ONE, filters=["metadata.early"], hybrid=True)

    late.ensure_index()
    late.wait_until_ready(None, seconds=60, on_status=lambda status: None)

    assert late.manifest.filters == ("document", "metadata.early", "metadata.late")
    assert late.manifest.hybrid
    assert read_manifest(database, "c") == late.manifest
    assert indexed(database) == set(late.manifest.filters)


def test_what_another_has_just_written_need_not_be_written_again_to_be_indexed(
    target: Open, write: Write, database: Database[Any], tmp_path: Path
) -> None:
    late = target(filters=["metadata.late"])
    write(ONE, filters=["metadata.early"])

    summary = ingest(ONE, late, rejects=Rejects(tmp_path / "r"))

    assert (summary.encoded, summary.unchanged) == (0, 1)
    assert read_manifest(database, "c").filters == ("document", "metadata.early", "metadata.late")
    assert indexed(database) == {"document", "metadata.early", "metadata.late"}


def test_waiting_for_the_index_adopts_what_another_run_adds(
    target: Open, write: Write, database: Database[Any]
) -> None:
    write(ONE)
    waiting = target()
    waiting.ensure_index()
    write(ONE, filters=["metadata.new"])

    waiting.wait_until_ready("a#0", seconds=60, on_status=lambda status: None)

    assert indexed(database) == {"document", "metadata.new"}


def test_a_definition_that_the_server_refuses_leaves_the_manifest_as_it_was(
    write: Write, database: Database[Any]
) -> None:
    write(ONE)
    before = read_manifest(database, "c")
    refused = with_wanted_indexes(before, ["embedding"], hybrid=False)  # which is the vector's path

    with pytest.raises(DeploymentError, match="must have distinct paths"):
        reconcile(database, "c", refused)

    assert read_manifest(database, "c") == before
    assert indexed(database) == {"document"}


def test_a_refused_index_leaves_no_manifest_of_a_new_collection(
    write: Write, database: Database[Any]
) -> None:
    write(ONE)
    refused = with_wanted_indexes(read_manifest(database, "c"), ["embedding"], hybrid=False)

    with pytest.raises(DeploymentError):
        reconcile(database, "other", refused)

    assert find_manifest(database, "other") is None


def test_a_slower_ingest_of_another_form_restores_the_index(
    write: Write, database: Database[Any]
) -> None:
    write(ONE)
    stored = read_manifest(database, "c")

    with pytest.raises(ManifestError, match="Another ingest has just created it"):
        reconcile(database, "c", replace(stored, dimensions=32))

    assert follow(database, "c", stored).manifest == stored
    wait_for(Collection(database["c"], stored).indexes[:1], seconds=60)


def test_an_index_that_was_given_up_is_reported_before_anything_is_read(
    write: Write, database: Database[Any]
) -> None:
    write(ONE)
    spec = IndexSpec.of_vectors(read_manifest(database, "c"), "c")
    detail = [{"mainIndex": {"message": "disk full"}}]
    failed = {"name": "leaf_vectors", "status": "FAILED", "statusDetail": detail}

    with pytest.raises(IndexFailed, match="FAILED: disk full"):
        spec.require_no_failure([{**failed, "latestDefinition": spec.definition}])
    # What failed of another definition may become well with the new one.
    spec.require_no_failure([{**failed, "latestDefinition": {"fields": []}}])
    spec.require_no_failure([])


class _Listing:
    """A collection of which only the listing of its search indexes is asked."""

    def __init__(self, *indexes: dict[str, Any]) -> None:
        self._indexes = indexes

    def list_search_indexes(self) -> list[dict[str, Any]]:
        return list(self._indexes)


def test_one_failed_index_is_reported_at_once_while_another_is_built() -> None:
    definition = {"fields": [{"type": "vector", "path": "v"}]}
    listing: Any = _Listing(
        {"name": "one", "status": "BUILDING", "latestDefinition": definition},
        {"name": "two", "status": "FAILED", "latestDefinition": definition},
    )
    both = [
        SearchIndex(listing, IndexSpec(name, "vectorSearch", definition, "c"))
        for name in ("one", "two")
    ]

    with pytest.raises(IndexFailed, match="'two' of c FAILED"):
        wait_for(both, seconds=60, on_status=lambda status: None)


def test_a_mongod_without_search_is_reported_before_a_model_is_loaded(
    leaf_ingest: Run, database: Database[Any], mongodb_uri: str
) -> None:
    if "gateway.sock" not in mongodb_uri:
        pytest.skip("needs the local deployment")
    Path("c.jsonl").write_text('{"text": "T"}\n')
    plain = mongodb_uri.replace("gateway.sock", "mongod.sock")

    ended = leaf_ingest("c.jsonl", LEAF_TEACHER="no/such/model", MONGODB_URI=plain)

    assert ended.returncode == 1
    assert "this MongoDB has no vector search" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert database.list_collection_names() == []


def test_the_stale_manifest_of_a_dropped_collection_is_ignored(
    write: Write, database: Database[Any]
) -> None:
    write(ONE, precision="int8", dimensions=32, filters=["metadata.old"])
    database["c"].drop()

    write(ONE, precision="float32", filters=["metadata.new"])

    manifest = read_manifest(database, "c")
    assert (manifest.precision, manifest.dimensions) == ("float32", 64)
    assert manifest.filters == ("document", "metadata.new")
    assert indexed(database) == {"document", "metadata.new"}
    assert database[MANIFESTS].count_documents({}) == 1


def test_the_manifest_of_an_emptied_collection_is_ignored(
    write: Write, database: Database[Any]
) -> None:
    """Its index is still there, for vectors of another length."""
    write(ONE)
    database["c"].delete_many({})

    write(ONE, precision="binary")

    assert read_manifest(database, "c").precision == "binary"
    Collection(database["c"], read_manifest(database, "c")).wait_until_ready(
        "a#0", seconds=60, on_status=lambda status: None
    )


def test_one_document_keeps_the_manifest_in_force(write: Write, target: Open) -> None:
    write(ONE)

    with pytest.raises(ManifestError, match="precision is float32, requested binary"):
        target(precision="binary")


def test_a_collection_that_was_filled_meanwhile_is_not_taken_over(
    write: Write, target: Open, database: Database[Any]
) -> None:
    """Two see a left-over manifest, and want different things."""
    write(ONE)
    database["c"].drop()
    late = target(precision="binary")
    write(ONE)

    with pytest.raises(ManifestError, match="Another ingest has just created it"):
        late.write([{"_id": "b#0", "document": "b"}], late.teacher.encode_documents(["two"]))

    assert read_manifest(database, "c").precision == "float32"
    assert database["c"].count_documents({}) == 1


def test_a_collection_that_was_made_again_in_another_form_is_not_written_to(
    write: Write, target: Open, database: Database[Any]
) -> None:
    """Two runs are the first; the second replaces the manifest before the vectors of the other."""
    early = target()
    early.prepare(early.teacher.encode_documents(["one"]), ["one"])
    write(ONE, precision="binary")

    with pytest.raises(ManifestError, match="Another ingest has just created it"):
        early.write([{"_id": "b#0", "document": "b"}], early.teacher.encode_documents(["two"]))

    assert database["c"].count_documents({}) == 1


def test_vectors_written_in_the_old_form_keep_their_manifest(
    write: Write, target: Open, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look at an empty collection and the manifest of another form."""
    write(ONE)
    database["c"].delete_many({})
    late, before = target(precision="binary"), read_manifest(database, "c")
    delete = settling.delete_manifest

    def written_meanwhile(database: Database[Any], name: str) -> None:
        monkeypatch.undo()
        database[name].insert_one({"_id": "a#0", "document": "a"})
        delete(database, name)

    monkeypatch.setattr(settling, "delete_manifest", written_meanwhile)

    with pytest.raises(ManifestError, match="Another ingest has just created it"):
        late.prepare(late.teacher.encode_documents(["two"]), ["two"])

    assert read_manifest(database, "c") == before


def test_a_malformed_choice_is_refused_in_a_program_too(target: Open) -> None:
    with pytest.raises(ConfigError, match=r"--filter-field 'metadata\.'"):
        target(filters=["metadata."])
