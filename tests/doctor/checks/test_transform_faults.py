"""Faults of a stored matrix, and vectors that do not fit the manifest's transform."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from bson.binary import Binary
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.doctor import Severity
from leafsearch.vectors import load_encoder
from leafsearch.vectors.forms.transform import checksum_of
from leafsearch.vectors.store import MANIFESTS, TRANSFORMS, fit_transform, read_manifest
from leafsearch.vectors.store.matrices import write_transform
from leaftests.doctor import Examined, Ingested, complaints, texts

P, S, W = Severity.PROBLEM, Severity.SKIPPED, Severity.WARNING
ROTATED: dict[str, Any] = {"dimensions": 64, "transform": "pca"}


def lose(database: Database[Any]) -> None:
    database[TRANSFORMS].drop()


def damage(database: Database[Any]) -> None:
    database[TRANSFORMS].update_one({}, {"$set": {"data": Binary(b"123")}})


def replace_by_no_rotation(database: Database[Any]) -> None:
    """A matrix and a manifest that agree with each other."""
    (part,) = database[TRANSFORMS].find()
    raw = (np.frombuffer(part["data"], "<f4") * np.float32(1.1)).tobytes()
    database[TRANSFORMS].drop()
    own = {"_id": f"{checksum_of(raw)}/0", "transform": checksum_of(raw), "part": 0, "data": raw}
    database[TRANSFORMS].insert_one(own)
    change = {"$set": {"transform.checksum": checksum_of(raw)}}
    database[MANIFESTS].update_one({"_id": "c"}, change)


def shorten(database: Database[Any]) -> None:
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": {"transform.dimensions": 100}})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lose, "is missing"),
        (damage, "is damaged: its bytes do not have the checksum that the manifest names"),
        (replace_by_no_rotation, "its columns are not orthonormal"),
        (shorten, "rotates 100 dimensions to 64; expected 128, which the teacher gives, to 64"),
    ],
)
def test_a_faulty_matrix_is_the_one_problem(
    ingested: Ingested, examined: Examined, fault: Any, said: str
) -> None:
    fault(ingested(**ROTATED).database)

    findings = examined()

    assert said in findings["transform"].message
    assert "`leaf-ingest PATH --rebuild" in findings["transform"].message
    skipped = dict.fromkeys(("teacher", "vocabulary", "student", "drift"), S)
    found = complaints(findings)
    assert found.pop("transform") is P
    assert found.items() <= skipped.items()
    assert findings["teacher"].message == "not checked, because of `transform` above"


def test_the_manifest_s_line_names_the_transform(ingested: Ingested, examined: Examined) -> None:
    collection = ingested(**ROTATED)
    used = read_manifest(collection.database, "c").transform

    findings = examined()

    assert complaints(findings) == {}
    assert "64 x float32, rotated (transform pca) at 'embedding'" in findings["manifest"].message
    assert used is not None
    assert findings["transform"].message == (
        f"pca, 128 to 64 dimensions: the matrix {used.checksum[:12]} is there and orthonormal; "
        f"fitted on 60 vectors, of whose squared length it keeps {used.kept:.1%}"
    )


def other_vectors(collection: Collection[Any], project: Any) -> None:
    """What a collection holds whose vectors were written under another manifest."""
    teacher = load_encoder("hashing:128")
    for chunk in collection.find():
        row = project(teacher.encode_documents([chunk["text"]]))[0]
        row /= np.linalg.norm(row)
        stored = Binary(b"\x27\x00" + row.astype("<f4").tobytes(), 9)
        collection.update_one({"_id": chunk["_id"]}, {"$set": {"embedding": stored}})


def test_vectors_that_went_through_no_transform(ingested: Ingested, examined: Examined) -> None:
    other_vectors(ingested(**ROTATED), lambda rows: rows[:, :64].copy())

    findings = examined()

    assert findings["teacher"].level is P
    assert "those of hashing:128 without the transform" in findings["teacher"].message
    assert "`leaf-ingest repair --all" in findings["teacher"].message


def test_vectors_that_went_through_another_transform_of_the_database(
    ingested: Ingested, examined: Examined
) -> None:
    collection = ingested(**ROTATED)
    rows = load_encoder("hashing:128").encode_documents(texts(90)[30:])
    other = fit_transform(rows, 64)
    write_transform(collection.database, other)
    collection.database[MANIFESTS].insert_one({"_id": "x", "transform": asdict(other)})
    other_vectors(collection, other.rotate)

    message = examined()["teacher"].message

    assert f"those of hashing:128 after the transform {other.checksum[:12]}; the manif" in message


def test_a_matrix_without_a_manifest_is_named(ingested: Ingested, examined: Examined) -> None:
    database = ingested(**ROTATED).database
    stray = fit_transform(load_encoder("hashing:128").encode_documents(texts(40)), 64)
    write_transform(database, stray)
    assert complaints(examined()) == {}  # it may be about to be named

    database[TRANSFORMS].update_many({}, {"$unset": {"written": ""}})
    finding = examined()["transform"]

    assert finding.level is W
    assert finding.numbers == {"unnamed": 1}
    assert finding.message == (
        f"1 matrix in leaf_transforms ({stray.checksum[:12]}; 0.0 MB) are named by no manifest of "
        f"the database; `leaf-ingest retire --database {database.name} --collection c` deletes them"
    )
