"""Searches in the indexes: finds the one that is meant, waits until it is up to date, asks it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leafmongo.engine import CommandError, Match, VectorIndex, VectorQuery, parse_query
from leafmongo.engine.errors import search_error
from leafmongo.indexes.index_types import TEXT, VECTOR, Index, parse_text_query
from leafmongo.indexes.registry import Indexes, Namespace, Served, State
from leafmongo.proxy.workers import Workers
from leafmongo.queries.freshness import Freshness
from leafmongo.queries.fusion import fuse, parse_fusion
from leafmongo.queries.rewrite import Found, Search
from leafmongo.queries.score_meta import FUSION

if TYPE_CHECKING:
    from leafmongo.engine.text import TextIndex, TextQuery

log = logging.getLogger(__name__)
# As the real server calls the states in which an index does not answer yet.
_STATES = {
    State.PENDING: "NOT_STARTED",
    State.BUILDING: "INITIAL_SYNC",
    State.READY: "INITIAL_SYNC",
}
_REBUILDING_SECONDS = 60.0
_LOOK_SECONDS = 0.01
_AT_ONCE = 4  # searches of one $rankFusion
_ID_BYTES = 200  # about what it costs to fuse a document, as of a command to read


class IndexSearch:
    """In the gateway's event loop; the indexes themselves are asked in threads."""

    def __init__(
        self, indexes: Indexes, freshness: Freshness, workers: Workers | None = None
    ) -> None:
        self._indexes = indexes
        self._freshness = freshness
        self._workers = workers or Workers()

    async def find(self, database: str, search: Search, size: int = 0) -> Found:
        """Nothing, where there is no index of that name. `size`: bytes of the whole command."""
        namespace = database, search.collection
        if search.stage == FUSION:
            return await self._fused(database, search, size)
        if search.stage == "$vectorSearch":
            query = await self._workers.run_short(size, parse_query, search.options)
            return await self._nearest(namespace, query, size)
        return await self._worded(namespace, search, size)

    async def _worded(self, namespace: Namespace, search: Search, size: int) -> Found:
        query = await self._workers.run_short(size, parse_text_query, search.options)
        index = await self._index(namespace, query.index)
        if index is None:
            return Found([], [])
        if isinstance(index, VectorIndex):
            raise _wrong_type(query.index, VECTOR, "$search", TEXT)
        return await self._workers.run(size, _found_words, index, query, search.wanted)

    async def _fused(self, database: str, search: Search, size: int) -> Found:
        fusion = await self._workers.run_short(size, parse_fusion, search.options)
        found = [Found([], [])] * len(fusion.inputs)
        inputs = iter(enumerate(fusion.inputs))

        async def take_turns() -> None:
            for at, each in inputs:
                part = Search(search.collection, each.stage, each.options, each.limit)
                found[at] = await self.find(database, part, size)

        tasks = [asyncio.create_task(take_turns()) for _ in range(_AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:  # where one failed, the others would still read what is freed now
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        ids = sum(len(each.ids) for each in found)
        return await self._workers.run_short(size + _ID_BYTES * ids, fuse, fusion, found)

    async def _nearest(self, namespace: Namespace, query: VectorQuery, size: int) -> Found:
        index = await self._index(namespace, query.index)
        if index is None:
            return Found([], [])
        if not isinstance(index, VectorIndex):
            raise _wrong_type(query.index, TEXT, "$vectorSearch", VECTOR)
        return await self._workers.run(size, _found_vectors, index, query)

    async def _index(self, namespace: Namespace, name: str) -> Index | None:
        await self._freshness.wait(namespace[1])
        served = self._indexes.find(namespace, name)
        if served is None:
            return None
        await _rebuilt(served)
        if (main := served.main) is None:
            raise _not_ready(served)
        return main.index


async def _rebuilt(served: Served) -> None:
    """What was searchable before a restart, or before changes were missed, is so in a while; a
    build that somebody waits for comes before the others."""
    if not served.behind:
        return
    served.asked = True
    try:
        async with asyncio.timeout(_REBUILDING_SECONDS):
            while served.behind and served.staged is not None:
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        log.warning("index %s takes more than a minute to build", served.record.name)


def _found_vectors(index: VectorIndex, query: VectorQuery) -> Found:
    matches = index.search(query)
    if not query.return_stored_source:
        return _found(matches)
    return _found(matches, [match.stored_source or {"_id": match.id} for match in matches])


def _found_words(index: "TextIndex", query: "TextQuery", wanted: int | None) -> Found:
    return _found(index.search(query, wanted))


def _found(matches: Sequence[Match], stored: Sequence[Mapping[str, Any]] | None = None) -> Found:
    return Found([m.id for m in matches], [float(m.score) for m in matches], stored)


def _not_ready(served: Served) -> CommandError:
    state = _STATES[served.staged.state if served.staged is not None else State.PENDING]
    if served.failure is not None:
        state = f"FAILED: {served.failure.reason}"
    what = "vector" if served.record.type == VECTOR else "search"
    return search_error(f"cannot query {what} index {served.record.name} while in state {state}")


def _wrong_type(name: str, kind: str, stage: str, wanted: str) -> CommandError:
    return search_error(f'index {name} is of type "{kind}"; {stage} needs one of type "{wanted}"')
