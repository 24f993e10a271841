"""A MongoDB deployment in a folder that answers `$vectorSearch`, without Docker or an account."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leafmongo.deployment.deployment import LocalDeployment
    from leafmongo.deployment.status import IndexState, Status
    from leafmongo.errors import LocalError

__all__ = ["IndexState", "LocalDeployment", "LocalError", "Status"]

# Imported on first access: pytest imports this package for its fixtures in every run of everybody
# who has it installed, and should not import PyMongo for that.
_MODULES = {
    "IndexState": "leafmongo.deployment.status",
    "LocalDeployment": "leafmongo.deployment.deployment",
    "LocalError": "leafmongo.errors",
    "Status": "leafmongo.deployment.status",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
