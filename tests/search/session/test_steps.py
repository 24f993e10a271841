"""How the steps of a search end when something goes wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from leafsearch.search import QueryError
from leafsearch.search.session.io import Aggregate, Compute, Steps, Together, perform, perform_async

Perform = Callable[[MongoClient[Any], str, Steps[Any]], Any]


def blocking(client: MongoClient[Any], uri: str, steps: Steps[Any]) -> Any:
    return perform(steps, client["nothing"])


def with_asyncio(client: MongoClient[Any], uri: str, steps: Steps[Any]) -> Any:
    async def run() -> Any:
        async with AsyncMongoClient(uri) as connected:
            return await perform_async(steps, connected["nothing"])

    return asyncio.run(run())


@pytest.fixture(params=[blocking, with_asyncio])
def performed(request: Any, client: MongoClient[Any], mongodb_uri: str) -> Callable[..., Any]:
    perform: Perform = request.param
    return lambda steps: perform(client, mongodb_uri, steps)


def test_steps_are_closed_however_they_end(performed: Callable[..., Any]) -> None:
    """What they hold, such as a lock, is given back although the error is kept."""
    held: list[str] = []

    def steps() -> Steps[None]:
        held.append("lock")
        try:
            yield Compute(lambda: 1 // 0)
        finally:
            held.remove("lock")

    with pytest.raises(ZeroDivisionError) as kept:
        performed(steps())

    assert held == []
    assert kept.value is not None


def test_the_error_of_one_of_several_steps_is_raised_as_it_is(
    performed: Callable[..., Any],
) -> None:
    cause = KeyError("why")

    def failing() -> Steps[None]:
        yield Aggregate("c", [])
        raise QueryError("no") from cause

    def going() -> Steps[int]:
        yield Aggregate("c", [])
        return 1

    def steps() -> Steps[list[Any]]:
        return (yield Together([going(), failing(), going()]))

    with pytest.raises(QueryError, match="no") as caught:
        performed(steps())

    assert caught.value.__cause__ is cause
    assert performed(iter_together([going(), going()])) == [1, 1]


def iter_together(steps: list[Steps[Any]]) -> Steps[list[Any]]:
    return (yield Together(steps))


def test_after_an_error_no_other_search_goes_on(mongodb_uri: str) -> None:
    ended: list[str] = []

    def failing() -> Steps[None]:
        yield Aggregate("c", [])
        raise QueryError("no")

    def slow() -> Steps[None]:
        try:
            yield Aggregate("c", [{"$match": {"$expr": {"$gt": [1, 2]}}}])
            while True:
                yield Aggregate("c", [])
        finally:
            ended.append("slow")

    async def run() -> set[Any]:
        async with AsyncMongoClient(mongodb_uri) as client:
            before = asyncio.all_tasks()
            together = perform_async(iter_together([slow(), failing(), slow()]), client["nothing"])
            with pytest.raises(QueryError):
                await together
            return {t for t in asyncio.all_tasks() - before if "gated" in repr(t.get_coro())}

    assert asyncio.run(run()) == set()
    assert ended == ["slow", "slow"]
