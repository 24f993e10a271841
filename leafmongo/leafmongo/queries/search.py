"""Runs searches: finds the index, waits until it is up to date, searches it in a thread."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leafmongo.engine import CommandError, Match, VectorIndex, VectorQuery, parse_query
from leafmongo.engine.errors import search_error
from leafmongo.indexes.index_types import TEXT, VECTOR, Index, parse_text_query
from leafmongo.indexes.registry import BuildState, IndexRegistry, Namespace, ServedIndex
from leafmongo.proxy.command_threads import CommandThreads
from leafmongo.queries.freshness import Freshness
from leafmongo.queries.rank_fusion import RankFusion
from leafmongo.queries.rewrite import FoundDocuments, Search
from leafmongo.queries.score_fusion import ScoreFusion
from leafmongo.queries.score_meta import FUSIONS, RANK_FUSION

if TYPE_CHECKING:
    from leafmongo.engine.text import TextIndex, TextQuery

log = logging.getLogger(__name__)
# The real server's names for the states in which an index does not answer yet.
_STATES = {
    BuildState.PENDING: "NOT_STARTED",
    BuildState.BUILDING: "INITIAL_SYNC",
    BuildState.READY: "INITIAL_SYNC",
}
_REBUILDING_SECONDS = 60.0
_LOOK_SECONDS = 0.01
_AT_ONCE = 4  # searches of one fusion
_ID_BYTES = 200  # cost of fusing one document, in bytes of a command


class IndexSearch:
    """Runs in the gateway's event loop; threads search the indexes."""

    def __init__(
        self, indexes: IndexRegistry, freshness: Freshness, threads: CommandThreads | None = None
    ) -> None:
        self._indexes = indexes
        self._freshness = freshness
        self._threads = threads or CommandThreads()

    async def find(self, database: str, search: Search, size: int = 0) -> FoundDocuments:
        """Find nothing if there is no index of that name. `size` is that of the whole command."""
        namespace = database, search.collection
        if search.stage in FUSIONS:
            return await self._search_fused(database, search, size)
        if search.stage == "$vectorSearch":
            query = await self._threads.run_short(size, parse_query, search.options)
            return await self._search_vectors(namespace, query, size)
        return await self._search_text(namespace, search, size)

    async def _search_text(self, namespace: Namespace, search: Search, size: int) -> FoundDocuments:
        query = await self._threads.run_short(size, parse_text_query, search.options)
        index = await self._index(namespace, query.index)
        if index is None:
            return FoundDocuments([], [])
        if isinstance(index, VectorIndex):
            raise _wrong_type(query.index, VECTOR, "$search", TEXT)
        return await self._threads.run(size, _found_words, index, query, search.wanted)

    async def _search_fused(self, database: str, search: Search, size: int) -> FoundDocuments:
        parse: Callable[[Any], RankFusion | ScoreFusion] = (
            RankFusion.parse if search.stage == RANK_FUSION else ScoreFusion.parse
        )
        fusion = await self._threads.run_short(size, parse, search.options)
        found = [FoundDocuments([], [])] * len(fusion.inputs)
        inputs = iter(enumerate(fusion.inputs))

        async def take_turns() -> None:
            for at, each in inputs:
                part = Search(search.collection, each.stage, each.options, each.limit)
                found[at] = await self.find(database, part, size)

        tasks = [asyncio.create_task(take_turns()) for _ in range(_AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:  # after a failure, the others would still read what is freed now
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        ids = sum(len(each.ids) for each in found)
        whole = size + _ID_BYTES * ids
        return await self._threads.run_short(whole, fusion.fuse, found, search.wanted)

    async def _search_vectors(
        self, namespace: Namespace, query: VectorQuery, size: int
    ) -> FoundDocuments:
        index = await self._index(namespace, query.index)
        if index is None:
            return FoundDocuments([], [])
        if not isinstance(index, VectorIndex):
            raise _wrong_type(query.index, TEXT, "$vectorSearch", VECTOR)
        return await self._threads.run(size, _found_vectors, index, query)

    async def _index(self, namespace: Namespace, name: str) -> Index | None:
        await self._freshness.wait(namespace[1])
        served = self._indexes.find(namespace, name)
        if served is None:
            return None
        await _wait_for_rebuild(served)
        if (main := served.main) is None:
            raise _not_ready(served)
        return main.index


async def _wait_for_rebuild(served: ServedIndex) -> None:
    """Wait for an index that was searchable before a restart or a gap in the change stream.

    A build that a search waits for goes before the others.
    """
    if not served.rebuilding:
        return
    served.awaited = True
    try:
        async with asyncio.timeout(_REBUILDING_SECONDS):
            while served.rebuilding and served.staged is not None:
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        log.warning("index %s takes more than a minute to build", served.record.name)


def _found_vectors(index: VectorIndex, query: VectorQuery) -> FoundDocuments:
    matches = index.search(query)
    if not query.return_stored_source:
        return _found(matches)
    return _found(matches, [match.stored_source or {"_id": match.id} for match in matches])


def _found_words(index: "TextIndex", query: "TextQuery", wanted: int | None) -> FoundDocuments:
    return _found(index.search(query, wanted))


def _found(
    matches: Sequence[Match], stored: Sequence[Mapping[str, Any]] | None = None
) -> FoundDocuments:
    return FoundDocuments([m.id for m in matches], [float(m.score) for m in matches], stored)


def _not_ready(served: ServedIndex) -> CommandError:
    state = _STATES[served.staged.state if served.staged is not None else BuildState.PENDING]
    if served.failure is not None:
        state = f"FAILED: {served.failure.reason}"
    kind = "vector" if served.record.type == VECTOR else "search"
    return search_error(f"cannot query {kind} index {served.record.name} while in state {state}")


def _wrong_type(name: str, kind: str, stage: str, wanted: str) -> CommandError:
    return search_error(f'index {name} is of type "{kind}"; {stage} needs one of type "{wanted}"')
