from dataclasses import asdict, replace
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.vectors import Manifest, ManifestError, ModelRecord
from leafsearch.vectors.store import (
    MANIFESTS,
    amend_manifest,
    find_manifest,
    missing_manifest,
    read_manifest,
    require_agreement,
    write_manifest,
)

MODEL = ModelRecord("hashing:64", "1", 64, "", "")
MANIFEST = Manifest(
    teacher=MODEL,
    student=MODEL,
    alignment=1.0,
    dimensions=64,
    precision="int8",
    scale=0.01,
    similarity="cosine",
    quantization="none",
    index="leaf_vectors",
    path="embedding",
    filters=("document",),
    chunk_tokens=256,
    chunk_overlap=32,
)


def test_a_written_manifest_is_read_back(database: Database[Any]) -> None:
    assert find_manifest(database, "c") is None

    write_manifest(database, "c", MANIFEST)

    assert read_manifest(database, "c") == MANIFEST


def test_a_second_writer_adopts_the_scale_of_the_first(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)

    assert write_manifest(database, "c", replace(MANIFEST, scale=0.02)) == MANIFEST


def test_a_second_writer_that_differs_gets_an_error_with_both_sides(
    database: Database[Any],
) -> None:
    write_manifest(database, "c", MANIFEST)
    other = replace(MANIFEST, dimensions=32, student=replace(MODEL, revision="2"))

    with pytest.raises(ManifestError) as caught:
        write_manifest(database, "c", other)

    assert "dimensions is 64, requested 32" in str(caught.value)
    assert "student is hashing:64 at 1, requested hashing:64 at 2" in str(caught.value)
    assert read_manifest(database, "c") == MANIFEST


def test_a_missing_manifest_names_the_collections_that_have_one(database: Database[Any]) -> None:
    write_manifest(database, "articles", MANIFEST)

    with pytest.raises(ManifestError, match="collections with one: articles"):
        read_manifest(database, "artcles")


def test_a_list_of_many_collections_is_shortened() -> None:
    names = [f"c{n:02}" for n in range(29)] + ["a" * 200]

    messages = str(missing_manifest("d", "x", names))

    assert f"collections with one: {'a' * 60}..., c00, c01" in messages
    assert "c17, c18 and 10 more); ingest first" in messages
    assert "more" not in str(missing_manifest("d", "x", names[:20]))


def test_filters_of_two_concurrent_writers_are_united(database: Database[Any]) -> None:
    write_manifest(database, "c", replace(MANIFEST, filters=("document", "metadata.a")))

    wanted = replace(MANIFEST, filters=("document", "metadata.b"), hybrid=True)
    now = write_manifest(database, "c", wanted)

    assert now.filters == ("document", "metadata.a", "metadata.b")
    assert now.hybrid
    assert read_manifest(database, "c") == now


def test_adding_never_takes_away(database: Database[Any]) -> None:
    write_manifest(database, "c", replace(MANIFEST, filters=("document", "a"), hybrid=True))

    now = amend_manifest(database, "c", filters=("document", "b"), hybrid=False)

    assert (now.filters, now.hybrid) == (("document", "a", "b"), True)
    with pytest.raises(ManifestError, match="was deleted during this run"):
        amend_manifest(database, "gone", filters=(), hybrid=True)


def test_filters_are_the_part_that_may_change(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)

    amend_manifest(database, "c", filters=("document", "metadata.year"), hybrid=True)

    assert read_manifest(database, "c").filters == ("document", "metadata.year")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"$set": {"format": 3}}, "has format 3; expected 1 or 2"),
        ({"$set": {"rotation": 1}}, "newer version of leafsearch \\(unknown fields: rotation\\)"),
        (
            {"$set": {"transform": {"kind": "itq"}}},
            "newer version .* \\(unknown fields: transform",
        ),
        ({"$unset": {"dimensions": ""}}, "is damaged"),
        ({"$unset": {"teacher.name": ""}}, "is damaged"),
    ],
)
def test_an_unreadable_manifest_is_an_error(
    database: Database[Any], change: dict[str, Any], expected: str
) -> None:
    write_manifest(database, "c", MANIFEST)
    database[MANIFESTS].update_one({"_id": "c"}, change)

    with pytest.raises(ManifestError, match=expected):
        read_manifest(database, "c")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"LEAF_PRESET": "leaf-mt"}, "teacher is hashing:64, requested mixedbread-ai"),
        ({"LEAF_STUDENT": "MongoDB/mdbr-leaf-ir"}, "student is"),
        ({"LEAF_STORAGE": "mrl256"}, "precision is int8, requested float32"),
        ({"LEAF_STORAGE": "mrl256"}, "dimensions is 64, requested 256"),
    ],
)
def test_a_contradicting_setting_is_an_error(given: dict[str, str], expected: str) -> None:
    with pytest.raises(ManifestError, match=expected):
        require_agreement(MANIFEST, load(given), None)


@pytest.mark.parametrize(
    "given",
    [{}, {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}, {"LEAF_DATABASE": "x"}],
)
def test_defaults_contradict_nothing(given: dict[str, str]) -> None:
    require_agreement(MANIFEST, load(given), None)


def test_full_storage_means_all_of_the_teacher() -> None:
    full = replace(MANIFEST, precision="float32")
    require_agreement(full, load({"LEAF_STORAGE": "full"}), None)

    with pytest.raises(ManifestError, match="dimensions is 32, requested 64"):
        require_agreement(replace(full, dimensions=32), load({"LEAF_STORAGE": "full"}), None)


def test_a_manifest_of_version_0_1_is_read(database: Database[Any]) -> None:
    """That version wrote one student at the top, and no precision of the encoder."""
    flat = {**asdict(MANIFEST), "filters": ["document"], "format": 1}
    flat.pop("encode_precision")
    database[MANIFESTS].insert_one({"_id": "c", **flat})

    assert read_manifest(database, "c") == MANIFEST
    assert amend_manifest(database, "c", filters=["metadata.year"], hybrid=False).filters == (
        "document",
        "metadata.year",
    )


def test_format_2_names_its_students(database: Database[Any]) -> None:
    write_manifest(database, "c", replace(MANIFEST, encode_precision="bfloat16"))

    document = database[MANIFESTS].find_one({"_id": "c"}) or {}

    assert (document["format"], document["transform"]) == (2, None)
    assert document["default_student"] in document["students"]
    assert document["students"]["default"]["name"] == "hashing:64"
    assert document["encode_precision"] == "bfloat16"
    assert "student" not in document
