"""`leaf-ingest --follow` in the background."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess
from typing import Any

from leaftests.forked import Command

PATIENCE = 90.0  # seconds; this machine may be busy
CHUNKS = ["--text-field", "body"]
IN_PLACE = [*CHUNKS, "--in-place"]


class Follower:
    """A running `leaf-ingest --follow` and what it has said so far."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._done: CompletedProcess[str] | None = None

    @property
    def said(self) -> list[str]:
        reported = self._done.stderr if self._done else self._command.said
        return reported.splitlines(keepends=True)

    def wait_until_following(self) -> None:
        wait_for(lambda: any("; Ctrl-C ends it" in line for line in self.said) or self.has_ended)
        assert not self.has_ended, "".join(self.said)

    @property
    def has_ended(self) -> bool:
        return self._done is not None or self._command.ends_in(0)

    def ended(self) -> tuple[int, str]:
        """By itself, with exit code and standard output; see `end`."""
        if self._done is None:
            self._done = self._command.ended(seconds=PATIENCE)
        return self._done.returncode, self._done.stdout

    def send(self, number: int) -> None:
        if self._done is None:
            self._command.signal(number)

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.send(number)
        return self.ended()

    def kill(self) -> None:
        if self._done is None:
            self._done = self._command.kill()


Started = Callable[..., Follower]


@contextmanager
def following(uri: str, database: str, *, source: str = "") -> Iterator[Started]:
    """Starts followers of `articles` into `uri`, and ends those that are still there.

    `source` is the URI of another deployment, which has the articles.
    """
    running: list[Follower] = []

    def start(*options: str, json: bool = True, background: bool = False) -> Follower:
        hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}
        named = {"MONGODB_URI": uri, "LEAF_DATABASE": database, "LEAF_STORAGE": "full"}
        path = f"mongodb:{database}.articles"
        if source:
            path = source.replace("/?", f"/{database}.articles?")
        words = ["leaf-ingest", path, "--follow", *options, *(["--json"] if json else [])]
        environ = {**os.environ, **hashed, **named}
        running.append(Follower(Command(*words, environ=environ, background=background)))
        return running[-1]

    try:
        yield start
    finally:
        for follower in running:
            follower.kill()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.02)
