"""A deployment as programs use it: start, URI, status, stop."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from leafmongo.deployment import background, disk
from leafmongo.deployment.login import mask_password
from leafmongo.deployment.mongod import end_leftover, find_leftover
from leafmongo.deployment.paths import Home, default_home
from leafmongo.deployment.process import hold_lock, lock_holder
from leafmongo.deployment.status import Status, index_states
from leafmongo.errors import LocalError
from leafmongo.indexes.profiles import NEWEST, PROFILES

_START_SECONDS = 360.0  # after a crash, mongod may have a long journal to replay
_STOP_SECONDS = 120.0


class LocalDeployment:
    """A MongoDB with `$vectorSearch` in a folder; only the folder's owner can connect.

    The context manager starts the deployment, and stops it at the end unless it was running
    before. With a port it also listens on that port of 127.0.0.1 (0: any free port) and asks for
    a password. `like` names a server whose limits it has: see indexes.profiles.
    """

    def __init__(
        self, home: Path | str | None = None, *, port: int | None = None, like: str | None = None
    ) -> None:
        if like is not None and like not in PROFILES:
            raise LocalError(f"like is {like!r}; expected one of {', '.join(PROFILES)}")
        self._home = Home.at(default_home() if home is None else Path(home))
        self._wanted_port = port
        self._like = like
        self._started_here = False

    @property
    def uri(self) -> str:
        """For any driver, with the password if there is one.

        It stays the same for this folder, except that the first start with a port adds a password.
        """
        with disk.explain_os_errors(self._home.root):
            return self._home.uri

    @property
    def tcp_uri(self) -> str | None:
        """The URI of the port, with the password; None while it does not listen on one."""
        with disk.explain_os_errors(self._home.root):
            port = self._port()
            return None if port is None else self._home.port_uri(port)

    def command(self, verb: str, port: int | None = None) -> str:
        """The `leaf-mongo` command line for this deployment, in backticks."""
        return self._home.command(verb, port)

    def start(self) -> bool:
        """Start it if it is not running, and wait until it answers. True if it was started now."""
        with disk.explain_os_errors(self._home.root):
            return self._start()

    def _start(self) -> bool:
        self._home.prepare()
        with hold_lock(self._home.start_lock, seconds=_START_SECONDS):
            if lock_holder(self._home.server_lock) is not None and self._wait_until_answers():
                self._require_port()
                self._require_profile()
                return False
            like = self._like or NEWEST
            background.launch(self._home, self._wanted_port, like=like, seconds=_STOP_SECONDS)
            return True

    def stop(self) -> bool:
        """Stop it cleanly; False if it was not running."""
        with disk.explain_os_errors(self._home.root):
            return self._home.root.is_dir() and self._stop()

    def _stop(self) -> bool:
        self._home.prepare()
        with hold_lock(self._home.start_lock, seconds=_START_SECONDS):
            pid = lock_holder(self._home.server_lock)
            if pid is None:
                was_left_over = find_leftover(self._home) is not None
                end_leftover(self._home)
                return was_left_over
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            while lock_holder(self._home.server_lock) is not None:
                if time.monotonic() > deadline:
                    raise LocalError(
                        f"process {pid} has not ended after {_STOP_SECONDS:.0f} s; "
                        f"see its log {self._home.log / 'gateway.log'}"
                    )
                time.sleep(0.02)
            # Reap it if it is a child of this process.
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
            return True

    def status(self) -> Status:
        """Describe the deployment without starting anything; safe at any time."""
        with disk.explain_os_errors(self._home.root):
            return self._status()

    def _status(self) -> Status:
        home = self._home
        stopped = Status(False, str(home.root), str(home.data), mask_password(home.uri))
        pid = lock_holder(home.server_lock)
        if pid is None:
            return replace(stopped, mongod_pid=find_leftover(home))
        state = self._state()
        try:
            with self._client(seconds=5) as client:
                indexes = index_states(client)
        except PyMongoError as error:
            raise LocalError(
                f"process {pid} runs the deployment but does not answer ({type(error).__name__}); "
                f"see its log {home.log / 'gateway.log'}"
            ) from error
        return replace(
            stopped,
            running=True,
            tcp_uri=mask_password(self.tcp_uri) if self.tcp_uri else None,
            gateway_pid=pid,
            mongod_pid=state.get("mongod_pid"),
            mongod=state.get("mongod"),
            version=state.get("version"),
            indexes=indexes,
        )

    def __enter__(self) -> "LocalDeployment":
        self._started_here = self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._started_here:
            self.stop()

    def _wait_until_answers(self) -> bool:
        """Wait for a server that is starting or recovering; False if it ends."""
        deadline = time.monotonic() + _START_SECONDS
        while lock_holder(self._home.server_lock) is not None:
            try:
                with self._client(seconds=0.5) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return True
            except PyMongoError as error:
                if time.monotonic() > deadline:
                    raise LocalError(
                        f"the deployment in {self._home.root} is running but does not answer; "
                        f"see its log {self._home.log / 'gateway.log'}"
                    ) from error
            time.sleep(0.05)
        return False

    def _port(self) -> int | None:
        """The port it listens on now; None without one."""
        running = lock_holder(self._home.server_lock) is not None
        port: int | None = self._state().get("port") if running else None
        return port

    def _require_port(self) -> None:
        port, wanted = self._port(), self._wanted_port
        if wanted is None or port == wanted or (wanted == 0 and port):
            return
        state = f"on port {port}" if port else "without a port"
        raise LocalError(
            f"the deployment in {self._home.root} is running {state}; expected port "
            f"{wanted or 'any'}. Run {self.command('stop')}, then {self.command('start', wanted)}"
        )

    def _require_profile(self) -> None:
        running = self._state().get("like", NEWEST)
        if self._like not in (None, running):
            raise LocalError(
                f"the deployment in {self._home.root} is running like {running}; expected "
                f"{self._like}. Run {self.command('stop')}, then start it again"
            )

    def _client(self, *, seconds: float) -> MongoClient[dict[str, Any]]:
        return MongoClient(self.uri, serverSelectionTimeoutMS=int(seconds * 1000))

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._home.state.read_text())
        except (OSError, ValueError):
            return {}
        return state
