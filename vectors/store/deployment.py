"""The MongoDB to use: MONGODB_URI if it is set, else a local deployment of leafmongo.

The only module that knows leafmongo, so users of Atlas need not install it.
"""

from collections.abc import Callable
from pathlib import Path

from leafsearch.config import Settings
from leafsearch.vectors.errors import DeploymentError


def deployment_uri(settings: Settings, on_status: Callable[[str], None]) -> str:
    """MONGODB_URI, or the URI of the deployment in `settings.home`, started if it is not running.

    `on_status` gets a line when this call starts the local one, or uses its folder for the first
    time. After a start its indexes are built again, and a search waits for the one that it uses.
    Raises DeploymentError where it cannot be started.
    """
    if settings.uri:
        return settings.uri
    try:
        # Not by find_spec, which finds the folder of a checkout as an empty package.
        from leafmongo import LocalDeployment, LocalError
    except ImportError as error:
        raise DeploymentError(
            "MONGODB_URI is not set, and leafmongo, which would start a local MongoDB, is not "
            "installed; set MONGODB_URI (--uri), or pip install 'leafsearch[local]'"
        ) from error
    try:
        deployment = LocalDeployment(settings.home)
        has_started = deployment.start()
        stop, uri = deployment.command("stop"), deployment.uri
    except LocalError as error:
        raise DeploymentError(str(error)) from error
    if _is_first_use(settings.home) or has_started:
        state = f"started; {stop} stops it" if has_started else "running"
        on_status(f"no MONGODB_URI: using the local MongoDB in {settings.home} ({state})")
    return uri


def _is_first_use(home: Path) -> bool:
    """Whether no command of ours has used this folder before; remembered in a file of it."""
    try:
        (home / "used-by-leafsearch").touch(exist_ok=False)
    except OSError:
        return False
    return True
