"""The generations of vectors in one collection: the active one, and at most one beside it.

All are in the manifest's document, so that the cutover is one atomic update: searches use the
generation at its top, `next` is being built, `previous` is kept for a rollback. `newest` is the
highest number ever assigned. No number is assigned twice, so a process that missed the end of its
generation can never write vectors that pass for those of other models.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from leafsearch.vectors.errors import ManifestError
from leafsearch.vectors.store.manifest import MANIFESTS, Manifest, from_document, to_document
from leafsearch.vectors.store.manifests import at_place, read_manifest
from leafsearch.vectors.store.matrices import hold_matrix, read_transforms, write_transform

_NOT_OF_A_GENERATION = ("_id", "next", "previous", "newest")


@dataclass(frozen=True)
class Generations:
    active: Manifest
    next: Manifest | None
    previous: Manifest | None
    newest: int

    @property
    def other(self) -> Manifest | None:
        """The generation beside the active one, if there is one."""
        return self.next or self.previous

    @property
    def all(self) -> tuple[Manifest, ...]:
        return (self.active,) if self.other is None else (self.active, self.other)

    def find(self, generation: int) -> Manifest | None:
        return next((m for m in self.all if m.generation == generation), None)


def parse_generations(document: Mapping[str, Any], collection: str) -> Generations:
    """Parse the manifest's document, which comes with its `_id`."""
    active = from_document(document, collection)
    beside = {
        place: from_document(document[place], collection) if document.get(place) else None
        for place in ("next", "previous")
    }
    newest = int(document.get("newest") or active.generation)
    return Generations(active, beside["next"], beside["previous"], newest)


def find_generations(database: Database[Any], collection: str) -> Generations | None:
    """A matrix that is missing or damaged is not read, since a rebuild does without it;
    `read_transforms` raises where it is needed."""
    document = database[MANIFESTS].find_one({"_id": collection})
    if document is None:
        return None
    found = parse_generations(document, collection)
    for manifest in found.all:
        with suppress(ManifestError):
            read_transforms(database, [manifest.transform], collection)
    return found


def read_generations(database: Database[Any], collection: str) -> Generations:
    """Raises ManifestError when there is no manifest."""
    found = find_generations(database, collection)
    if found is None:
        read_manifest(database, collection)  # raises, and names the collections with one
        raise ManifestError(
            f"the manifest of {collection} is being written; run this again in a moment"
        )
    return found


def read_generation(database: Database[Any], collection: str, generation: int) -> Manifest:
    """Raises ManifestError if it no longer exists."""
    found = read_generations(database, collection)
    manifest = found.find(generation)
    if manifest is None:
        raise ManifestError(
            f"generation {generation} of {collection} was retired during this run (searches use "
            f"{found.active.generation}); run this again to start from the current state"
        )
    return manifest


def begin_next(database: Database[Any], collection: str, manifest: Manifest) -> Manifest:
    """Begin `manifest` as the next generation; return it, or what another writer began instead.

    Raises ManifestError if another generation is in the way.
    """
    if manifest.transform is not None:
        write_transform(database, manifest.transform)
    fresh = {"$or": [{"newest": None}, {"newest": {"$lt": manifest.generation}}]}
    free = {"_id": collection, "next": None, "previous": None, **fresh}
    begun = {"next": to_document(manifest), "newest": manifest.generation}
    _manifests(database).update_one(free, {"$set": begun})
    hold_matrix(database, manifest.transform)
    return read_generation(database, collection, manifest.generation)


def switch_generation(
    database: Database[Any], collection: str, seen: Generations, to: Manifest
) -> bool:
    """Make `to` active, one of the generations in `seen`; return whether that succeeded.

    False, without a change, if the document differs from `seen`: a concurrent switch, or a new
    filter path.
    """
    place = "next" if to == seen.next else "previous"
    as_seen = {
        "_id": collection,
        **at_place("", seen.active.generation),
        "filters": list(seen.active.filters),
        f"{place}.generation": to.generation,
    }
    kept = {"_id": "$_id", "newest": {"$ifNull": ["$newest", to.generation]}, "previous": "$$ROOT"}
    steps: list[dict[str, Any]] = [
        {"$set": {"generation": seen.active.generation}},
        {"$replaceWith": {"$mergeObjects": [f"${place}", kept]}},
        {"$unset": [f"previous.{name}" for name in _NOT_OF_A_GENERATION]},
    ]
    return _manifests(database).update_one(as_seen, steps).matched_count == 1


def forget_others(database: Database[Any], collection: str, seen: Generations) -> bool:
    """Forget the generations beside the active one; False if they are not those in `seen`."""
    as_seen = {
        "_id": collection,
        **at_place("", seen.active.generation),
        "next.generation": None if seen.next is None else seen.next.generation,
    }
    gone = {"$unset": {"next": "", "previous": ""}}
    return _manifests(database).update_one(as_seen, gone).matched_count == 1


def _manifests(database: Database[Any]) -> Collection[Any]:
    """Acknowledged by a majority, because a cutover must survive an election."""
    return database[MANIFESTS].with_options(write_concern=WriteConcern("majority"))
