"""`--indexing-method`, `--hnsw-...` and `--stored-source` on new and on existing collections."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.config.storage import IndexTuning
from leafsearch.ingest import Choices, Document, Summary
from leafsearch.ingest.generations.build import open_rebuild
from leafsearch.ingest.target.reconcile import reconcile
from leafsearch.vectors import ManifestError, SearchIndexError
from leafsearch.vectors.store import IndexSpec, SearchIndex, is_same_index, read_manifest

Run = Callable[..., CompletedProcess[str]]
Write = Callable[..., Summary]
DOCUMENTS = [Document("a", "the cat sat"), Document("b", "dogs bark")]
FLAT = IndexTuning(indexing_method="flat")
HNSW = {"hnswOptions": {"maxEdges": 32}}


def latest(database: Database[Any], name: str = "leaf_vectors", of: str = "c") -> dict[str, Any]:
    (index,) = database[of].list_search_indexes(name)
    definition: dict[str, Any] = index["latestDefinition"]
    return definition


def vector(database: Database[Any], **of: str) -> dict[str, Any]:
    (found,) = (f for f in latest(database, **of)["fields"] if f["type"] == "vector")
    return dict(found)


def test_new_collection_gets_the_index_that_was_chosen(
    write: Write, database: Database[Any]
) -> None:
    write(DOCUMENTS, tuning=IndexTuning(hnsw_max_edges=32, stored_source=True))

    assert vector(database)["hnswOptions"] == {"maxEdges": 32}
    assert "text" in latest(database)["storedSource"]["include"]
    assert read_manifest(database, "c").tuning.hnsw_max_edges == 32


def test_changed_option_updates_the_index_and_encodes_nothing(
    write: Write, database: Database[Any]
) -> None:
    write(DOCUMENTS)

    done = write(DOCUMENTS, tuning=FLAT)

    assert done.encoded == 0
    assert vector(database)["indexingMethod"] == "flat"
    assert read_manifest(database, "c").tuning == FLAT
    write(DOCUMENTS)  # asks for nothing, changes nothing
    assert vector(database)["indexingMethod"] == "flat"


def test_graph_options_need_a_graph(write: Write, database: Database[Any]) -> None:
    write(DOCUMENTS, tuning=FLAT)

    with pytest.raises(ManifestError, match="indexed flat: --hnsw-candidates 200: a flat index"):
        write(DOCUMENTS, tuning=IndexTuning(hnsw_candidates=200))

    write(DOCUMENTS, tuning=IndexTuning(indexing_method="hnsw", hnsw_candidates=200))
    assert vector(database)["hnswOptions"] == {"numEdgeCandidates": 200}


def test_stored_source_can_be_given_up(write: Write, database: Database[Any]) -> None:
    write(DOCUMENTS, tuning=IndexTuning(stored_source=True))
    write(DOCUMENTS, tuning=IndexTuning(stored_source=False))

    assert latest(database)["storedSource"] is False


def test_run_that_began_before_keeps_what_another_chose(
    target: Callable[..., Any], write: Write, database: Database[Any]
) -> None:
    write(DOCUMENTS)
    before = target()
    write(DOCUMENTS, tuning=FLAT)

    collection = reconcile(database, "c", before.manifest)

    assert collection.manifest.tuning == FLAT
    assert vector(database)["indexingMethod"] == "flat"


def test_an_index_that_was_tuned_by_hand_is_left_alone(
    write: Write, database: Database[Any]
) -> None:
    write(DOCUMENTS)
    by_hand = latest(database)
    by_hand["fields"][0]["hnswOptions"] = {"maxEdges": 48}
    database["c"].update_search_index("leaf_vectors", by_hand)

    write(DOCUMENTS)

    assert vector(database)["hnswOptions"] == {"maxEdges": 48}


def test_key_that_the_server_does_not_know_is_named_with_its_option(
    write: Write, database: Database[Any]
) -> None:
    """This server knows them all, so that one is put where it does not."""
    write(DOCUMENTS)
    definition = latest(database)
    vectors, filters = definition["fields"]
    misplaced = {"fields": [{**vectors, "numDimensions": 8}, {**filters, **HNSW}]}
    spec = IndexSpec("leaf_vectors", "vectorSearch", misplaced, "leaf.c")

    with pytest.raises(SearchIndexError, match=r"knows no hnswOptions .* out --hnsw-max-edges"):
        SearchIndex(database["c"], spec).ensure()

    assert latest(database) == definition


def test_rebuild_keeps_the_choice_or_takes_another(write: Write, database: Database[Any]) -> None:
    write(DOCUMENTS, tuning=IndexTuning(hnsw_max_edges=32))
    settings = load({}, teacher="hashing:64", student="hashing:64", collection="c")

    kept = open_rebuild(database, settings, Choices(precision="int8"))
    other = open_rebuild(database, settings, Choices(precision="int8", tuning=FLAT))

    assert kept.manifest.tuning == IndexTuning(hnsw_max_edges=32)
    assert other.manifest.tuning == FLAT


def test_options_of_the_command_reach_the_index_and_bad_ones_are_usage(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("c.jsonl").write_text('{"id": "a", "text": "the cat sat"}\n')

    made = leaf_ingest("c.jsonl", "--indexing-method", "flat", "--stored-source")
    bad = leaf_ingest("c.jsonl", "--indexing-method", "flat", "--hnsw-max-edges", "99")
    odd = leaf_ingest("c.jsonl", "--indexing-method", "fla")

    assert made.returncode == 0, made.stderr
    assert vector(database, of="chunks")["indexingMethod"] == "flat"
    wanted = IndexSpec.of_vectors(read_manifest(database, "chunks"), "c").definition
    assert is_same_index(wanted, latest(database, of="chunks"))
    assert bad.returncode == odd.returncode == 2
    assert "--hnsw-max-edges 99: expected 16 to 64" in bad.stderr
    assert "did you mean flat?" in odd.stderr


def test_repair_rebuilds_an_index_as_chosen(leaf_ingest: Run, database: Database[Any]) -> None:
    Path("c.jsonl").write_text('{"id": "a", "text": "the cat sat"}\n')
    assert leaf_ingest("c.jsonl", "--indexing-method", "flat").returncode == 0
    plain = latest(database, of="chunks")
    del plain["fields"][0]["indexingMethod"]
    database["chunks"].update_search_index("leaf_vectors", plain)

    ended = leaf_ingest("repair")

    assert ended.returncode == 0, ended.stderr
    assert vector(database, of="chunks")["indexingMethod"] == "flat"
