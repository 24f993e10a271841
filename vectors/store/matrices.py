"""The matrices of transforms in `leaf_transforms`, beside the manifests, in parts.

A matrix is stored once, under the checksum of its bytes, which manifests name; see forms.transform.

A matrix is stored before the manifest that names it, and goes when no manifest of the database does
any longer, of any collection and generation. A first ingest may be between the two writes. So each
part has the server's time of its last write, only what is older than an hour is deleted, and a
writer renews that time after its manifest is written (`hold_matrix`), or writes the matrix again if
it is gone. A deletion that read the manifests before then has an earlier time, and leaves it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from bson.binary import Binary
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.vectors.errors import ManifestError
from leafsearch.vectors.forms.transform import Matrix, Transform, accept, checksum_of

TRANSFORMS = "leaf_transforms"
_PART = 8 * 2**20  # bytes; BSON ends at 16 MB
_MANIFESTS = "leaf_manifests"
_YOUNG = 3600.0  # seconds, in which the run that wrote a matrix writes its manifest
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_TOLERANCE = 1e-4  # of a product of columns; float32 rounds to a hundredth of that


@dataclass(frozen=True)
class UnnamedMatrix:
    checksum: str
    bytes: int


def write_transform(database: Database[Any], transform: Transform) -> None:
    """Store the matrix, before a manifest names it."""
    raw = transform.raw
    parts = [raw[at : at + _PART] for at in range(0, len(raw), _PART)]
    for number, part in enumerate(parts):
        id = f"{transform.checksum}/{number}"
        own = {"transform": transform.checksum, "part": number, "data": Binary(part)}
        change = {"$set": own, "$currentDate": {"written": True}}
        database[TRANSFORMS].update_one({"_id": id}, change, upsert=True)


def parts_pipeline(transform: Transform) -> list[dict[str, Any]]:
    """Finds the parts of a matrix, for `accept_parts`."""
    return [{"$match": {"transform": transform.checksum}}, {"$sort": {"part": 1}}]


def accept_parts(transform: Transform, parts: Iterable[Mapping[str, Any]], collection: str) -> None:
    """Put a matrix together. Raises ManifestError if it is not the one that was fitted."""
    raw = b"".join(part["data"] for part in parts)
    if not accept(transform, raw):
        what = "is missing" if not raw else "is damaged"
        raise ManifestError(
            f"the transform of {collection} {what} in {TRANSFORMS} ({transform.checksum[:12]}); "
            "its vectors cannot be compared without it. Restore it from a backup, or build the "
            "collection again with leaf-ingest --rebuild"
        )


def read_transforms(
    database: Database[Any], transforms: Iterable[Transform | None], collection: str
) -> None:
    """Read the matrices of a collection that this process has not read. Raises ManifestError."""
    for transform in transforms:
        if transform is not None and not transform.is_read:
            parts = database[TRANSFORMS].aggregate(parts_pipeline(transform))
            accept_parts(transform, parts, collection)


def hold_matrix(database: Database[Any], transform: Transform | None) -> None:
    """Keep the matrix of a manifest that was just written from a deletion that did not see it."""
    if transform is None:
        return
    renewed = database[TRANSFORMS].update_many(
        {"transform": transform.checksum}, {"$currentDate": {"written": True}}
    )
    if renewed.matched_count < -(-len(transform.raw) // _PART):
        write_transform(database, transform)


def list_unnamed(database: Database[Any], *, older_than: float = _YOUNG) -> list[UnnamedMatrix]:
    """Matrices that no manifest names, not written for `older_than` seconds."""
    unnamed = _unnamed(database, older_than)
    size = {"$sum": {"$binarySize": "$data"}}
    groups: list[dict[str, Any]] = [
        {"$match": unnamed},
        {"$group": {"_id": "$transform", "bytes": size}},
        {"$sort": {"_id": 1}},
    ]
    found = _primary(database, TRANSFORMS).aggregate(groups)
    return [UnnamedMatrix(str(group["_id"]), int(group["bytes"])) for group in found]


def forget_unnamed(database: Database[Any], *, older_than: float = _YOUNG) -> int:
    """Delete what `list_unnamed` lists; returns how many matrices that are."""
    gone = list_unnamed(database, older_than=older_than)
    if gone:
        database[TRANSFORMS].delete_many(_unnamed(database, older_than))
    return len(gone)


def _unnamed(database: Database[Any], older_than: float) -> dict[str, Any]:
    """A filter; its time is that of the server, from before the manifests are read."""
    now: datetime = database.command("hello")["localTime"]
    written = {
        "$not": {"$gte": now - timedelta(seconds=older_than)}
    }  # true of parts without a time
    named = {name for document in _manifests(database) for name in _checksums(document)}
    return {"transform": {"$nin": sorted(named)}, "written": written}


def _manifests(database: Database[Any]) -> Iterator[Mapping[str, Any]]:
    yield from _primary(database, _MANIFESTS).find()


def _primary(database: Database[Any], name: str) -> Collection[Any]:
    """A secondary may lack a manifest that was just written."""
    return database[name].with_options(read_preference=ReadPreference.PRIMARY)


def _checksums(value: object) -> Iterator[str]:
    """Whatever looks like a checksum, so that manifests of later versions keep their matrices."""
    if isinstance(value, str) and _CHECKSUM.fullmatch(value):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _checksums(each)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for each in value:
            yield from _checksums(each)


def read_matrix(database: Database[Any], transform: Transform) -> bytes:
    """What is stored, even if this process has read it before; empty if it is missing."""
    parts = database[TRANSFORMS].aggregate(parts_pipeline(transform))
    return b"".join(bytes(part.get("data") or b"") for part in parts)


def read_matrices(database: Database[Any], dimensions: int) -> Iterator[tuple[str, Matrix]]:
    """Every sound matrix for vectors of this length, with its checksum."""
    for checksum in database[TRANSFORMS].distinct("transform"):
        parts = database[TRANSFORMS].find({"transform": checksum}).sort("part", 1)
        raw = b"".join(bytes(part.get("data") or b"") for part in parts)
        if raw and checksum_of(raw) == checksum and len(raw) % (4 * (dimensions + 1)) == 0:
            yield checksum, np.frombuffer(raw, dtype="<f4").reshape(dimensions + 1, -1)[:-1]


def find_fault(transform: Transform, raw: bytes) -> str | None:
    """What is wrong with the stored bytes of a transform, None if nothing is."""
    if not raw:
        return "is missing"
    if checksum_of(raw) != transform.checksum:
        return "is damaged: its bytes do not have the checksum that the manifest names"
    rows, columns = transform.dimensions, transform.columns
    if len(raw) != (rows + 1) * columns * 4:
        return f"has {len(raw):,} bytes; expected {rows} rows and the weights of {columns} columns"
    numbers = np.frombuffer(raw, dtype="<f4").reshape(-1, columns).astype(np.float64)
    matrix, weights = numbers[:-1], numbers[-1]
    if not np.isfinite(numbers).all():
        return "holds NaN or infinity"
    if (error := float(np.abs(matrix.T @ matrix - np.eye(columns)).max())) > _TOLERANCE:
        return f"is no rotation: its columns are not orthonormal (off by up to {error:.2g})"
    if (weights <= 0).any():
        return "gives queries weights that are not positive"
    return None
