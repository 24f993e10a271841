"""Builds indexes from their collections, beside the work of the gateway."""

import queue
import threading
import time

from leafmongo.deployment.replica import Client
from leafmongo.indexes.build import Build
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.registry import Served

_IDLE_SECONDS = 3600.0


class Builder:
    """A thread, which goes on with what is asked for or smallest, batch by batch."""

    def __init__(self, client: Client, follower: Follower) -> None:
        self._client = client
        self._follower = follower
        self._new: queue.SimpleQueue[Build | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="builder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._new.put(None)

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def build(self, served: Served) -> None:
        """In turn. The index serves what it has, if anything, until the new version is complete."""
        if (version := served.staged) is not None:
            self._new.put(Build(self._client, self._follower, served, version))

    def rebuild(self, served: Served, *, answers: bool = True) -> None:
        """As `build`, after changes were missed: what it has may be wrong."""
        served.restage(answers=answers)
        self.build(served)

    def _run(self) -> None:
        builds: list[Build] = []
        while not self._stopping:
            builds += self._arrived(builds)
            now = time.monotonic()
            for build in builds:
                if not build.needed:
                    build.close()
            builds = [build for build in builds if build.needed]
            if due := [build for build in builds if build.due <= now]:
                min(due, key=lambda build: build.rank).step()
        for build in builds:
            build.close()

    def _arrived(self, builds: list[Build]) -> list[Build]:
        """What there is to build besides; waits where there is nothing to do yet."""
        wait = min((build.due for build in builds), default=time.monotonic() + _IDLE_SECONDS)
        arrived: list[Build] = []
        try:
            new = self._new.get(timeout=max(0.0, wait - time.monotonic()))
            while new is not None:
                arrived.append(new)
                new = self._new.get_nowait()
        except queue.Empty:
            pass
        return arrived
