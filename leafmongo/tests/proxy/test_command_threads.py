"""Threads for large commands: how many run, and when they end."""

import asyncio
import threading
import weakref

import pytest

from leafmongo.proxy.command_threads import LARGE_BYTES, Collector, CommandThreads

LARGE = LARGE_BYTES + 1


class Node:
    """An object in a cycle, which only the collector frees."""

    def __init__(self) -> None:
        self.me = self


def test_third_large_command_waits_until_one_of_two_has_ended() -> None:
    async def main() -> None:
        workers, begun = CommandThreads(), []
        ends = [asyncio.Event() for _ in range(3)]

        async def one(number: int) -> None:
            async with workers.command(LARGE):
                begun.append(number)
                await ends[number].wait()

        tasks = [asyncio.create_task(one(number)) for number in range(3)]
        await asyncio.sleep(0.05)
        assert begun == [0, 1]
        async with workers.command(LARGE_BYTES):
            pass  # a small command does not wait
        ends[1].set()
        await tasks[1]
        await asyncio.sleep(0.05)
        assert begun == [0, 1, 2]
        ends[0].set(), ends[2].set()
        await asyncio.gather(*tasks)
        workers.close()

    asyncio.run(main())


def test_large_command_that_is_cancelled_ends_with_its_thread() -> None:
    """What the thread reads may be freed afterwards."""
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()

    async def main() -> None:
        workers = CommandThreads()
        task = asyncio.create_task(workers.run(LARGE, work))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        workers.close()

    asyncio.run(main())


def test_garbage_is_collected_while_large_commands_overlap() -> None:
    collector = Collector(seconds=0)
    with collector.spare():
        with collector.spare():
            node = Node()
            left = weakref.ref(node)
            with collector.pause():
                del node
        assert left() is None


def test_collector_skips_objects_of_large_commands() -> None:
    collector = Collector()
    with collector.spare():
        with collector.pause():
            node = Node()
            left = weakref.ref(node)
            del node
        assert left() is not None
