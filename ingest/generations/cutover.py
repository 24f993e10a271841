"""Switch searches to another generation of vectors, and back to the one before.

Each switch is one atomic write to the manifest's document; running a killed command again finishes
it.
"""

import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from pymongo.database import Database

from leafsearch.config.hint import Names, hint, ingest_hint
from leafsearch.config.text import counted
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.generations.build import find_missing_documents
from leafsearch.ingest.target.reconcile import reconcile, with_wanted_indexes
from leafsearch.vectors import Collection, IndexDiffers, Manifest, explain_errors
from leafsearch.vectors.store import (
    Generations,
    read_generation,
    read_generations,
    read_transforms,
    switch_generation,
)

_SHOWN = 3
_PAUSE = 0.2  # seconds between two looks


def require_whole(
    database: Database[Any], name: str, new: Manifest, *, rejected: int, yes: bool
) -> None:
    """Raises TargetError if the switch would lose documents, unless `yes` accepts that.

    Records that were rejected in the previous generation as well are not lost.
    """
    with explain_errors():
        active = read_generations(database, name).active
    if yes or active.generation == new.generation:
        return
    count, ids = _missing(database, name, active, new)
    if not count:
        return
    why = f" ({counted(rejected, 'record was', 'records were')} rejected)" if rejected else ""
    names: Names = {"database": database.name, "collection": name}
    anyway = ingest_hint("--rebuild", "--yes", **names, whole=True)
    raise TargetError(
        f"generation {new.generation} of {name} is built, but lacks "
        f"{counted(count, 'document')} that searches find now: {ids}{why}; searches "
        f"still use generation {active.generation}. Give the whole corpus, or switch anyway "
        f"with {anyway}; nothing is encoded again"
    )


def require_nothing_lost(database: Database[Any], name: str, old: Manifest, new: Manifest) -> None:
    """Raises TargetError if another run wrote documents into `old` just before the switch to
    `new`.

    Such a run ended well, since searches used the generation that it wrote.
    """
    count, ids = _missing(database, name, old, new)
    if count:
        names: Names = {"database": database.name, "collection": name}
        raise TargetError(
            f"searches of {name} switched to generation {new.generation}, but another run wrote "
            f"{counted(count, 'document')} into generation {old.generation} at the same "
            f"time ({ids}). Ingest them again, or go back with "
            f"{hint('leaf-ingest', 'rollback', **names)}"
        )


def _missing(database: Database[Any], name: str, old: Manifest, new: Manifest) -> tuple[int, str]:
    """How many documents of `old` are not in `new`, and the first of their ids."""
    missing = find_missing_documents(database, name, old, new)
    some = list(islice(missing, _SHOWN))
    count = len(some) + sum(1 for _ in missing)
    return count, ", ".join(some) + (", ..." if count > len(some) else "")


def cut_over(
    database: Database[Any],
    name: str,
    generation: int,
    *,
    chunk: str | None,
    seconds: float,
    on_status: Callable[[str], None],
) -> Generations:
    """Switch searches to this generation as soon as its index is READY and finds `chunk`.

    Paths that others added to the active index meanwhile are added to this one too.
    """
    deadline = time.monotonic() + seconds
    while True:
        with explain_errors():
            seen = read_generations(database, name)
            wanted = read_generation(database, name, generation)
        if seen.active.generation == generation:
            return seen
        also = seen.active
        collection = reconcile(
            database, name, with_wanted_indexes(wanted, also.filters, hybrid=also.hybrid)
        )
        try:
            left = max(deadline - time.monotonic(), 0)
            collection.wait_until_ready(
                chunk or _newest(collection), seconds=left, on_status=on_status
            )
        except IndexDiffers:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)  # another ingest has added a filter path
            continue
        with explain_errors():
            seen_now = read_generations(database, name)
            to = seen_now.find(generation)
            if to == collection.manifest and seen_now.active == seen.active:
                switch_generation(database, name, seen_now, to)


def roll_back(
    database: Database[Any], name: str, *, seconds: float, on_status: Callable[[str], None]
) -> Generations:
    """Switch back to the generation before the last rebuild; nothing if it is active already."""
    with explain_errors():
        seen = read_generations(database, name)
    active, kept = seen.active, seen.previous
    if kept is None:
        raise TargetError(
            f"collection {name} has no generation to roll back to: {active.generation} is the only "
            "one" + (", beside an unfinished rebuild" if seen.next else "")
        )
    if kept.generation > active.generation:
        return seen
    with explain_errors():
        read_transforms(database, [kept.transform], name)
    return cut_over(
        database, name, kept.generation, chunk=None, seconds=seconds, on_status=on_status
    )


def _newest(collection: Collection) -> str:
    """The chunk of the generation that was written last, which searches find last."""
    manifest, last = collection.manifest, [("$natural", -1)]
    with explain_errors():
        found = collection.mongo.find_one(manifest.chosen, {"_id": 1}, sort=last)
    if found is None:
        raise TargetError(
            f"generation {manifest.generation} of {collection.mongo.full_name} has no chunks, so "
            "searches do not switch to it. Ingest into it again"
        )
    return str(found["_id"])
