"""Answers the search commands: some at once, some by giving mongod another pipeline to run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bson import Int64
from pymongo.errors import ConnectionFailure

from leafmongo.engine import CommandError
from leafmongo.indexes.catalog import COLLECTION, DATABASE
from leafmongo.indexes.commands import Lifecycle
from leafmongo.indexes.registry import Indexes, Namespace
from leafmongo.proxy import classify as traffic
from leafmongo.proxy import large_bson, wire
from leafmongo.proxy.protocols import Asker, Forward, Reply
from leafmongo.proxy.wire import Request, TooDeep, WireError
from leafmongo.proxy.workers import LARGE_BYTES, Result, Workers
from leafmongo.queries import rewrite as searches
from leafmongo.queries import validate as places
from leafmongo.queries.freshness import Freshness
from leafmongo.queries.rewrite import LISTING, Found, Search
from leafmongo.queries.search import IndexSearch
from leafmongo.queries.validate import first_stage

log = logging.getLogger(__name__)
_REFUSALS = frozenset({13, 18, 8000, 10107, 11600, 13435, 13436})  # rights, and no primary
# As of a member that recovers, which drivers ask again.
_AWAY = (13436, "NotPrimaryOrSecondary")
_MOST_BYTES = 16 * 2**20  # of a command, mongod's own limit
_SEARCH_WORDS = frozenset({"createSearchIndexes", "updateSearchIndex", "dropSearchIndex"})
_ID_BYTES = 40  # of a document that was found, in the pipeline for mongod: at least about that


class SearchCommands:
    """For the relay. Whether a client may do what it asks for, mongod decides."""

    def __init__(
        self,
        indexes: Indexes,
        lifecycle: Lifecycle,
        freshness: Freshness,
        admit: Callable[[int], Awaitable[None]],
        workers: Workers | None = None,
    ) -> None:
        self._admit = admit
        self._workers = workers or Workers()
        self._search = IndexSearch(indexes, freshness, self._workers)
        self._lifecycle = lifecycle
        self._freshness = freshness

    async def admit(self, pid: int, /) -> None:
        await self._admit(pid)

    def wrote(self, collection: str | None) -> None:
        self._freshness.wrote(collection)

    async def handle(self, message: bytes, asker: Asker) -> Reply | Forward:
        """WireError where it is no message."""
        size, run_short = len(message), self._workers.run_short
        if await run_short(size, _may_be_ours, message):
            async with self._workers.command(size):
                answer = await self._read_and_reply(message, asker)
        else:
            answer = Forward(message)
        if isinstance(answer, Forward):
            answer.writes = await run_short(len(answer), traffic.writes_by_stage, answer)
        return answer

    async def _read_and_reply(self, message: bytes, asker: Asker) -> Reply | Forward:
        size = len(message)
        request = await self._workers.run_short(size, _read, message)
        if request is None:
            return Forward(message)
        try:
            return await self._reply(request, message, asker)
        finally:
            if size > LARGE_BYTES:
                await self._workers.run(size, large_bson.release, request.body)

    async def _reply(self, request: Request, message: bytes, asker: Asker) -> Reply | Forward:
        try:
            return await self._answer(request, message, asker)
        except CommandError as error:
            body = _failure(error.code, error.code_name, error.message)
        except ConnectionFailure as error:
            log.warning("%s failed: %s", request.name, error)
            body = _failure(*_AWAY, f"mongod is away from the search gateway: {error}")
        except Exception as error:
            log.exception("%s failed", request.name)
            body = _failure(1, "InternalError", f"{type(error).__name__} in the search gateway")
        return _reply(request, body)

    async def _answer(self, request: Request, message: bytes, asker: Asker) -> Reply | Forward:
        if request.name in _SEARCH_WORDS:
            _demand_utf8(request)
            return _reply(request, await self._manage(request, asker))
        explained = request.body if request.name == "aggregate" else request.body.get("explain")
        if not isinstance(explained, Mapping) or next(iter(explained), "") != "aggregate":
            return Forward(message)
        if first_stage(explained.get("pipeline")) == LISTING and explained is request.body:
            _demand_utf8(request)
            return await self._list(request, asker)
        run_short = self._workers.run_short
        if not await run_short(request.size, places.has_search, explained.get("pipeline")):
            return Forward(message)
        _demand_utf8(request)
        await run_short(request.size, places.check, explained)
        try:
            async with asyncio.timeout(_seconds(explained)):
                return await self._searched(request, explained, asker)
        except TimeoutError as error:
            raise CommandError(50, "MaxTimeMSExpired", "operation exceeded time limit") from error

    # searching

    async def _searched(
        self, request: Request, command: Mapping[str, Any], asker: Asker
    ) -> Forward:
        size = request.size

        async def search(search: Search) -> Found:
            nonlocal size
            await self._demand_reading((request.database, search.collection), asker)
            found = await self._search.find(request.database, search, request.size)
            size += _ID_BYTES * len(found.ids)
            return found

        async def run(work: Callable[..., Result], *given: Any) -> Result:
            return await self._workers.run_short(size, work, *given)

        collection, pipeline = str(command["aggregate"]), command.get("pipeline")
        rewritten = {
            **command,
            "pipeline": await searches.rewrite(collection, pipeline, search, run),
        }
        is_all = command is request.body
        body = rewritten if is_all else {**request.body, "explain": rewritten}
        return await run(_forward, request, body, size > LARGE_BYTES)

    async def _demand_reading(self, namespace: Namespace, asker: Asker) -> None:
        """Once for a connection: no index is asked, and nothing told of it, for somebody who may
        not read the collection. Of every search's documents mongod decides again."""
        if namespace in asker.readable:
            return
        nothing = {"find": namespace[1], "filter": {"_id": {"$in": []}}, "singleBatch": True}
        _demand_allowed(await asker.ask({**nothing, "$db": namespace[0]}))
        asker.readable.add(namespace)

    # managing

    async def _manage(self, request: Request, asker: Asker) -> dict[str, Any]:
        namespace = request.database, str(request.body[request.name])
        await self._demand_right(namespace, request.name, asker)
        await self._freshness.wait(namespace[1])  # a drop or a rename may be under way
        life = self._lifecycle
        if request.name == "createSearchIndexes":
            created = await self._workers.run(
                request.size, life.create, namespace, request.body.get("indexes")
            )
            return {"indexesCreated": created, "ok": 1.0}
        change = life.update if request.name == "updateSearchIndex" else life.drop
        await self._workers.run(request.size, change, namespace, request.body)
        return {"ok": 1.0}

    async def _demand_right(self, namespace: Namespace, command: str, asker: Asker) -> None:
        """Ask mongod for something that does nothing and needs the same right."""
        database, collection = namespace
        asked: dict[str, dict[str, Any]] = {
            "createSearchIndexes": {"createIndexes": collection, "indexes": []},
            LISTING: {"listIndexes": collection},
        }
        nothing = {"dropIndexes": collection, "index": "leaf_search_no_such_index"}
        question = asked.get(command, nothing)
        _demand_allowed(await asker.ask({**question, "$db": database}))

    async def _list(self, request: Request, asker: Asker) -> Reply | Forward:
        namespace = request.database, str(request.body["aggregate"])
        stage, *rest = request.body["pipeline"]
        if namespace == (DATABASE, COLLECTION):  # which has no index itself
            await self._demand_reading(namespace, asker)
            entries = await self._workers.run(request.size, self._lifecycle.listed_all)
        else:
            await self._demand_right(namespace, LISTING, asker)
            await self._freshness.wait(namespace[1])
            entries = await self._workers.run(
                request.size, self._lifecycle.listed, namespace, stage[LISTING]
            )
        if rest:
            # mongod runs the other stages, over the entries as documents of no collection.
            pipeline = [{"$documents": {"$literal": entries}}, *rest]
            body = {**request.body, "aggregate": 1, "pipeline": pipeline}
            large = request.size > LARGE_BYTES
            return await self._workers.run_short(request.size, _forward, request, body, large)
        cursor = {"id": Int64(0), "ns": ".".join(namespace), "firstBatch": entries}
        return _reply(request, {"cursor": cursor, "ok": 1.0})


def _may_be_ours(message: bytes) -> bool:
    head = wire.read_head(message)
    if head.name is None and len(message) > traffic.COMMAND_BYTES:
        raise WireError(f"{len(message)} bytes whose command is not where a driver puts it")
    return head.name not in ("aggregate", "explain") or traffic.may_search(message)


def _read(message: bytes) -> Request | None:
    """None where mongod will refuse it."""
    try:
        request = wire.read_request(message)
    except TooDeep:
        return None
    return None if wire.is_too_deep(request.body) else request


def _demand_utf8(request: Request) -> None:
    if not request.exact:
        raise CommandError(
            22,
            "InvalidBSON",
            f"{request.name}: a string in the command is not UTF-8, and a search takes no other",
        )


def _demand_allowed(answer: Mapping[str, Any]) -> None:
    if not answer.get("ok") and answer.get("code") in _REFUSALS:
        raise CommandError(answer["code"], answer.get("codeName", ""), answer.get("errmsg", ""))


def _seconds(command: Mapping[str, Any]) -> float | None:
    """How long it may take; what is no number, mongod refuses later."""
    limit = command.get("maxTimeMS")
    return limit / 1000 if isinstance(limit, int | float) and limit > 0 else None


def _forward(request: Request, body: Mapping[str, Any], large: bool) -> Forward:
    message = wire.write_message(body, request_id=request.request_id, large=large)
    if len(message) > _MOST_BYTES:
        raise CommandError(
            10334,
            "BSONObjectTooLarge",
            "the search finds more than fits one command to mongod; put a $limit behind it",
        )
    return Forward(message)


def _reply(request: Request, body: Mapping[str, Any]) -> Reply:
    return Reply(wire.write_message(body, response_to=request.request_id))


def _failure(code: int, name: str, message: str) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": message, "code": code, "codeName": name}
