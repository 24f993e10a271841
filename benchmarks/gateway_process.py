"""The processes of a deployment under measurement: memory, termination, restart."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gateway_corpora import Corpus, searching, wait_until_queryable
from pymongo import MongoClient

from leafmongo import LocalDeployment


def resident_bytes(deployment: LocalDeployment) -> int:
    """Memory of the gateway's process, which holds the indexes; mongod does not count."""
    status = Path(f"/proc/{deployment.status().gateway_pid}/status").read_text()
    (line,) = [each for each in status.splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def cpu_seconds(deployment: LocalDeployment) -> float:
    """Spent by the gateway so far, on all cores: what other work on the machine hardly changes."""
    fields = Path(f"/proc/{deployment.status().gateway_pid}/stat").read_text().rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def processes(deployment: LocalDeployment) -> list[int]:
    """The processes of a search: this one, the gateway and mongod."""
    status = deployment.status()
    return [os.getpid(), *filter(None, (status.gateway_pid, status.mongod_pid))]


def killed(deployment: LocalDeployment) -> None:
    """Gateway and mongod at once, as a power cut would."""
    status = deployment.status()
    for pid in (status.gateway_pid, status.mongod_pid):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            _wait_for_end(pid)


def _wait_for_end(pid: int) -> None:
    with suppress(ChildProcessError):  # mongod is the gateway's child, not ours
        os.waitpid(pid, 0)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)


def ready_after_start(
    deployment: LocalDeployment, corpus: Corpus, *, stop: Callable[[], Any]
) -> float:
    """Seconds from the start to the hits of a search, which waits for its index."""
    stop()
    start = time.monotonic()
    deployment.start()
    with MongoClient[dict[str, Any]](deployment.uri) as client:
        wait_until_queryable(client["bench"]["corpus"], seconds=300)
        searching(client, corpus)()
    return time.monotonic() - start
