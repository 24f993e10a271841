"""What goes wrong around the commands on purpose: deaths, cut lines, a full disk."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from leafmongo import LocalDeployment, LocalError
from leaftests.endure.model import Ledger
from leaftests.ingest.relay import Relay

_DISK = 2_500 * 2**20  # bytes, of which mongod's log of changes takes up to a third


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of its own, that can be filled; None where none may be mounted."""
    disk, image = folder / "disk", folder / "image"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(_DISK)
    makers = (
        [["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(disk)]],
        [["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(disk)]],
    )
    if not any(all(map(_works, commands)) for commands in makers):
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _works(command: list[str]) -> bool:
    try:
        return not subprocess.run(command, capture_output=True, check=False).returncode
    except OSError:
        return False


class Faults(threading.Thread):
    """Made at random moments until it is closed; a broken deployment is started again."""

    def __init__(
        self,
        deployment: LocalDeployment,
        relay: Relay,
        disk: Path | None,
        ledger: Ledger,
        chance: Random,
        pause: float,
    ) -> None:
        super().__init__(daemon=True)
        self._deployment = deployment
        self._relay = relay
        self._disk = disk
        self._tally = ledger
        self._chance = chance
        self._pause = pause  # seconds between two, on average
        self._ends = threading.Event()
        self.error = ""

    def run(self) -> None:
        kinds = [self._cut] * 6 + [self._kill_mongod] * 3 + [self._kill_gateway] * 2
        if self._disk is not None:
            kinds.append(self._fill)
        while not self._ends.wait(self._chance.uniform(0, 2 * self._pause)):
            try:
                self._chance.choice(kinds)()
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}"
                return

    def close(self) -> None:
        self._ends.set()
        self.join()

    def _cut(self) -> None:
        self._tally.add(self._tally.faults, "connections cut", self._relay.cut())

    def _kill_mongod(self) -> None:
        self._kill("mongod", self._deployment.status().mongod_pid)

    def _kill_gateway(self) -> None:
        self._kill("gateway", self._deployment.status().gateway_pid)

    def _kill(self, what: str, pid: int | None) -> None:
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._tally.add(self._tally.faults, f"{what} killed")
        time.sleep(self._chance.uniform(0.1, 1))
        self._start()

    def _fill(self) -> None:
        """Until nothing more fits; after a while there is room again."""
        assert self._disk is not None
        filler = self._disk / "filler"
        with suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(2**20))
                file.flush()
        self._tally.add(self._tally.faults, "disk filled")
        time.sleep(self._chance.uniform(1, 6))
        filler.unlink()
        self._start()

    def _start(self) -> None:
        """After many deaths it gives up, so it is asked more than once."""
        for _ in range(20):
            try:
                self._deployment.start()
                return
            except (LocalError, OSError):
                time.sleep(1)
        self._deployment.start()


def room(disk: Path | None) -> int:
    return shutil.disk_usage(disk).free if disk else 2**62
