"""Questions that only the server can answer, tried on a collection of their own.

It is dropped afterwards, and so is one that an earlier process left when it was killed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Binary, ObjectId
from bson.binary import VECTOR_SUBTYPE
from bson.errors import InvalidId
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafsearch.vectors.errors import IndexSkips
from leafsearch.vectors.store.collection import is_found
from leafsearch.vectors.store.connection import explain_errors
from leafsearch.vectors.store.indexes.pipelines import index_definition, nearest_stage
from leafsearch.vectors.store.indexes.search_index import IndexSpec, SearchIndex, is_full, wait_for

TRIALS = "__leaf_trial_"
_DIMENSIONS = 8
_VECTOR = Binary(b"\x03\x00" + bytes([1] * _DIMENSIONS), VECTOR_SUBTYPE)
_ABANDONED = timedelta(hours=1)
_LAG = 10.0  # seconds until what an index holds is found


def require_int8_quantized(database: Database[Any], *, seconds: float) -> None:
    """Raises IndexSkips if this server leaves int8 vectors out of an index with quantization
    binary, DeploymentError or a SearchIndexError if that cannot be tried.

    The vector is there before the index, so an index that is READY has seen it.
    """
    with explain_errors(), _trial(database) as mongo:
        mongo.insert_one({"vector": _VECTOR})
        spec = IndexSpec("trial", "vectorSearch", _definition(), mongo.full_name)
        index = SearchIndex(mongo, spec)
        index.ensure()
        wait_for([index], seconds=seconds)
        stage = nearest_stage(_VECTOR, index="trial", path="vector", limit=1, num_candidates=None)
        if not is_found(lambda: bool(list(mongo.aggregate([stage]))), seconds=_LAG):
            raise IndexSkips(
                "int8 with quantization binary: this server skips such vectors (a trial vector is "
                "not found), and nothing was written; expected Atlas since 2026-10-19 or a mongot "
                "newer than 1.70. Give --quantization none, or --precision float32"
            )


def has_room(database: Database[Any], more: int) -> bool:
    """Whether the server allows so many more search indexes."""
    models = [SearchIndexModel(_definition(), f"trial{n}", "vectorSearch") for n in range(more)]
    with _trial(database) as mongo:
        try:
            mongo.create_search_indexes(models)
        except OperationFailure as error:
            if not is_full(error):
                raise
            return False
        return True


def _definition() -> dict[str, Any]:
    return index_definition(
        path="vector",
        dimensions=_DIMENSIONS,
        similarity="cosine",
        quantization="binary",
        filters=(),
    )


@contextmanager
def _trial(database: Database[Any]) -> Iterator[MongoCollection[Any]]:
    for name in _abandoned(database.list_collection_names(filter={"name": {"$regex": "^__leaf"}})):
        database.drop_collection(name)
    name = f"{TRIALS}{ObjectId()}"
    database.create_collection(name)
    try:
        yield database[name]
    finally:
        database.drop_collection(name)


def _abandoned(names: Sequence[str]) -> Iterator[str]:
    now = datetime.now(UTC)
    for name in names:
        try:
            begun = ObjectId(name.removeprefix(TRIALS)).generation_time
        except InvalidId:
            continue
        if name.startswith(TRIALS) and now - begun > _ABANDONED:
            yield name
