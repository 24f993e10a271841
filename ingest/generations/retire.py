"""Delete generations that no longer answer searches, or never did.

One atomic write to the manifest's document decides it; running a killed command again finishes it.
"""

import re
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection as Mongo
from pymongo.database import Database
from pymongo.errors import OperationFailure

from leafsearch.ingest.target.open import INDEX
from leafsearch.vectors import Collection, IndexNotReady, explain_errors
from leafsearch.vectors.store import (
    RetryBudget,
    forget_others,
    forget_unnamed,
    read_generations,
)

_PAUSE = 0.2  # seconds between two looks
_NO_INDEX = 27
_OURS = re.compile(rf"{INDEX}(?:_(\d+))?(?:_text)?")
# Fields of every stored chunk, so that nothing else is ever deleted.
_A_CHUNK = {
    "document": {"$type": "string"},
    "position": {"$type": ["int", "long"]},
    "hash": {"$type": "binData"},
}


@dataclass(frozen=True)
class Retired:
    """`generation` is the one that stays."""

    generation: int
    indexes: int
    chunks: int
    transforms: int  # matrices that no manifest of the database names


def retire(
    database: Database[Any], name: str, *, seconds: float, on_status: Callable[[str], None]
) -> Retired:
    """Delete all generations but the active one, and matrices that no manifest names.

    The manifest comes first, so that no command rolls back to half a generation; then the
    indexes, so that a search of an old generation finds nothing and reloads, instead of finding
    a part.
    """
    while True:
        with explain_errors():
            seen = read_generations(database, name)
        active = Collection(database[name], seen.active)
        for index in active.indexes:
            index.check()
        with explain_errors():
            if forget_others(database, name, seen):
                break
    # A rebuild that begins later has a higher number.
    old = set(range(1, seen.newest + 1)) - {seen.active.generation}
    indexes = _drop_indexes(active.mongo, old, seconds=seconds, on_status=on_status)
    chunks = sum(_delete_chunks(active, generation) for generation in old)
    with explain_errors():
        transforms = forget_unnamed(database)
    return Retired(seen.active.generation, indexes, chunks, transforms)


def _drop_indexes(
    mongo: Mongo[Any], generations: Set[int], *, seconds: float, on_status: Callable[[str], None]
) -> int:
    """Drop the indexes, wait until the server has removed them, and return how many they were."""
    deadline, dropped = time.monotonic() + seconds, set[str]()
    while there := _indexes(mongo, generations):
        for name in there - dropped:
            on_status(f"dropping search index {name}")
            _drop(mongo, name)
        dropped |= there
        if time.monotonic() > deadline:
            raise IndexNotReady(
                f"search index {', '.join(sorted(there))} is still being dropped (waited "
                f"{seconds:.0f} s; see --wait); no chunk was deleted: run this again in a moment"
            )
        time.sleep(_PAUSE)
    return len(dropped)


def _indexes(mongo: Mongo[Any], generations: Set[int]) -> set[str]:
    with explain_errors():
        names = [str(listed["name"]) for listed in mongo.list_search_indexes()]
    matches = [match for name in names if (match := _OURS.fullmatch(name))]
    return {match[0] for match in matches if int(match[1] or 1) in generations}


def _drop(mongo: Mongo[Any], name: str) -> None:
    with explain_errors():
        try:
            mongo.drop_search_index(name)
        except OperationFailure as error:
            if error.code != _NO_INDEX:  # another run dropped it
                raise


def _delete_chunks(active: Collection, generation: int) -> int:
    chosen = {**_A_CHUNK, "generation": None if generation == 1 else generation}
    with explain_errors():
        return RetryBudget().run(lambda: active.mongo.delete_many(chosen).deleted_count)
