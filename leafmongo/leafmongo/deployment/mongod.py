"""The mongod process behind the gateway: started, awaited, ended."""

import json
import os
import re
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from leafmongo.deployment import disk
from leafmongo.deployment.mongod_binary import why_not
from leafmongo.deployment.paths import REPLICA_SET, Home
from leafmongo.errors import LocalError

_LOG_BYTES = 16 * 2**20
_LAST_BYTES = 2**18
_DRIFT_SECONDS = 2**31 - 1
_SIGNS_OF_A_FULL_DISK = ("No space left on device", "Disk quota exceeded", '"error":28,')
_OPLOG_MIB = 2048  # how far the indexes may fall behind before they are built anew


class Mongod:
    """One mongod that listens on the deployment's private socket, and on no port.

    `asking` for a login, it lets in its users and whoever has the deployment's key.
    """

    def __init__(self, home: Home, binary: Path, *, asking: bool) -> None:
        self._home = home
        self._login = ["--keyFile", str(home.key_file)] if asking else []
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._logged = 0  # bytes of its log before it was started

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and return at once; a mongod left over from a killed gateway is ended first."""
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
            # The only member has nobody to hand over to, so waiting at the end is for nothing.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # Its own time never goes back. Were the machine's clock set back by more than a year,
            # it would refuse every client until that time comes again.
            *("--setParameter", f"maxAcceptableLogicalClockDriftSecs={_DRIFT_SECONDS}"),
            # The gateway has the key; nobody else may make the first user.
            *("--setParameter", "enableLocalhostAuthBypass=false"),
        ]

    def rotate_log(self) -> None:
        """Begin a new log if this one has become large; one old one is kept."""
        if _rotate(self._home.log / "mongod.log") and self.pid and self.ended() is None:
            os.kill(self.pid, signal.SIGUSR1)  # mongod opens its log again

    def ended(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll() if self._process else None

    def demand_running(self) -> None:
        """Raises LocalError with what it said, if it has ended."""
        if (status := self.ended()) is not None:
            raise LocalError(self.why(status))

    def wait_for_socket(self, *, seconds: float) -> None:
        """Until it listens; a long recovery after a crash may take its time."""
        deadline = time.monotonic() + seconds
        while not self._home.mongod_socket.exists():
            self.demand_running()
            if time.monotonic() > deadline:
                raise LocalError(
                    f"mongod has not listened after {seconds:.0f} s; "
                    f"its log is {self._home.log / 'mongod.log'}"
                )
            time.sleep(0.01)

    def stop(self, *, seconds: float = 60) -> None:
        """Cleanly: everything is on the disk when it returns."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def why(self, status: int) -> str:
        """It has ended with that status: a sentence for a person."""
        log = self._home.log / "mongod.log"
        said = _since(log, self._logged)
        if disk.is_full(self._home.data) or any(sign in said for sign in _SIGNS_OF_A_FULL_DISK):
            return disk.full(self._home.data)
        stderr = (self._home.log / "mongod.err").read_text("utf-8", "replace")
        if not stderr.strip() and status > 0:
            stderr = _last_fatal(said)
        return f"{why_not(self._binary, status, stderr)}; its log is {log}"


def end_leftover(home: Home) -> None:
    """End the mongod that a killed gateway left behind on this data, so that ours can have it."""
    while (pid := leftover(home)) is not None:
        _end(pid, home)


def _end(pid: int, home: Home) -> None:
    for sign, seconds in ((signal.SIGTERM, 60.0), (signal.SIGKILL, 10.0)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        except PermissionError:
            break  # one that has taken other rights since it was started
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _lives(pid):
                return
            time.sleep(0.02)
    raise LocalError(f"mongod {pid} still uses {home.data} and cannot be ended; end it yourself")


def leftover(home: Home) -> int | None:
    """The process id of a living mongod on this data, whichever gateway started it.

    By its arguments: in `mongod.lock` its number stands only when it has recovered. Anybody can
    give a process such arguments, so it has to be one of this user's.
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
    """Also while it ends: then it has no arguments any more, and its first thread may be gone,
    but it keeps its files until the last one is."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def _since(log: Path, start: int) -> str:
    """The end of what it has logged since then."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - _LAST_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last_fatal(said: str) -> str:
    """What mongod itself gave as the reason, out of its log of JSON lines."""
    for line in reversed(said.splitlines()):
        if re.search(r'"s":"[FE]"', line):
            try:
                entry = json.loads(line)
            except ValueError:  # half a line is what the disk had room for
                continue
            return f"{entry.get('msg', '')} {json.dumps(entry.get('attr', {}))}"
    return ""


def _cache_gib() -> float:
    """A tenth of the memory: a development database shares the machine with models."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return max(0.25, round(pages * size / 2**30 / 10, 2))


def _rotate(log: Path) -> bool:
    if not log.exists() or log.stat().st_size <= _LOG_BYTES:
        return False
    log.replace(log.with_suffix(".log.1"))
    return True
