"""Answers the search commands: some at once, some by giving mongod another pipeline to run."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from bson import Int64
from pymongo.errors import ConnectionFailure

from leafmongo.engine import CommandError
from leafmongo.indexes.build import IndexBuilder
from leafmongo.indexes.catalog import COLLECTION, DATABASE, Catalog, Client
from leafmongo.indexes.commands import IndexCommands
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.profiles import ServerProfile
from leafmongo.indexes.registry import IndexRegistry, Namespace
from leafmongo.proxy import classify, large_bson, wire
from leafmongo.proxy.command_threads import LARGE_BYTES, CommandThreads, Result
from leafmongo.proxy.context import ClientChannel, ForwardedCommand, Reply
from leafmongo.proxy.wire import Request, TooDeep, WireError
from leafmongo.queries import rewrite, validate
from leafmongo.queries.freshness import Freshness
from leafmongo.queries.rewrite import LISTING, FoundDocuments, Search
from leafmongo.queries.search import IndexSearch
from leafmongo.queries.validate import first_stage

log = logging.getLogger(__name__)
_REFUSALS = frozenset({13, 18, 8000, 10107, 11600, 13435, 13436})  # rights, and no primary
# As a recovering member answers; drivers retry it.
_AWAY = (13436, "NotPrimaryOrSecondary")
_MAX_BYTES = 16 * 2**20  # of a command, mongod's own limit
_INDEX_COMMANDS = frozenset({"createSearchIndexes", "updateSearchIndex", "dropSearchIndex"})
_ATLAS_VERSION = {"atlasVersion": "leafmongo", "gitVersion": "", "ok": 1.0}
_ID_BYTES = 40  # least bytes that each found document adds to the pipeline for mongod


class SearchCommands:
    """Answers a client's search commands. mongod decides what the client may do."""

    def __init__(
        self,
        registry: IndexRegistry,
        index_commands: IndexCommands,
        freshness: Freshness,
        threads: CommandThreads | None = None,
    ) -> None:
        self._threads = threads or CommandThreads()
        self._profile = registry.profile
        self._search = IndexSearch(registry, freshness, self._threads)
        self._index_commands = index_commands
        self._freshness = freshness

    async def handle(self, message: bytes, client: ClientChannel) -> Reply | ForwardedCommand:
        """Raise WireError if the bytes are not a message."""
        size, run_short = len(message), self._threads.run_short
        if await run_short(size, _may_be_ours, message):
            async with self._threads.command(size):
                answer = await self._read_and_reply(message, client)
        else:
            answer = ForwardedCommand(message)
        if isinstance(answer, ForwardedCommand):
            answer.may_write = await run_short(len(answer), classify.writes_by_stage, answer)
        return answer

    async def _read_and_reply(
        self, message: bytes, client: ClientChannel
    ) -> Reply | ForwardedCommand:
        size = len(message)
        request = await self._threads.run_short(size, _read, message)
        if request is None:
            return ForwardedCommand(message)
        try:
            return await self._reply(request, message, client)
        finally:
            if size > LARGE_BYTES:
                await self._threads.run(size, large_bson.release, request.body)

    async def _reply(
        self, request: Request, message: bytes, client: ClientChannel
    ) -> Reply | ForwardedCommand:
        try:
            return await self._answer(request, message, client)
        except CommandError as error:
            body = _failure(error.code, error.code_name, error.message)
        except ConnectionFailure as error:
            log.warning("%s failed: %s", request.name, error)
            body = _failure(*_AWAY, f"mongod is unreachable from the search gateway: {error}")
        except Exception as error:
            log.exception("%s failed", request.name)
            body = _failure(1, "InternalError", f"{type(error).__name__} in the search gateway")
        return _reply(request, body)

    async def _answer(
        self, request: Request, message: bytes, client: ClientChannel
    ) -> Reply | ForwardedCommand:
        if request.name in _INDEX_COMMANDS:
            _require_utf8(request)
            return _reply(request, await self._run_index_command(request, client))
        if request.name == "atlasVersion":
            # mongod knows no such command, and neither does a large cluster of Atlas.
            is_shared = self._profile.is_shared
            return _reply(request, _ATLAS_VERSION) if is_shared else ForwardedCommand(message)
        command = request.body if request.name == "aggregate" else request.body.get("explain")
        if not isinstance(command, Mapping) or next(iter(command), "") != "aggregate":
            return ForwardedCommand(message)
        if first_stage(command.get("pipeline")) == LISTING and command is request.body:
            _require_utf8(request)
            return await self._list_indexes(request, client)
        run_short = self._threads.run_short
        if not await run_short(request.size, validate.has_search, command.get("pipeline")):
            return ForwardedCommand(message)
        _require_utf8(request)
        await run_short(request.size, validate.require_valid, command)
        try:
            async with asyncio.timeout(_time_limit(command)):
                return await self._rewrite(request, command, client)
        except TimeoutError as error:
            raise CommandError(50, "MaxTimeMSExpired", "operation exceeded time limit") from error

    # searches

    async def _rewrite(
        self, request: Request, command: Mapping[str, Any], client: ClientChannel
    ) -> ForwardedCommand:
        size = request.size

        async def search(search: Search) -> FoundDocuments:
            nonlocal size
            await self._require_reading((request.database, search.collection), client)
            found = await self._search.find(request.database, search, request.size)
            size += _ID_BYTES * len(found.ids)
            return found

        async def run(work: Callable[..., Result], *given: Any) -> Result:
            return await self._threads.run_short(size, work, *given)

        collection, pipeline = str(command["aggregate"]), command.get("pipeline")
        rewritten = {
            **command,
            "pipeline": await rewrite.rewrite(collection, pipeline, search, run),
        }
        is_all = command is request.body
        body = rewritten if is_all else {**request.body, "explain": rewritten}
        return await run(_forward, request, body, size > LARGE_BYTES)

    async def _require_reading(self, namespace: Namespace, client: ClientChannel) -> None:
        """Refuse a client without the right to read, before an index is searched or described.

        Asked once for a connection; mongod decides again about the documents of each search.
        """
        if namespace in client.readable:
            return
        nothing = {"find": namespace[1], "filter": {"_id": {"$in": []}}, "singleBatch": True}
        _require_allowed(await client.run({**nothing, "$db": namespace[0]}))
        client.readable.add(namespace)

    # index commands

    async def _run_index_command(self, request: Request, client: ClientChannel) -> dict[str, Any]:
        namespace = request.database, str(request.body[request.name])
        await self._require_right(namespace, request.name, client)
        await self._freshness.wait(namespace[1])  # a drop or a rename may be in progress
        if request.name == "createSearchIndexes":
            created = await self._threads.run(
                request.size, self._index_commands.create, namespace, request.body.get("indexes")
            )
            return {"indexesCreated": created, "ok": 1.0}
        commands = self._index_commands
        change = commands.update if request.name == "updateSearchIndex" else commands.drop
        await self._threads.run(request.size, change, namespace, request.body)
        return {"ok": 1.0}

    async def _require_right(
        self, namespace: Namespace, command: str, client: ClientChannel
    ) -> None:
        """Run a command that does nothing and needs the same right."""
        database, collection = namespace
        probes: dict[str, dict[str, Any]] = {
            "createSearchIndexes": {"createIndexes": collection, "indexes": []},
            LISTING: {"listIndexes": collection},
        }
        drop_nothing = {"dropIndexes": collection, "index": "leaf_search_no_such_index"}
        probe = probes.get(command, drop_nothing)
        _require_allowed(await client.run({**probe, "$db": database}))

    async def _list_indexes(
        self, request: Request, client: ClientChannel
    ) -> Reply | ForwardedCommand:
        namespace = request.database, str(request.body["aggregate"])
        stage, *rest = request.body["pipeline"]
        if namespace == (DATABASE, COLLECTION):  # has no index itself
            await self._require_reading(namespace, client)
            entries = await self._threads.run(request.size, self._index_commands.list_all)
        else:
            await self._require_right(namespace, LISTING, client)
            await self._freshness.wait(namespace[1])
            entries = await self._threads.run(
                request.size, self._index_commands.list_of, namespace, stage[LISTING]
            )
        if rest:
            # mongod runs the other stages, over the entries as documents of no collection.
            pipeline = [{"$documents": {"$literal": entries}}, *rest]
            body = {**request.body, "aggregate": 1, "pipeline": pipeline}
            large = request.size > LARGE_BYTES
            return await self._threads.run_short(request.size, _forward, request, body, large)
        cursor = {"id": Int64(0), "ns": ".".join(namespace), "firstBatch": entries}
        return _reply(request, {"cursor": cursor, "ok": 1.0})


def _may_be_ours(message: bytes) -> bool:
    head = wire.read_head(message)
    if head.name is None and len(message) > classify.COMMAND_BYTES:
        raise WireError(f"{len(message)} bytes whose command is not where a driver puts it")
    return head.name not in ("aggregate", "explain") or classify.may_search(message)


def _read(message: bytes) -> Request | None:
    """None for a message that mongod will refuse."""
    try:
        request = wire.read_request(message)
    except TooDeep:
        return None
    return None if wire.is_too_deep(request.body) else request


def _require_utf8(request: Request) -> None:
    if not request.exact:
        raise CommandError(
            22,
            "InvalidBSON",
            f"{request.name}: a string in the command is not UTF-8, which a search requires",
        )


def _require_allowed(answer: Mapping[str, Any]) -> None:
    if not answer.get("ok") and answer.get("code") in _REFUSALS:
        raise CommandError(answer["code"], answer.get("codeName", ""), answer.get("errmsg", ""))


def _time_limit(command: Mapping[str, Any]) -> float | None:
    """Seconds; None without a valid limit, which mongod refuses later."""
    limit = command.get("maxTimeMS")
    return limit / 1000 if isinstance(limit, int | float) and limit > 0 else None


def _forward(request: Request, body: Mapping[str, Any], large: bool) -> ForwardedCommand:
    message = wire.write_message(body, request_id=request.request_id, large=large)
    if len(message) > _MAX_BYTES:
        raise CommandError(
            10334,
            "BSONObjectTooLarge",
            "the search finds more than fits one command to mongod; put a $limit after it",
        )
    return ForwardedCommand(message)


def _reply(request: Request, body: Mapping[str, Any]) -> Reply:
    return Reply(wire.write_message(body, response_to=request.request_id))


def _failure(code: int, name: str, message: str) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": message, "code": code, "codeName": name}


class SearchService:
    """All that makes mongod answer searches, wired together. Create it in the event loop."""

    def __init__(self, client: Client, profile: ServerProfile | None = None) -> None:
        registry = IndexRegistry(profile)
        self._freshness = Freshness(lambda marker: self._follower.mark(marker))
        self._follower = Follower(
            client,
            registry,
            on_reload=lambda: self._index_commands.reload(),
            on_gap=lambda: self._index_commands.rebuild_all(),
            on_marker=self._freshness.on_marker,
        )
        self._builder = IndexBuilder(client, self._follower)
        self._index_commands = IndexCommands(Catalog(client), registry, self._builder)
        self._threads = CommandThreads()
        commands = SearchCommands(registry, self._index_commands, self._freshness, self._threads)
        self.handle = commands.handle
        self.on_write = self._freshness.on_write

    def start(self) -> None:
        """Load the definitions and begin to build. Blocks; mongod has to be primary."""
        self._follower.start()  # first, to hear of definitions that other gateways store meanwhile
        self._index_commands.load()
        self._builder.start()

    def stop(self) -> None:
        self._builder.stop()
        self._follower.stop()
        self._follower.join()
        self._builder.join()
        self._threads.close()
