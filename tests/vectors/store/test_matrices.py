"""Matrices that no manifest names go, and one that is about to be named stays."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest
from bson.binary import Binary
from pymongo.database import Database

from leafsearch.vectors import CodecError, Manifest, ManifestError, ModelRecord
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.forms import transform as module
from leafsearch.vectors.store import (
    MANIFESTS,
    TRANSFORMS,
    Transform,
    begin_next,
    find_fault,
    fit_transform,
    forget_others,
    forget_unnamed,
    list_unnamed,
    read_generations,
    read_matrix,
    write_manifest,
)
from leafsearch.vectors.store.matrices import (
    hold_matrix,
    read_matrices,
    read_transforms,
    write_transform,
)

MODEL = ModelRecord("hashing:16", "1", 16, "", "")
MANIFEST = Manifest(
    teacher=MODEL,
    student=MODEL,
    alignment=1.0,
    dimensions=8,
    precision="float32",
    scale=None,
    similarity="dotProduct",
    quantization="none",
    index="leaf_vectors",
    path="embedding",
    filters=("document",),
    chunk_tokens=256,
    chunk_overlap=32,
)


def fitted(seed: int, dimensions: int = 16, columns: int = 8) -> Transform:
    rows = np.random.default_rng(seed).normal(size=(300, dimensions)).astype(np.float32)
    return fit_transform(rows, columns)


def there(database: Database[Any]) -> set[str]:
    return set(database[TRANSFORMS].distinct("transform"))


def with_raw(transform: Transform, raw: bytes) -> tuple[Transform, bytes]:
    return replace(transform, checksum=hashlib.sha256(raw).hexdigest()), raw


def test_a_fitted_matrix_has_no_fault() -> None:
    transform = fitted(1)

    assert find_fault(transform, transform.raw) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda n: n[:0], "is missing"),
        (lambda n: n[:-1], "expected 16 rows and the weights of 8 columns"),
        (lambda n: n * np.float32(1.01), "is no rotation: its columns are not orthonormal"),
        (lambda n: np.where(n == n[3, 3], np.nan, n), "holds NaN or infinity"),
        (lambda n: np.vstack([n[:-1], -n[-1:]]), "weights that are not positive"),
    ],
)
def test_faults_of_a_matrix_with_the_right_checksum(change: Any, said: str) -> None:
    transform = fitted(1)
    numbers = np.frombuffer(transform.raw, "<f4").reshape(-1, 8)
    changed, raw = with_raw(transform, change(numbers).astype("<f4").tobytes())

    assert said in (find_fault(changed, raw) or "")


def test_another_matrix_than_the_manifest_names_is_damaged() -> None:
    assert "do not have the checksum" in (find_fault(fitted(1), fitted(2).raw) or "")


def test_the_stored_bytes_are_read_although_the_process_knows_the_matrix(
    database: Database[Any],
) -> None:
    transform = fitted(1)
    write_transform(database, transform)
    database[TRANSFORMS].update_one({}, {"$set": {"data": Binary(b"123")}})

    assert read_matrix(database, transform) == b"123"
    assert list(read_matrices(database, 16)) == []
    write_transform(database, transform)
    ((checksum, matrix),) = read_matrices(database, 16)
    assert (checksum, matrix.tolist()) == (transform.checksum, transform.matrix.tolist())


def test_a_matrix_stays_as_long_as_any_generation_of_any_collection_names_it(
    database: Database[Any],
) -> None:
    one, other, shared, stray = (fitted(seed) for seed in range(4))
    first = replace(MANIFEST, transform=one)
    write_manifest(database, "a", first)
    begin_next(database, "a", replace(first, transform=other, generation=2))
    for name in "bc":
        write_manifest(database, name, replace(MANIFEST, transform=shared))
    write_transform(database, stray)

    assert [each.checksum for each in list_unnamed(database, older_than=0)] == [stray.checksum]
    assert forget_unnamed(database, older_than=0) == 1
    assert there(database) == {one.checksum, other.checksum, shared.checksum}

    assert forget_others(database, "a", read_generations(database, "a"))
    database[MANIFESTS].delete_one({"_id": "b"})
    assert forget_unnamed(database, older_than=0) == 1
    assert there(database) == {one.checksum, shared.checksum}


def test_what_a_later_version_names_in_its_own_way_stays(database: Database[Any]) -> None:
    transform = fitted(1)
    write_transform(database, transform)
    database[MANIFESTS].insert_one({"_id": "a", "format": 9, "x": [{"y": transform.checksum}]})

    assert forget_unnamed(database, older_than=0) == 0


def test_a_young_matrix_may_be_about_to_be_named(database: Database[Any]) -> None:
    write_transform(database, fitted(1))

    assert (list_unnamed(database), forget_unnamed(database)) == ([], 0)
    database[TRANSFORMS].update_many({}, {"$unset": {"written": ""}})
    (unnamed,) = list_unnamed(database)
    assert unnamed.bytes == (16 + 1) * 8 * 4
    assert forget_unnamed(database) == 1


def test_a_matrix_that_was_deleted_before_it_was_named_is_written_again(
    database: Database[Any],
) -> None:
    transform = fitted(1)
    write_transform(database, transform)
    assert forget_unnamed(database, older_than=0) == 1

    hold_matrix(database, transform)

    assert read_matrix(database, transform) == transform.raw


def test_first_writers_lose_nothing_to_deletions_at_the_same_time(database: Database[Any]) -> None:
    transforms = {f"c{seed}": fitted(seed) for seed in range(40)}
    done = Event()

    def delete() -> int:
        deleted = 0
        while not done.is_set():
            deleted += forget_unnamed(database, older_than=0)
        return deleted

    with ThreadPoolExecutor(3) as pool:
        deleting = pool.submit(delete)
        writing = [
            pool.submit(write_manifest, database, name, replace(MANIFEST, transform=transform))
            for name, transform in transforms.items()
        ]
        written = [each.result() for each in writing]
        done.set()
        deleting.result()

    assert len(written) == 40
    assert [name for name, t in transforms.items() if read_matrix(database, t) != t.raw] == []


def rows(count: int, seed: int) -> Any:
    return unit_rows(np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32))


def forget(transform: Transform) -> None:
    """As in a process that has not read the matrix."""
    module._fitted.pop(transform.checksum)


def test_the_matrix_is_kept_once_and_read_by_who_needs_it(database: Database[Any]) -> None:
    transform = fit_transform(rows(300, 7), 16)
    write_transform(database, transform)
    write_transform(database, transform)
    assert database[TRANSFORMS].count_documents({}) == 1

    forget(transform)
    with pytest.raises(CodecError, match="was not read"):
        transform.rotate(rows(3, 1))
    read_transforms(database, [None, transform], "c")

    assert transform.rotate(rows(3, 1)).shape == (3, 16)


@pytest.mark.parametrize(("damage", "said"), [("drop", "is missing"), ("cut", "is damaged")])
def test_a_matrix_that_is_gone_or_damaged_is_an_error(
    database: Database[Any], damage: str, said: str
) -> None:
    transform = fit_transform(rows(300, 8), 16)
    write_transform(database, transform)
    if damage == "drop":
        database[TRANSFORMS].drop()
    else:
        database[TRANSFORMS].update_one({}, {"$set": {"data": b"123"}})
    forget(transform)

    with pytest.raises(ManifestError, match=said):
        read_transforms(database, [transform], "articles")
