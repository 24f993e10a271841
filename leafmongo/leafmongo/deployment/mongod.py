"""The mongod process behind the gateway: start, wait, stop."""

import json
import os
import re
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from leafmongo.deployment import disk
from leafmongo.deployment.mongod_binary import explain_exit
from leafmongo.deployment.paths import REPLICA_SET, Home
from leafmongo.errors import LocalError

_LOG_BYTES = 16 * 2**20
_LAST_BYTES = 2**18
_DRIFT_SECONDS = 2**31 - 1
_FULL_DISK_SIGNS = ("No space left on device", "Disk quota exceeded", '"error":28,')
_OPLOG_MIB = 2048  # how far the indexes may fall behind before they have to be rebuilt


class Mongod:
    """A mongod that listens on the deployment's private socket and on no port.

    `with_login`, it admits only its users and holders of the deployment's key.
    """

    def __init__(self, home: Home, binary: Path, *, with_login: bool) -> None:
        self._home = home
        self._login = ["--keyFile", str(home.key_file)] if with_login else []
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._logged = 0  # bytes of its log before it was started

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and return at once; first end a mongod left over from a killed gateway."""
        end_leftover(self._home)
        for socket in (self._home.primary_socket, self._home.mongod_socket):
            socket.unlink(missing_ok=True)
        log = self._home.log / "mongod.log"
        _rotate(log)
        self._logged = log.stat().st_size if log.exists() else 0
        with open(self._home.log / "mongod.err", "wb") as stderr:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C in a terminal is for the gateway to handle
            )

    def _command(self) -> list[str]:
        return [
            str(self._binary),
            *("--dbpath", str(self._home.data)),
            *("--bind_ip", str(self._home.mongod_socket)),
            *self._login,
            "--nounixsocket",  # the default one in /tmp; ours is named by --bind_ip
            *("--filePermissions", "0600"),
            *("--replSet", REPLICA_SET),
            *("--oplogSize", str(_OPLOG_MIB)),
            *("--wiredTigerCacheSizeGB", str(_cache_gib())),
            *("--logpath", str(self._home.log / "mongod.log"), "--logappend"),
            *("--logRotate", "reopen", "--quiet"),
            # The only member has no other to hand over to, so it need not wait at shutdown.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # mongod's logical clock never goes back. If the machine's clock were set back by more
            # than a year, mongod would refuse every client until the clock catches up.
            *("--setParameter", f"maxAcceptableLogicalClockDriftSecs={_DRIFT_SECONDS}"),
            # Only the gateway, which has the key, may create the first user.
            *("--setParameter", "enableLocalhostAuthBypass=false"),
        ]

    def rotate_log(self) -> None:
        """Begin a new log when this one is large; one old log is kept."""
        if _rotate(self._home.log / "mongod.log") and self.pid and self.exit_status() is None:
            os.kill(self.pid, signal.SIGUSR1)  # mongod opens its log again

    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    def require_running(self) -> None:
        """Raise LocalError with the reason if it has ended."""
        if (status := self.exit_status()) is not None:
            raise LocalError(self.explain_end(status))

    def wait_for_socket(self, *, seconds: float) -> None:
        """Wait until it listens; recovery after a crash may take long."""
        deadline = time.monotonic() + seconds
        while not self._home.mongod_socket.exists():
            self.require_running()
            if time.monotonic() > deadline:
                raise LocalError(
                    f"mongod does not listen after {seconds:.0f} s; "
                    f"see its log {self._home.log / 'mongod.log'}"
                )
            time.sleep(0.01)

    def stop(self, *, seconds: float = 60) -> None:
        """Stop it cleanly: everything is on the disk when this returns."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def explain_end(self, status: int) -> str:
        """A sentence for people on why it ended with that status."""
        log = self._home.log / "mongod.log"
        logged = _since(log, self._logged)
        if disk.has_no_room(self._home.data) or any(sign in logged for sign in _FULL_DISK_SIGNS):
            return disk.explain_full_disk(self._home.data)
        stderr = (self._home.log / "mongod.err").read_text("utf-8", "replace")
        if not stderr.strip() and status > 0:
            stderr = _last_fatal(logged)
        return f"{explain_exit(self._binary, status, stderr)}; see its log {log}"


def end_leftover(home: Home) -> None:
    """End the mongod that a killed gateway left behind on this data, so that ours can start."""
    while (pid := find_leftover(home)) is not None:
        _end(pid, home)


def _end(pid: int, home: Home) -> None:
    for sign, seconds in ((signal.SIGTERM, 60.0), (signal.SIGKILL, 10.0)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        except PermissionError:
            break  # it has changed its user since it was started
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _lives(pid):
                return
            time.sleep(0.02)
    raise LocalError(f"mongod {pid} still uses {home.data} and cannot be ended. End it yourself")


def find_leftover(home: Home) -> int | None:
    """The process id of a running mongod on this data, whichever gateway started it.

    It is found by its arguments: `mongod.lock` has its id only after recovery. Every user can give
    a process such arguments, so only this user's processes count.
    """
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return next((pid for pid in pids if _serves(pid, home.data)), None)


def _serves(pid: int, data: Path) -> bool:
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has just ended
        return False
    return (b"--dbpath", os.fsencode(data)) in pairwise(arguments) and _lives(pid)


def _lives(pid: int) -> bool:
    """True also while it is ending: it then has no arguments, and its first thread may be gone, but
    it keeps its files open until its last thread is gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def _since(log: Path, start: int) -> str:
    """The last part of what it has logged since then."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - _LAST_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last_fatal(logged: str) -> str:
    """The reason that mongod itself logged last, from its JSON lines."""
    for line in reversed(logged.splitlines()):
        if re.search(r'"s":"[FE]"', line):
            try:
                entry = json.loads(line)
            except ValueError:  # the disk was full in the middle of the line
                continue
            return f"{entry.get('msg', '')} {json.dumps(entry.get('attr', {}))}"
    return ""


def _cache_gib() -> float:
    """A tenth of the memory, since a development database shares the machine with models."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return max(0.25, round(pages * size / 2**30 / 10, 2))


def _rotate(log: Path) -> bool:
    if not log.exists() or log.stat().st_size <= _LOG_BYTES:
        return False
    log.replace(log.with_suffix(".log.1"))
    return True
