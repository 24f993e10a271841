"""`leaf-ingest` in the background, fed with records for as long as a test wants."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import CompletedProcess
from threading import Event, Thread
from typing import Any

from pymongo.database import Database
from pymongo.errors import AutoReconnect, OperationFailure

from leaftests.forked import Command
from mongotests.searching import wait_for

HASHED = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}
TOKENS = 6  # of each record's text
_AT_ONCE = 64


class Running:
    """A command over standard input; a thread of its own feeds it until it is reported to end."""

    def __init__(self, uri: str, database: str, *options: object, noise: int = 0) -> None:
        self._noise = noise
        names = {"MONGODB_URI": uri, "LEAF_DATABASE": database}
        self._command = Command(
            *("leaf-ingest", "-", "--json", "--wait", 60, *options),
            fed=True,
            environ={**os.environ, **HASHED, **names},
        )
        self._done: CompletedProcess[str] | None = None
        self.fed = 0
        self._enough = Event()
        self._feeding = Thread(target=self._feed, daemon=True)
        self._feeding.start()

    @property
    def errors(self) -> list[str]:
        """The lines on stderr so far."""
        return (self._done.stderr if self._done else self._command.said).splitlines()

    @property
    def has_ended(self) -> bool:
        return self._done is not None or self._command.ends_in(0)

    def interrupt(self) -> None:
        self._command.signal(signal.SIGINT)

    def ended(self, *, seconds: float = 100) -> int:
        """The exit code, of a command that still has more to read."""
        if self._done is None:
            self._done = self._command.ended(seconds=seconds)
        return self._done.returncode

    def finished(self) -> dict[str, Any]:
        """The summary when all that was fed is written."""
        self._enough.set()
        assert self.ended() == 0, self.errors
        assert self._done is not None
        summary: dict[str, Any] = json.loads(self._done.stdout)
        return summary

    def kill(self) -> None:
        if self._done is None:
            self._done = self._command.kill()
        self._enough.set()
        self._feeding.join()

    def _feed(self) -> None:
        try:
            with self._command.input.open("w") as into:
                while not self._enough.wait(0.01):
                    for _ in range(_AT_ONCE):
                        into.write(json.dumps(record(self.fed, noise=self._noise)) + "\n")
                        self.fed += 1
        except BrokenPipeError:
            pass  # it has ended


def record(number: int, *, noise: int = 0) -> dict[str, Any]:
    """With so many bytes beside the text that no compression makes less."""
    found: dict[str, Any] = {"id": f"d{number}", "text": f"Text number {number} of many."}
    if noise:
        found["noise"] = random.Random(number).randbytes(noise // 2).hex()
    return found


@contextmanager
def running(
    uri: str, database: Database[Any], *options: object, noise: int = 0
) -> Iterator[Running]:
    """It has written something before the test goes on."""
    started = Running(uri, database.name, *options, noise=noise)
    try:
        wait_for(lambda: written(database))
        yield started
    finally:
        started.kill()


def written(database: Database[Any]) -> int:
    """Asked again for a while: this client as well sees only after a moment that mongod is back."""
    for _ in range(50):
        # Code 211: members of a young set that have no keys yet for each other's cluster times.
        with suppress(AutoReconnect, OperationFailure):
            return database["chunks"].estimated_document_count()
        time.sleep(0.2)
    raise AssertionError("mongod does not answer")


def goes_on(database: Database[Any]) -> None:
    """Waits until more is written than there is now."""
    before = written(database)
    wait_for(lambda: written(database) > before)


def is_whole(database: Database[Any], fed: int) -> bool:
    """Whether each record is there, once."""
    there = {chunk["document"] for chunk in database["chunks"].find({}, {"document": 1})}
    count = database["chunks"].count_documents({})
    return count == fed and there == {f"d{number}" for number in range(fed)}
