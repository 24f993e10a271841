"""A MongoDB deployment in a folder that answers `$vectorSearch`; needs no Docker, no account."""

from local.deployment import LocalDeployment
from local.errors import LocalError
from local.status import IndexState, Status

__all__ = ["IndexState", "LocalDeployment", "LocalError", "Status"]
