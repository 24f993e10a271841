"""Where manifests are kept: one document per collection in `leaf_manifests` of the same database.

A manifest is written before the first vectors and never silently changed: the first writer decides,
all others must agree. The active generation is at its top, other generations are below; see
store.generations.
"""

from collections.abc import Sequence
from typing import Any

from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from leafsearch.config.hint import ingest_hint
from leafsearch.config.storage import UNTUNED, IndexTuning
from leafsearch.vectors.errors import ManifestError
from leafsearch.vectors.store.agreement import require_equal
from leafsearch.vectors.store.manifest import (
    MANIFESTS,
    Manifest,
    StudentRecord,
    from_document,
    student_document,
    to_document,
)
from leafsearch.vectors.store.matrices import hold_matrix, read_transforms, write_transform

_PLACES = ("next.", "", "previous.")  # where a generation is in the document, in order of its life
_OF_GRAPH = ("hnsw_max_edges", "hnsw_candidates")
_SHOWN_NAMES, _SHOWN_LENGTH = 20, 60


def find_manifest(database: Database[Any], collection: str) -> Manifest | None:
    document = database[MANIFESTS].find_one({"_id": collection})
    if document is None:
        return None
    manifest = from_document(document, collection)
    read_transforms(database, [manifest.transform], collection)
    return manifest


def read_manifest(database: Database[Any], collection: str) -> Manifest:
    """Raises ManifestError if it is missing, and names the collections that have one."""
    manifest = find_manifest(database, collection)
    if manifest is not None:
        return manifest
    others = [str(d["_id"]) for d in database[MANIFESTS].find({}, {"_id": 1})]
    raise missing_manifest(database.name, collection, others)


def missing_manifest(database: str, collection: str, others: Sequence[str]) -> ManifestError:
    """The error; `others` are the names of all collections with a manifest."""
    there = f"collections with one: {_listed(others)}" if others else "no collection has one"
    ingest = ingest_hint(database=database, collection=collection)
    return ManifestError(
        f"collection {database}.{collection} has no manifest, so nothing was ingested into it "
        f"({there}); ingest first with {ingest}, or name another --collection"
    )


def _listed(names: Sequence[str]) -> str:
    """The first names, shortened, and how many more there are."""
    short = [n if len(n) <= _SHOWN_LENGTH else f"{n[:_SHOWN_LENGTH]}..." for n in sorted(names)]
    more = f" and {len(short) - _SHOWN_NAMES} more" if len(short) > _SHOWN_NAMES else ""
    return ", ".join(short[:_SHOWN_NAMES]) + more


def write_manifest(
    database: Database[Any],
    collection: str,
    manifest: Manifest,
    tuning: IndexTuning = UNTUNED,
) -> Manifest:
    """Write `manifest`; return it, or the equal one that a concurrent writer has put there.

    That writer's transform and int8 scale win, since both were measured on some first batch, and
    filters of both are indexed; of an index that is there only the `tuning` changes that was asked
    for. Raises ManifestError if the manifest there differs.
    """
    if manifest.transform is not None:
        write_transform(database, manifest.transform)
    try:
        database[MANIFESTS].insert_one({"_id": collection, **to_document(manifest)})
        hold_matrix(database, manifest.transform)
    except DuplicateKeyError:
        require_equal(read_manifest(database, collection), manifest, collection)
        filters, hybrid = manifest.filters, manifest.hybrid
        return amend_manifest(
            database,
            collection,
            manifest.generation,
            filters=filters,
            hybrid=hybrid,
            tuning=tuning,
        )
    return manifest


def amend_manifest(
    database: Database[Any],
    collection: str,
    generation: int = 1,
    *,
    filters: Sequence[str],
    hybrid: bool,
    tuning: IndexTuning = UNTUNED,
) -> Manifest:
    """Add filters or the text index to the manifest, or build the index in another way; the
    vectors do not depend on them.

    Atomic, so that concurrent writers do not undo each other's additions.
    """
    for place in _PLACES:
        added: dict[str, Any] = {"$addToSet": {f"{place}filters": {"$each": list(filters)}}}
        changed = {f"{place}tuning.{name}": value for name, value in tuning.chosen.items()}
        if hybrid:
            changed[f"{place}hybrid"] = True
        if changed:
            added["$set"] = changed
        if tuning.is_flat:
            added["$unset"] = {f"{place}tuning.{name}": "" for name in _OF_GRAPH}
        asked = {"_id": collection, **at_place(place, generation)}
        after = ReturnDocument.AFTER
        found = database[MANIFESTS].find_one_and_update(asked, added, return_document=after)
        if found is not None:
            amended = from_document(found[place[:-1]] if place else found, collection)
            read_transforms(database, [amended.transform], collection)
            return amended
    raise ManifestError(
        f"the manifest of {collection} (generation {generation}) was deleted during this run; "
        "ingest again"
    )


def remove_filters(
    database: Database[Any], collection: str, generation: int, filters: Sequence[str]
) -> None:
    """Remove filter paths from this generation; another writer may add them again."""
    for place in _PLACES:
        asked = {"_id": collection, **at_place(place, generation)}
        gone = {"$pullAll": {f"{place}filters": list(filters)}}
        database[MANIFESTS].update_one(asked, gone)


def add_student(
    database: Database[Any],
    collection: str,
    manifest: Manifest,
    name: str,
    record: StudentRecord,
    *,
    is_default: bool = False,
) -> None:
    """Add a student to this generation, and to those beside it that the same teacher encoded.

    Atomic, so that concurrent changes do not undo each other. Raises ManifestError if the name was
    taken meanwhile, or the generation replaced.
    """
    changes: dict[str, Any] = {f"students.{name}": student_document(record)}
    if is_default:
        changes["default_student"] = name
    wanted = {f"students.{name}": {"$exists": False}}
    if not _change_students(database, collection, manifest, wanted, {"$set": changes}):
        raise _changed_meanwhile(collection, f"has another student {name}, or other vectors,")


def remove_student(database: Database[Any], collection: str, manifest: Manifest, name: str) -> None:
    """Raises ManifestError if searches use it by default meanwhile."""
    wanted = {"default_student": {"$ne": name}}
    gone = {"$unset": {f"students.{name}": ""}}
    if not _change_students(database, collection, manifest, wanted, gone):
        raise _changed_meanwhile(collection, f"uses student {name} by default, or other vectors,")


def set_default_student(
    database: Database[Any], collection: str, manifest: Manifest, name: str
) -> None:
    """Raises ManifestError if the student was removed meanwhile."""
    wanted = {f"students.{name}": {"$exists": True}}
    chosen = {"$set": {"default_student": name}}
    if not _change_students(database, collection, manifest, wanted, chosen):
        raise _changed_meanwhile(collection, f"has no student {name}, or other vectors,")


def set_candidates(
    database: Database[Any], collection: str, manifest: Manifest, name: str, factor: float
) -> None:
    """Raises ManifestError if the student was removed meanwhile."""
    wanted = {f"students.{name}": {"$exists": True}}
    changed = {"$set": {f"students.{name}.candidates": factor}}
    if not _change_students(database, collection, manifest, wanted, changed):
        raise _changed_meanwhile(collection, f"has no student {name}, or other vectors,")


def _changed_meanwhile(collection: str, what: str) -> ManifestError:
    return ManifestError(f"collection {collection} {what} since it was looked at; try again")


def _change_students(
    database: Database[Any],
    collection: str,
    manifest: Manifest,
    wanted: dict[str, Any],
    update: dict[str, dict[str, Any]],
) -> bool:
    """Update each generation of the same teacher that has the `wanted` fields; whether the
    manifest's own was among them."""
    is_changed, teacher = False, manifest.teacher
    for place in _PLACES:
        _write_newest_format(database, collection, place)
        placed = {
            verb: {f"{place}{field}": value for field, value in fields.items()}
            for verb, fields in update.items()
        }
        same = {f"{place}teacher.{f}": getattr(teacher, f) for f in ("revision", "dimensions")}
        fit = {f"{place}{field}": value for field, value in wanted.items()}
        beside = {"_id": collection, **same, **fit}
        own = {**beside, **at_place(place, manifest.generation)}
        if database[MANIFESTS].update_one(own, placed).matched_count:
            is_changed = True
        else:
            database[MANIFESTS].update_one(beside, placed)
    return is_changed


def _write_newest_format(database: Database[Any], collection: str, place: str) -> None:
    """Format 1 has room for one student."""
    old = {"_id": collection, f"{place}format": 1}
    found = database[MANIFESTS].find_one(old)
    if found is None:
        return
    inner = found[place[:-1]] if place else found
    document = to_document(from_document(inner, collection))
    new = {
        f"{place}{name}": {"$literal": document[name]}
        for name in ("format", "students", "default_student", "transform")
    }
    gone = [f"{place}{name}" for name in ("student", "alignment", "probe")]
    database[MANIFESTS].update_one(old, [{"$set": new}, {"$unset": gone}])


def at_place(place: str, generation: int) -> dict[str, Any]:
    """A filter for this generation at `place`; the first may lack its number at the top."""
    if not place and generation == 1:
        return {"generation": {"$in": [1, None]}}
    return {f"{place}generation": generation}


def delete_manifest(database: Database[Any], collection: str) -> None:
    database[MANIFESTS].delete_one({"_id": collection})


def replace_manifest(database: Database[Any], collection: str, manifest: Manifest) -> None:
    """Replace the manifest atomically."""
    document = {"_id": collection, **to_document(manifest)}
    database[MANIFESTS].replace_one({"_id": collection}, document, upsert=True)
