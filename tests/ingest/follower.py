"""`leaf-ingest --follow` in the background."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 90.0  # seconds; this machine may be busy
CHUNKS = ["--text-field", "body"]
IN_PLACE = [*CHUNKS, "--in-place"]


@dataclass
class Follower:
    """A running `leaf-ingest --follow` and what it has said so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    def wait_until_following(self) -> None:
        wait_for(lambda: any("; Ctrl-C ends it" in line for line in self.said) or self.has_ended)
        assert not self.has_ended, "".join(self.said)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def ended(self) -> tuple[int, str]:
        """By itself; see `end`."""
        self.process.wait(PATIENCE)
        return self.end()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Exit code and standard output."""
        if not self.has_ended:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reading.join()
        assert self.process.stdout is not None
        return code, self.process.stdout.read()


Started = Callable[..., Follower]


@contextmanager
def following(uri: str, database: str, *, source: str = "") -> Iterator[Started]:
    """Starts followers of `articles` into `uri`, and ends those that are still there.

    `source` is the URI of another deployment, which has the articles.
    """
    running: list[Follower] = []

    def start(*options: str, before: Sequence[str] = (), json: bool = True) -> Follower:
        """`before`: words of a command that starts it."""
        hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}
        named = {"MONGODB_URI": uri, "LEAF_DATABASE": database, "LEAF_STORAGE": "full"}
        printing = ["--json"] if json else []
        path = f"mongodb:{database}.articles"
        if source:
            path = source.replace("/?", f"/{database}.articles?")
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "ingest", path, "--follow", *options, *printing],
            env={**os.environ, **hashed, **named},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(Follower(process))
        return running[-1]

    try:
        yield start
    finally:
        for follower in running:
            if not follower.has_ended:
                follower.process.kill()
            follower.end()
            for pipe in (follower.process.stdout, follower.process.stderr):
                assert pipe is not None
                pipe.close()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.02)
