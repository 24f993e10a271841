"""The deployment that is used where nobody named another."""

from collections.abc import Callable
from pathlib import Path

from leafsearch.local.deployment import LocalDeployment


def fallback_uri(home: Path, told: Callable[[str], None] = lambda line: None) -> str:
    """Of the deployment in `home`, which is started if it is not running; `told` hears it.

    After a start the indexes are built anew; a search waits for the one that it asks.
    """
    deployment = LocalDeployment(home)
    started = deployment.start()
    state = f"started; {deployment.command('stop')} stops it" if started else "running"
    told(f"no MONGODB_URI: using the local MongoDB in {home} ({state})")
    return deployment.uri
