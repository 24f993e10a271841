"""A deployment as programs use it: start, address, state, stop."""

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
from leafmongo.deployment.locks import holder, turn
from leafmongo.deployment.mongod import end_leftover, leftover
from leafmongo.deployment.paths import Home, default_home
from leafmongo.deployment.status import Status, index_states
from leafmongo.errors import LocalError
from leafmongo.gateway.login import masked

_START_SECONDS = 360.0  # after a crash, mongod may have a long journal to replay
_STOP_SECONDS = 120.0


class LocalDeployment:
    """A MongoDB with `$vectorSearch` in a folder; only its owner can connect.

    As a context manager it starts the deployment, and stops it at the end if it was not
    running before. With a port it listens on that one of 127.0.0.1 too (0: any that is free),
    and asks for a password.
    """

    def __init__(self, home: Path | str | None = None, *, port: int | None = None) -> None:
        self._home = Home.at(default_home() if home is None else Path(home))
        self._wanted_port = port
        self._started_here = False

    @property
    def uri(self) -> str:
        """For any driver, with the password if there is one. The same at every start of this
        folder, but that the password comes into it at the first start with a port."""
        with disk.explained(self._home.root):
            return self._home.uri

    @property
    def tcp_uri(self) -> str | None:
        """With the password; None while it does not listen on a port."""
        with disk.explained(self._home.root):
            port = self._port()
            return None if port is None else self._home.port_uri(port)

    def command(self, verb: str, port: int | None = None) -> str:
        """The command line that does this to it, in backticks."""
        return self._home.command(verb, port)

    def start(self) -> bool:
        """Return when it answers: True if it was started now, False if it was running."""
        with disk.explained(self._home.root):
            return self._start()

    def _start(self) -> bool:
        self._home.prepare()
        with turn(self._home.start_lock, seconds=_START_SECONDS):
            if holder(self._home.server_lock) is not None and self._comes_to_answer():
                self._demand_port()
                return False
            background.launch(self._home, self._wanted_port, seconds=_STOP_SECONDS)
            return True

    def stop(self) -> bool:
        """End it cleanly; False when it was not running."""
        with disk.explained(self._home.root):
            return self._home.root.is_dir() and self._stop()

    def _stop(self) -> bool:
        self._home.prepare()
        with turn(self._home.start_lock, seconds=_START_SECONDS):
            pid = holder(self._home.server_lock)
            if pid is None:
                forgotten = leftover(self._home) is not None
                end_leftover(self._home)
                return forgotten
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            while holder(self._home.server_lock) is not None:
                if time.monotonic() > deadline:
                    raise LocalError(
                        f"process {pid} has not ended after {_STOP_SECONDS:.0f} s; "
                        f"its log is {self._home.log / 'gateway.log'}"
                    )
                time.sleep(0.02)
            # If this process started it, it is its child, and to be seen off.
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
            return True

    def status(self) -> Status:
        """Safe to ask at any time; starts nothing."""
        with disk.explained(self._home.root):
            return self._status()

    def _status(self) -> Status:
        home = self._home
        stopped = Status(False, str(home.root), str(home.data), masked(home.uri))
        pid = holder(home.server_lock)
        if pid is None:
            return replace(stopped, mongod_pid=leftover(home))
        state = self._state()
        try:
            with self._client(seconds=5) as client:
                indexes = index_states(client)
        except PyMongoError as error:
            raise LocalError(
                f"process {pid} runs the deployment but does not answer ({type(error).__name__}); "
                f"its log is {home.log / 'gateway.log'}"
            ) from error
        return replace(
            stopped,
            running=True,
            tcp_uri=masked(self.tcp_uri) if self.tcp_uri else None,
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

    def _comes_to_answer(self) -> bool:
        """It may have been started a moment ago by `run`, or be recovering; False if it ends."""
        deadline = time.monotonic() + _START_SECONDS
        while holder(self._home.server_lock) is not None:
            try:
                with self._client(seconds=0.5) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return True
            except PyMongoError as error:
                if time.monotonic() > deadline:
                    raise LocalError(
                        f"the deployment in {self._home.root} is running but does not answer; "
                        f"its log is {self._home.log / 'gateway.log'}"
                    ) from error
            time.sleep(0.05)
        return False

    def _port(self) -> int | None:
        """Where it listens now."""
        running = holder(self._home.server_lock) is not None
        port: int | None = self._state().get("port") if running else None
        return port

    def _demand_port(self) -> None:
        port, wanted = self._port(), self._wanted_port
        if wanted is None or port == wanted or (wanted == 0 and port):
            return
        now = f"on port {port}" if port else "without a port"
        raise LocalError(
            f"the deployment in {self._home.root} is running {now}, not on port "
            f"{wanted or 'any'}; {self.command('stop')}, then {self.command('start', wanted)}"
        )

    def _client(self, *, seconds: float) -> MongoClient[dict[str, Any]]:
        return MongoClient(self.uri, serverSelectionTimeoutMS=int(seconds * 1000))

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._home.state.read_text())
        except (OSError, ValueError):
            return {}
        return state
