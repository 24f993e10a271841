"""Faults of the vector index: under another name, on another path, not as it should be."""

from typing import Any

import pytest

from leafsearch.config import load
from leafsearch.config.storage import IndexTuning
from leafsearch.doctor import Examination, Severity
from leafsearch.doctor.checks.indexes import status
from leafsearch.doctor.context import Case
from leafsearch.doctor.index import IndexEntry, choose
from leafsearch.vectors.store import MANIFESTS
from leaftests.doctor import (
    Examined,
    Foreign,
    Ingested,
    complaints,
    make_index,
    wait_until_ready,
)

P, S = Severity.PROBLEM, Severity.SKIPPED
NEEDS_INDEX = ("index status", "index definition", "indexed documents", "memory")
NEEDS_INDEX += ("quantization", "hits", "recall")


def test_a_misspelt_index(ingested: Ingested, examined: Examined) -> None:
    ingested().database[MANIFESTS].update_one({"_id": "c"}, {"$set": {"index": "leaf_vektors"}})

    findings = examined()

    assert complaints(findings) == {"index": P, **dict.fromkeys(NEEDS_INDEX, S)}
    assert "finds nothing, without an error" in findings["index"].message
    assert "repair" in findings["index"].message


def test_an_index_that_is_gone(ingested: Ingested, examined: Examined) -> None:
    ingested().drop_search_index("leaf_vectors")

    findings = examined()

    assert complaints(findings) == {"index": P, **dict.fromkeys(NEEDS_INDEX, S)}
    assert "has no search index 'leaf_vectors'" in findings["index"].message


def test_no_index_on_a_foreign_collection(foreign: Foreign, examined: Examined) -> None:
    foreign().drop_search_index("theirs")

    message = examined(path="v")["index"].message

    assert "has no vector index on v" in message


def test_several_indexes_to_choose_from(foreign: Foreign, examined: Examined) -> None:
    field = {"type": "vector", "path": "v", "numDimensions": 64, "similarity": "dotProduct"}
    make_index(foreign(), "second", field)

    findings = examined(path="v")

    assert findings["index"].level is P
    assert "several vector indexes (second, theirs)" in _sorted(findings["index"].message)
    assert complaints(examined(path="v", index="second")).keys().isdisjoint({"index", "recall"})


def _sorted(message: str) -> str:
    return message.replace("theirs, second", "second, theirs")


def test_an_index_on_another_path(foreign: Foreign, examined: Examined) -> None:
    foreign()

    findings = examined(path="vector", index="theirs")

    assert findings["index"].level is P
    assert "covers v, not vector" in findings["index"].message
    assert "did you mean `leaf-search doctor --path v" in findings["vectors"].message


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"similarity": "euclidean"}, "similarity of embedding is euclidean"),
        ({"quantization": "scalar"}, "quantization of embedding is scalar"),
    ],
)
def test_an_index_that_differs_from_the_manifest(
    ingested: Ingested, examined: Examined, changed: dict[str, Any], message: str
) -> None:
    field = {"type": "vector", "path": "embedding", "numDimensions": 128}
    fields = [
        {**field, "similarity": "dotProduct", **changed},
        {"type": "filter", "path": "document"},
    ]
    _redefine(ingested(), fields)

    findings = examined()

    assert findings["index definition"].level is P
    assert message in findings["index definition"].message


def test_an_index_that_is_built_in_another_way(ingested: Ingested, examined: Examined) -> None:
    chosen = IndexTuning(indexing_method="flat", stored_source=True)
    collection = ingested(tuning=chosen)
    fine = examined()
    (index,) = collection.list_search_indexes()
    plain = {"fields": [dict(field) for field in index["latestDefinition"]["fields"]]}
    del plain["fields"][0]["indexingMethod"]
    collection.update_search_index(index["name"], plain)
    wait_until_ready(collection, index["name"])

    findings = examined()

    assert fine["index definition"].message.endswith(
        "quantization none, indexing method flat, stored source, as the manifest says"
    )
    assert complaints(findings) == {"index definition": Severity.WARNING}
    message = findings["index definition"].message
    assert "indexingMethod is hnsw, flat was chosen; storedSource is nothing, include" in message
    assert "`leaf-ingest repair --database" in message


def test_an_index_without_a_filter_of_the_manifest(ingested: Ingested, examined: Examined) -> None:
    field = {"type": "vector", "path": "embedding", "numDimensions": 128}
    _redefine(ingested(), [{**field, "similarity": "dotProduct"}])

    findings = examined()

    assert complaints(findings) == {"index definition": P}
    assert "filter document is not there" in findings["index definition"].message


def test_an_index_of_other_dimensions(ingested: Ingested, examined: Examined) -> None:
    field = {"type": "vector", "path": "embedding", "numDimensions": 64}
    _redefine(ingested(), [{**field, "similarity": "dotProduct"}])

    findings = examined()

    wrong = ("index definition", "indexed documents", "hits")
    assert complaints(findings) == {**dict.fromkeys(wrong, P), "recall": S}
    assert "numDimensions of embedding is 64" in findings["index definition"].message


def _redefine(collection: Any, fields: list[dict[str, Any]]) -> None:
    collection.update_search_index("leaf_vectors", {"fields": fields})
    wait_until_ready(collection, "leaf_vectors")


def test_a_text_index_that_is_gone(ingested: Ingested, examined: Examined) -> None:
    ingested(hybrid=True).drop_search_index("leaf_vectors_text")

    findings = examined()

    assert complaints(findings) == {"index definition": P}
    assert "leaf_vectors_text" in findings["index definition"].message


@pytest.mark.parametrize(
    ("state", "queryable", "level", "message"),
    [
        ("READY", True, Severity.OK, "is READY"),
        ("PENDING", False, P, "the server refuses searches"),
        ("BUILDING", False, P, "wait until it is READY"),
        ("BUILDING", True, Severity.WARNING, "before its last change"),
        ("STALE", True, P, "no longer receives changes"),
        ("FAILED", False, P, "FAILED: too many vectors"),
        ("FAILED", True, P, "FAILED: too many vectors"),
    ],
)
def test_what_an_index_is_doing(state: str, queryable: bool, level: Severity, message: str) -> None:
    case = Case(Examination(uri="mongodb://nowhere", settings=load({})))
    case.index = IndexEntry.of(_listed(status=state, queryable=queryable), "v")

    verdict = status(case)

    assert verdict.level is level
    assert message in verdict.message


def _listed(**more: Any) -> dict[str, Any]:
    field = {"type": "vector", "path": "v", "numDimensions": 4, "similarity": "cosine"}
    broken = {"status": "FAILED", "message": "too many vectors"}
    detail = [{"hostname": host, "mainIndex": broken} for host in ("a", "b")]
    return {"name": "i", "latestDefinition": {"fields": [field]}, "statusDetail": detail, **more}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"mappings": {"fields": {"v": {"type": "knnVector"}}}}, "which $vectorSearch cannot use"),
        ({"fields": [{"type": "autoEmbed", "path": "v"}]}, "autoEmbed"),
        ({"mappings": {"dynamic": True}}, "is not a vector index"),
        (
            {"fields": [_listed()["latestDefinition"]["fields"][0] | {"path": p} for p in "ab"]},
            "several paths",
        ),
    ],
)
@pytest.mark.parametrize("name", ["i", None])
def test_an_index_that_cannot_be_used(
    definition: dict[str, Any], message: str, name: str | None
) -> None:
    found = choose(
        [{"name": "i", "latestDefinition": definition}], name, None, "d.c", lambda *new: str(new)
    )

    assert isinstance(found, str)
    assert message in found
