"""Search within asyncio: what Searcher does, on an AsyncMongoClient.

Encoding runs in a thread, so that the event loop goes on meanwhile.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from pymongo import AsyncMongoClient

from leafsearch.config import Settings
from leafsearch.search.hit import Hit
from leafsearch.search.query import Options, require_settings
from leafsearch.search.retrieval.context import Context
from leafsearch.search.session.ask import context_steps, search_many_steps, search_steps
from leafsearch.search.session.io import Result, Steps, perform_async
from leafsearch.search.session.session import Session, open_session
from leafsearch.vectors import Manifest, connect_async


class AsyncSearcher:
    """See Searcher; belongs to the event loop that opened it."""

    def __init__(self, client: AsyncMongoClient[Any], session: Session) -> None:
        self._client = client
        self._session = session

    @classmethod
    async def open(
        cls, uri: str, settings: Settings | None = None, *, student: str | None = None
    ) -> Self:
        settings = Settings() if settings is None else settings
        require_settings(settings)
        client = await connect_async(uri)
        try:
            steps = open_session(settings, student)
            return cls(client, await perform_async(steps, client[settings.database]))
        except BaseException:
            await client.close()
            raise

    @property
    def manifest(self) -> Manifest:
        return self._session.opened.manifest

    async def search(self, question: str, **options: Unpack[Options]) -> list[Hit]:
        return await self._perform(search_steps(self._session, question, options))

    async def search_many(
        self, questions: Sequence[str], **options: Unpack[Options]
    ) -> list[list[Hit]]:
        return await self._perform(search_many_steps(self._session, questions, options))

    async def context(self, question: str, max_tokens: int, **options: Unpack[Options]) -> Context:
        return await self._perform(context_steps(self._session, question, max_tokens, options))

    async def reopen(self) -> None:
        known = self._session
        self._session = await self._perform(open_session(known.settings, known.student))

    async def close(self) -> None:
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _perform(self, steps: Steps[Result]) -> Result:
        return await perform_async(steps, self._client[self._session.opened.database])
