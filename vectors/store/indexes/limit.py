"""How many search indexes there are, and how many Atlas's small clusters allow: 3 in a free cluster
(M0), 10 in a Flex cluster, of all types and collections together.

Other servers have no limit that a collection reaches.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leafsearch.config.text import counted, quote
from leafsearch.vectors.store.connection import list_collection_types

MOST_IN_FREE, MOST_IN_FLEX = 3, 10
_KINDS = {MOST_IN_FREE: "a free cluster (M0)", MOST_IN_FLEX: "a Flex cluster"}
_SYSTEM = ("admin", "local", "config")
_SHOWN = 20


def is_small_atlas(client: MongoClient[Any]) -> bool:
    """Whether this is a free or a Flex cluster, whose proxy alone knows this command."""
    try:
        client.admin.command("atlasVersion")
    except OperationFailure:
        return False
    return True


def list_all_indexes(client: MongoClient[Any]) -> list[str]:
    """`database.collection: index` of each search index that this user may see."""
    return list(_indexes(client))


def explain_limit(
    names: Sequence[str], client: MongoClient[Any], *, most: int | None = None, advice: str = ""
) -> str:
    """`most` None: the server refused, but did not say how many it allows."""
    there = list_all_indexes(client)
    limits = [most] if most else _KINDS
    allowed = ", ".join(f"{limit} in {_KINDS[limit]}" for limit in limits)
    listed = "; ".join(there[:_SHOWN]) + ("; ..." if len(there) > _SHOWN else "")
    are = "is" if len(there) == 1 else "are"
    return (
        f"search indexes: no room for {', '.join(map(quote, names))}: Atlas allows {allowed}, of "
        f"all types and collections together, and there {are} "
        f"{counted(len(there), 'index', 'indexes')} that this user can see ({listed or 'none'}). "
        f"Drop what is not needed, in mongosh with db.COLLECTION.dropSearchIndex(NAME){advice}, or "
        "use a larger cluster"
    )


def _indexes(client: MongoClient[Any]) -> Iterator[str]:
    for name in client.list_database_names():
        if name in _SYSTEM or name.startswith("__"):
            continue
        database = client[name]
        for collection, kind in list_collection_types(database).items():
            if kind == "collection" and not collection.startswith("system."):
                for index in database[collection].list_search_indexes():
                    yield f"{name}.{collection}: {index['name']}"
