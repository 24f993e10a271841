"""Whose server gets LEAF_API_KEY: one that the user has named, and not whatever a manifest says.

Who may write manifests could collect the keys of all who read them, otherwise.
"""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from leafsearch.config import Settings
from leafsearch.vectors.encoders.base import is_remote
from leafsearch.vectors.errors import ModelError

Loaded = TypeVar("Loaded")


def with_key(
    settings: Settings,
    name: str,
    load: Callable[[str | None], Loaded],
    *,
    variable: str = "LEAF_STUDENT",
) -> Loaded:
    """What `load` makes of the key for the model `name`; a ModelError tells if it was held back."""
    named = {_server(model) for model in (settings.teacher, settings.student) if model}
    if settings.key is None or not is_remote(name) or _server(name) in named:
        return load(settings.key)
    try:
        return load(None)
    except ModelError as error:
        raise ModelError(
            f"{error}. LEAF_API_KEY was not sent, since the collection names this server and no "
            f"setting does: if you trust it, set {variable}={name}"
        ) from error


def _server(name: str) -> tuple[str, str]:
    parts = urlsplit(name)
    return parts.scheme, parts.netloc.lower()
