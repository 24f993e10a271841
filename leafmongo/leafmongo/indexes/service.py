"""Everything that makes mongod answer searches: catalog, indexes, change stream, commands."""

from collections.abc import Awaitable, Callable

from leafmongo.deployment.replica import Client
from leafmongo.indexes.builder import Builder
from leafmongo.indexes.catalog import Catalog
from leafmongo.indexes.commands import Lifecycle
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.registry import Indexes
from leafmongo.proxy.workers import Workers
from leafmongo.queries.commands import SearchCommands
from leafmongo.queries.freshness import Freshness


class SearchService:
    """Wires the parts; `commands` is what the gateway calls. Made in the gateway's event loop."""

    def __init__(self, client: Client, admit: Callable[[int], Awaitable[None]]) -> None:
        self._indexes = Indexes()
        self._freshness = Freshness(lambda marker: self._follower.mark(marker))
        self._follower = Follower(
            client,
            self._indexes,
            reform=lambda: self._lifecycle.reform(),
            reset=lambda: self._lifecycle.reset(),
            reached=self._freshness.reached,
        )
        self._builder = Builder(client, self._follower)
        self._lifecycle = Lifecycle(Catalog(client), self._indexes, self._builder)
        self._workers = Workers()
        self.commands = SearchCommands(
            self._indexes, self._lifecycle, self._freshness, admit, self._workers
        )

    def start(self) -> None:
        """Load the definitions and begin to build. Blocking; mongod has to be primary."""
        self._follower.start()  # first: what another gateway defines meanwhile is heard of
        self._lifecycle.load()
        self._builder.start()

    def stop(self) -> None:
        self._builder.stop()
        self._follower.stop()
        self._follower.join()
        self._builder.join()
        self._workers.close()
