"""Whether the search indexes that a run needs have room, asked before anything is loaded.

A server does not say whether it is a free or a Flex cluster of Atlas. One with more than three
indexes is no free one; whether it allows a fourth shows when it is tried. Should the user not see
all indexes, the server itself refuses later, before anything but a first batch is encoded.
"""

import logging
from collections.abc import Sequence
from typing import Any

from pymongo.database import Database

from leafsearch.config.hint import hint
from leafsearch.ingest.target.open import INDEX
from leafsearch.vectors import IndexLimit, explain_errors
from leafsearch.vectors.store import (
    MOST_IN_FLEX,
    MOST_IN_FREE,
    Generations,
    explain_limit,
    find_generations,
    has_room,
    is_small_atlas,
    list_all_indexes,
    text_index_name,
)

log = logging.getLogger(__name__)


def require_index_room(
    database: Database[Any], name: str, *, hybrid: bool, rebuild: bool, may_try: bool
) -> None:
    """Raises IndexLimit if a small cluster of Atlas cannot have the indexes that are missing.

    `may_try` allows to create some on a collection for trial where nothing else tells.
    """
    with explain_errors():
        if not is_small_atlas(database.client):
            return
        found = find_generations(database, name)
        there = {str(index["name"]) for index in database[name].list_search_indexes()}
        wanted = _wanted(found, hybrid=hybrid, rebuild=rebuild)
        missing = [each for each in wanted if each not in there]
        most = _exceeded(database, missing, may_try=may_try) if missing else None
        if most is not None:
            advice = _advice(database, name, there, needs_words=len(missing) > 1)
            raise IndexLimit(explain_limit(missing, database.client, most=most, advice=advice))


def _wanted(found: Generations | None, *, hybrid: bool, rebuild: bool) -> list[str]:
    """The names of the indexes that the run writes to."""
    if found is None:
        index, words = INDEX, hybrid
    elif rebuild and found.other is None:
        index, words = f"{INDEX}_{found.newest + 1}", found.active.hybrid or hybrid
    else:
        at = found.other if rebuild and found.other else found.active
        index, words = at.index, at.hybrid or hybrid
    return [index, text_index_name(index)] if words else [index]


def _exceeded(database: Database[Any], missing: Sequence[str], *, may_try: bool) -> int | None:
    """The limit that so many more indexes would exceed."""
    there = len(list_all_indexes(database.client))
    total, is_flex = there + len(missing), there > MOST_IN_FREE
    if total > MOST_IN_FLEX:
        return MOST_IN_FLEX
    if total <= MOST_IN_FREE or is_flex:
        return None
    if not may_try:
        log.warning(
            "search indexes: %s would be too many for a free cluster of Atlas (M0); whether this "
            "is one is tried when this runs without --dry-run",
            total,
        )
        return None
    return None if has_room(database, len(missing)) else MOST_IN_FREE


def _advice(database: Database[Any], name: str, there: set[str], *, needs_words: bool) -> str:
    advice = ""
    if len({each.removesuffix("_text") for each in there if each.startswith(INDEX)}) > 1:
        retire = hint("leaf-ingest", "retire", database=database.name, collection=name)
        advice += f", or those of generations that no longer answer with {retire}"
    if needs_words:
        advice += "; an index for the words (--hybrid) counts too"
    return advice
