"""The queue between two stages: it keeps order, holds little, ends, and loses nothing."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from leafsearch.ingest.pipeline.queue import Channel, Stopped


@pytest.fixture
def stop() -> Event:
    return Event()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


def test_items_come_out_in_order_and_then_the_queue_ends(stop: Event) -> None:
    channel: Channel[int] = Channel(10, stop)
    for number in range(5):
        channel.put(number)
    channel.close()

    assert list(channel) == [0, 1, 2, 3, 4]
    assert channel.get() is None
    assert channel.get() is None


def test_a_producer_does_not_run_ahead(stop: Event) -> None:
    channel: Channel[int] = Channel(3, stop)
    put: list[int] = []

    def produce() -> None:
        for number in range(10):
            channel.put(number)
            put.append(number)
        channel.close()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(produce)
        until(lambda: len(put) == 3)
        time.sleep(0.25)
        ahead = len(put)
        got = list(channel)

    assert ahead == 3
    assert got == list(range(10))


def test_at_hand_does_not_wait(stop: Event) -> None:
    channel: Channel[int] = Channel(1, stop)

    with ThreadPoolExecutor(2) as threads:
        getting = threads.submit(channel.get)
        empty = threads.submit(channel.at_hand).result(timeout=60)
        waits = not getting.done()
        channel.put(1)

    assert empty is None
    assert waits
    assert getting.result() == 1


def test_both_sides_end_when_all_is_to_stop(stop: Event) -> None:
    full: Channel[int] = Channel(1, stop)
    full.put(1)
    empty: Channel[int] = Channel(1, stop)

    with ThreadPoolExecutor(2) as threads:
        putting = threads.submit(full.put, 2)
        getting = threads.submit(empty.get)
        time.sleep(0.05)
        assert not putting.done()
        assert not getting.done()
        stop.set()
        for side in (putting, getting):
            assert isinstance(side.exception(timeout=5), Stopped)


def test_waiting_items_are_not_handed_out_after_a_stop(stop: Event) -> None:
    channel: Channel[int] = Channel(1, stop)
    channel.put(1)
    stop.set()

    with pytest.raises(Stopped):
        channel.get()


def test_nothing_is_lost_between_the_last_item_and_the_end(stop: Event) -> None:
    """Many channels, each with one producer that ends at once and several that take."""
    for _ in range(25):
        channel: Channel[int] = Channel(2, stop)

        def produce(channel: Channel[int] = channel) -> None:
            for number in range(8):
                channel.put(number)
            channel.close()

        with ThreadPoolExecutor(4) as threads:
            taking = [threads.submit(list, channel) for _ in range(3)]
            threads.submit(produce)
            got = [number for taken in taking for number in taken.result(timeout=10)]

        assert sorted(got) == list(range(8))
