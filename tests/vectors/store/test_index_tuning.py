"""How an index is to be built: its definition, its comparison with the server's, its manifest."""

from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config.storage import IndexTuning, index_bytes
from leafsearch.vectors import Manifest
from leafsearch.vectors.store import (
    MANIFESTS,
    IndexSpec,
    amend_manifest,
    is_in_stored_source,
    is_same_index,
    read_manifest,
    tuning_differences,
    write_manifest,
)

from .test_manifest import MANIFEST

FLAT = IndexTuning(indexing_method="flat")
GRAPH = IndexTuning(indexing_method="hnsw", hnsw_max_edges=32, hnsw_candidates=400)
SHOWN = ["document", "position", "text", "metadata", "place"]


def tuned(tuning: IndexTuning, **changes: Any) -> Manifest:
    return replace(MANIFEST, tuning=tuning, **changes)


def definition(tuning: IndexTuning, **changes: Any) -> dict[str, Any]:
    return dict(IndexSpec.of_vectors(tuned(tuning, **changes), "db.c").definition)


def vector(tuning: IndexTuning) -> dict[str, Any]:
    (found,) = (f for f in definition(tuning)["fields"] if f["type"] == "vector")
    return {k: v for k, v in found.items() if k in ("indexingMethod", "hnswOptions")}


def test_definition_has_only_what_was_chosen() -> None:
    assert vector(IndexTuning()) == {}
    assert "storedSource" not in definition(IndexTuning())
    assert vector(FLAT) == {"indexingMethod": "flat"}
    assert vector(IndexTuning(hnsw_candidates=200)) == {"hnswOptions": {"numEdgeCandidates": 200}}
    assert vector(GRAPH) == {
        "indexingMethod": "hnsw",
        "hnswOptions": {"maxEdges": 32, "numEdgeCandidates": 400},
    }


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"precision": "int8"}, {"include": SHOWN}),
        ({"precision": "binary"}, {"include": [*SHOWN, "embedding"]}),
        ({"precision": "float32", "quantization": "scalar"}, {"include": [*SHOWN, "embedding"]}),
        ({"layout": "in_place"}, {"exclude": ["leaf", "embedding"]}),
        ({"layout": "in_place", "precision": "binary"}, {"exclude": ["leaf"]}),
    ],
    ids=["int8", "bits", "scalar", "in place", "bits in place"],
)
def test_stored_source_holds_hits_and_the_vector_where_searches_compute_with_it(
    changes: dict[str, Any], kept: dict[str, Any]
) -> None:
    chosen = IndexTuning(stored_source=True)
    manifest = tuned(chosen, **changes)

    assert definition(chosen, **changes)["storedSource"] == kept
    assert definition(IndexTuning(stored_source=False), **changes)["storedSource"] is False
    assert is_in_stored_source(manifest, ["document", "text"])
    keeps_vector = "embedding" in kept.get("include", ()) or kept == {"exclude": ["leaf"]}
    assert is_in_stored_source(manifest, ["embedding"]) is keeps_vector
    assert not is_in_stored_source(tuned(IndexTuning(), **changes), ["text"])


def test_what_was_not_chosen_is_not_compared() -> None:
    plain, by_hand = definition(IndexTuning()), definition(GRAPH)

    assert is_same_index(plain, by_hand)
    assert not is_same_index(by_hand, plain)
    assert is_same_index(by_hand, plain, tuned=False)
    assert tuning_differences(by_hand, plain) == {
        "maxEdges": (32, 16),
        "numEdgeCandidates": (400, 100),
    }


def test_defaults_of_the_server_count_as_there() -> None:
    least = IndexTuning(
        indexing_method="hnsw", hnsw_max_edges=16, hnsw_candidates=100, stored_source=False
    )

    assert is_same_index(definition(least), definition(IndexTuning()))


def test_order_of_stored_paths_does_not_matter() -> None:
    wanted = definition(IndexTuning(stored_source=True))
    latest = {**wanted, "storedSource": {"include": [*reversed(SHOWN)]}}

    assert is_same_index(wanted, latest)
    assert not is_same_index(wanted, {**wanted, "storedSource": {"include": SHOWN[1:]}})
    assert not is_same_index(definition(IndexTuning(stored_source=False)), wanted)


def test_asked_tuning_wins_and_flat_drops_the_graph() -> None:
    stored = replace(GRAPH, stored_source=True)

    assert stored.changed_by(IndexTuning()) == stored
    assert stored.changed_by(IndexTuning(hnsw_max_edges=20)).hnsw_candidates == 400
    assert stored.changed_by(FLAT) == replace(FLAT, stored_source=True)
    assert list(FLAT.changed_by(IndexTuning(hnsw_max_edges=20)).problems()) == [
        "--hnsw-max-edges 20: a flat index has no graph. Give --indexing-method hnsw"
    ]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"hnsw_max_edges": 15}, "--hnsw-max-edges 15: expected 16 to 64"),
        ({"hnsw_max_edges": 65}, "--hnsw-max-edges 65: expected 16 to 64"),
        ({"hnsw_candidates": 99}, "--hnsw-candidates 99: expected 100 to 3200"),
        ({"hnsw_candidates": 3201}, "--hnsw-candidates 3201: expected 100 to 3200"),
    ],
)
def test_values_that_the_server_refuses_are_problems(asked: dict[str, Any], problem: str) -> None:
    assert list(IndexTuning(**asked).problems()) == [problem]


def test_manifest_without_a_choice_is_what_earlier_versions_read(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)

    assert "tuning" not in (database[MANIFESTS].find_one({"_id": "c"}) or {})


def test_manifest_keeps_what_was_chosen(database: Database[Any]) -> None:
    write_manifest(database, "c", tuned(GRAPH))

    stored = database[MANIFESTS].find_one({"_id": "c"}) or {}
    assert stored["tuning"] == GRAPH.chosen
    assert read_manifest(database, "c").tuning == GRAPH


def test_only_what_is_asked_for_changes_in_the_manifest(database: Database[Any]) -> None:
    write_manifest(database, "c", tuned(GRAPH))

    kept = amend_manifest(database, "c", filters=(), hybrid=False)
    more = amend_manifest(
        database, "c", filters=(), hybrid=False, tuning=IndexTuning(stored_source=True)
    )
    flat = amend_manifest(database, "c", filters=(), hybrid=False, tuning=FLAT)

    assert kept.tuning == GRAPH
    assert more.tuning == replace(GRAPH, stored_source=True)
    assert flat.tuning == replace(FLAT, stored_source=True)


def test_a_writer_that_asks_for_nothing_keeps_what_another_chose(database: Database[Any]) -> None:
    write_manifest(database, "c", tuned(FLAT))

    assert write_manifest(database, "c", MANIFEST).tuning == FLAT
    assert write_manifest(database, "c", MANIFEST, GRAPH).tuning == GRAPH


def test_flat_index_takes_no_memory_for_a_graph() -> None:
    assert index_bytes("int8", "none", 256) - index_bytes("int8", "none", 256, is_flat=True) == 60
    assert index_bytes("int8", "binary", 240, is_flat=True) == 40  # 4 x 240 / 24, as of floats
