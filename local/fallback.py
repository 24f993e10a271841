"""The deployment that is used where nobody named another."""

import time
from collections.abc import Callable
from pathlib import Path

from local.deployment import LocalDeployment

_SECONDS_TO_BUILD = 60.0
_PAUSE = 0.05


def fallback_uri(home: Path, told: Callable[[str], None] = lambda line: None) -> str:
    """Of the deployment in `home`, which is started if it is not running; `told` hears it.

    After a start the indexes are built anew. That is waited for, because whoever comes here just
    wants to search; an index that takes over a minute is left to tell its state by itself.
    """
    deployment = LocalDeployment(home)
    started = deployment.start()
    state = "started; `leaf-mongo stop` stops it" if started else "running"
    told(f"no MONGODB_URI: using the local MongoDB in {home} ({state})")
    if started:
        _wait_for_indexes(deployment)
    return deployment.uri


def _wait_for_indexes(deployment: LocalDeployment) -> None:
    deadline = time.monotonic() + _SECONDS_TO_BUILD
    while time.monotonic() < deadline:
        if all(
            index.queryable or index.status == "FAILED" for index in deployment.status().indexes
        ):
            return
        time.sleep(_PAUSE)
