"""Whose documents a collection holds, before anything is written into it."""

from typing import Any

from pymongo.database import Database

from leafsearch.config.text import quote
from leafsearch.ingest.cli.index_options import InPlaceChoice
from leafsearch.ingest.errors import TargetError
from leafsearch.vectors import Manifest
from leafsearch.vectors.store.in_place import HAS_OURS, MARK
from leafsearch.vectors.store.manifest import PATH


def demand_ours(
    database: Database[Any], name: str, stored: Manifest | None, *, empty: bool
) -> None:
    """Raises TargetError where chunks would come among documents of others."""
    if empty:
        return
    if stored is None:
        raise TargetError(
            f"collection {database.name}.{name} holds documents that leafsearch did not write; "
            "nothing was changed: name another --collection, or give its vectors to these "
            "documents with --in-place"
        )
    if stored.layout == "in_place":
        raise TargetError(
            f"collection {database.name}.{name} holds documents that leafsearch did not write, "
            "with vectors in place; nothing was changed: name another --collection"
        )


def demand_room(
    database: Database[Any], name: str, stored: Manifest | None, choice: InPlaceChoice
) -> None:
    """Raises TargetError where vectors in place would come among chunks, or over other fields.

    Without an index on these fields, the server looks at every document for this.
    """
    if stored is not None and stored.layout == "chunks":
        raise TargetError(
            f"collection {database.name}.{name} has a manifest of chunks that leafsearch wrote; "
            "expected documents of your own for --in-place: name another collection, or delete "
            f"its entry in leaf_manifests if these documents were dropped"
        )
    path = choice.path or PATH
    theirs = {"$or": [{path: {"$exists": True}}, {MARK: {"$exists": True}}]}
    if stored is None and (found := database[name].find_one({**theirs, "$nor": [HAS_OURS]})):
        field = MARK if MARK in found else path
        raise TargetError(
            f"collection {database.name}.{name} has documents with a field {quote(field)} that "
            f"leafsearch did not write (_id {quote(found['_id'])}); nothing was changed: "
            + ("that name is needed" if field == MARK else "choose another --path")
        )
