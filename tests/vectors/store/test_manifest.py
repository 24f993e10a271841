from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.vectors import Manifest, ManifestError, ModelRecord
from leafsearch.vectors.store import (
    MANIFESTS,
    StudentFacts,
    StudentRecord,
    add_student,
    amend_manifest,
    begin_next,
    find_manifest,
    missing_manifest,
    read_generations,
    read_manifest,
    remove_student,
    require_agreement,
    set_default_student,
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


def of_version_0_1() -> dict[str, Any]:
    """That version wrote one student at the top, and no precision of the encoder."""
    flat = {**asdict(MANIFEST), "filters": ["document"], "format": 1}
    for name in ("encode_precision", "facts", "default_name", "others"):
        del flat[name]
    return flat


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
    database[MANIFESTS].insert_one({"_id": "c", **of_version_0_1()})

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


OTHER = replace(MODEL, name="hashing-other")


def test_earlier_manifests_have_one_student_by_the_name_default(database: Database[Any]) -> None:
    database[MANIFESTS].insert_one({"_id": "c", **of_version_0_1()})

    read = read_manifest(database, "c")

    assert list(read.students) == ["default"]
    assert list(read.encoders) == ["default", "teacher"]


def test_students_are_added_removed_and_chosen_one_by_one(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)
    seen = read_manifest(database, "c")
    fast = StudentRecord(OTHER, 0.8, None, StudentFacts(4.0, milliseconds=0.04, megabytes=10.5))

    add_student(database, "c", seen, "fast", fast)
    add_student(database, "c", seen, "small", StudentRecord(OTHER, 0.7))
    set_default_student(database, "c", seen, "fast")
    remove_student(database, "c", seen, "default")

    now = read_manifest(database, "c")
    assert (now.default_name, now.student, now.alignment) == ("fast", OTHER, 0.8)
    assert now.students == {"fast": fast, "small": StudentRecord(OTHER, 0.7)}
    with pytest.raises(ManifestError, match="has another student small, or other vectors, since"):
        add_student(database, "c", seen, "small", fast)
    with pytest.raises(ManifestError, match="uses student fast by default"):
        remove_student(database, "c", seen, "fast")
    with pytest.raises(ManifestError, match="has no student default"):
        set_default_student(database, "c", seen, "default")


def test_concurrent_changes_do_not_undo_each_other(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)
    names = [f"s{n}" for n in range(12)]

    with ThreadPoolExecutor(6) as pool:
        adding = [
            pool.submit(add_student, database, "c", MANIFEST, name, StudentRecord(OTHER, 0.8))
            for name in names
        ]
        widening = pool.submit(amend_manifest, database, "c", filters=["a"], hybrid=True)
        for each in (*adding, widening):
            each.result()

    now = read_manifest(database, "c")
    assert (sorted(now.others), now.filters, now.hybrid) == (
        sorted(names),
        ("document", "a"),
        True,
    )


def test_a_manifest_of_version_0_1_takes_a_second_student(database: Database[Any]) -> None:
    database[MANIFESTS].insert_one({"_id": "c", **of_version_0_1()})

    add_student(database, "c", read_manifest(database, "c"), "fast", StudentRecord(OTHER, 0.8))

    assert read_manifest(database, "c") == replace(
        MANIFEST, others={"fast": StudentRecord(OTHER, 0.8)}
    )


def test_generations_of_one_teacher_share_what_is_added(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)
    begin_next(database, "c", replace(MANIFEST, generation=2, path="embedding_2"))
    fast = StudentRecord(OTHER, 0.8)

    add_student(database, "c", MANIFEST, "fast", fast, is_default=True)

    found = read_generations(database, "c")
    assert found.next is not None
    assert [m.default_name for m in (found.active, found.next)] == ["fast", "fast"]


def test_generations_of_another_teacher_keep_their_students(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)
    other = replace(MODEL, dimensions=128)
    begin_next(database, "c", replace(MANIFEST, generation=2, teacher=other, student=other))

    add_student(database, "c", MANIFEST, "fast", StudentRecord(OTHER, 0.8))

    found = read_generations(database, "c")
    assert found.next is not None
    assert [list(m.others) for m in (found.active, found.next)] == [["fast"], []]


def test_nothing_new_is_written_where_nothing_new_was_chosen(database: Database[Any]) -> None:
    write_manifest(database, "c", MANIFEST)

    document = database[MANIFESTS].find_one({"_id": "c"}) or {}

    assert not {"facts", "default_name", "others"} & set(document)
    assert set(document["students"]["default"]) == {
        *asdict(MODEL),
        *("alignment", "probe", "candidates"),
    }


@pytest.mark.parametrize("given", ["default", "fast", "hashing-other", "hashing:64", "teacher"])
def test_a_setting_may_name_any_student(given: str) -> None:
    both = replace(MANIFEST, others={"fast": StudentRecord(OTHER, 0.8)})

    require_agreement(both, load({"LEAF_STUDENT": given}), None)


def test_a_student_that_is_not_recorded_can_be_added() -> None:
    with pytest.raises(ManifestError, match=r"`leaf-search students add NAME x/y") as caught:
        require_agreement(MANIFEST, load({"LEAF_STUDENT": "x/y"}), None)

    assert "student is hashing:64, requested x/y. Drop LEAF_STUDENT" in str(caught.value)


@pytest.mark.parametrize(
    ("record", "usual", "factor"),
    [
        (StudentRecord(MODEL, 1.0), 2.0, 1.0),
        (StudentRecord(OTHER, 0.8), 2.0, 2.0),
        (StudentRecord(OTHER, 0.8), 4.0, 4.0),
        (StudentRecord(OTHER, 0.8, None, StudentFacts(3.0)), 4.0, 3.0),
        (StudentRecord(MODEL, 1.0, None, StudentFacts(3.0)), 4.0, 3.0),
    ],
)
def test_a_recorded_factor_beats_the_usual_one(
    record: StudentRecord, usual: float, factor: float
) -> None:
    manifest = replace(MANIFEST, others={"x": record})

    assert manifest.candidates_factor("x", usual) == factor
    assert manifest.candidates_factor("teacher", usual) == 1.0
