"""Sans-I/O: a search says what it needs, and a client does it, blocking or with asyncio.

A search is a generator: it yields requests and is sent their answers, or is thrown their errors.
`perform` answers requests with a MongoClient, `perform_async` with an AsyncMongoClient.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import ExecutionTimeout

from leafsearch.config import LeafError
from leafsearch.search.errors import SearchTimeout
from leafsearch.vectors import explain_errors

Result = TypeVar("Result")
Steps = Generator[Any, Any, Result]

_AT_ONCE = 8  # concurrent requests


@dataclass(frozen=True)
class Aggregate:
    """Answered with a list of documents."""

    collection: str
    pipeline: Sequence[Mapping[str, Any]]
    max_time_ms: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        return {} if self.max_time_ms is None else {"maxTimeMS": self.max_time_ms}


@dataclass(frozen=True)
class Compute:
    """Work for the processor, such as encoding; answered with the function's result."""

    function: Callable[[], Any]


@dataclass(frozen=True)
class Together:
    """Steps that do not wait for each other; answered with a list of their results."""

    steps: Sequence[Steps[Any]]


def perform(steps: Steps[Result], database: Database[Any]) -> Result:
    with closing(steps):  # releases locks at once, however this ends
        go_on = partial(steps.send, None)
        while True:
            try:
                request = go_on()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                go_on = partial(steps.send, _answer(request, database))
            except LeafError as error:
                go_on = partial(steps.throw, error)


def _answer(request: object, database: Database[Any]) -> Any:
    if isinstance(request, Aggregate):
        with explain_errors(), _timely(request):
            found = database[request.collection].aggregate(request.pipeline, **request.options)
            return list(found)
    if isinstance(request, Together):
        if len(request.steps) == 1:
            return [perform(request.steps[0], database)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda steps: perform(steps, database), request.steps))
    assert isinstance(request, Compute)
    return request.function()


async def perform_async(steps: Steps[Result], database: AsyncDatabase[Any]) -> Result:
    with closing(steps):
        go_on = partial(steps.send, None)
        while True:
            try:
                request = go_on()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                go_on = partial(steps.send, await _answer_async(request, database))
            except LeafError as error:
                go_on = partial(steps.throw, error)


async def _answer_async(request: object, database: AsyncDatabase[Any]) -> Any:
    if isinstance(request, Aggregate):
        with explain_errors(), _timely(request):
            collection = database[request.collection]
            found = await collection.aggregate(request.pipeline, **request.options)
            return await found.to_list()
    if isinstance(request, Together):
        gate = asyncio.Semaphore(_AT_ONCE)

        async def gated(steps: Steps[Any]) -> Any:
            async with gate:
                return await perform_async(steps, database)

        return await _all_or_none([gated(steps) for steps in request.steps])
    assert isinstance(request, Compute)
    return await asyncio.to_thread(request.function)


async def _all_or_none(works: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All results; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [task.result() for task in tasks]


@contextmanager
def _timely(request: Aggregate) -> Iterator[None]:
    try:
        yield
    except ExecutionTimeout as error:
        raise SearchTimeout(
            f"the search took longer than max_time_ms ({request.max_time_ms}). Allow more time, or "
            "request fewer hits or candidates"
        ) from error
