"""The address of a MongoDB collection on a command line; its password is never shown."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pymongo import MongoClient

from leafsearch.config import ConfigError, Settings
from leafsearch.config.text import quote
from leafsearch.ingest.errors import SourceError
from leafsearch.vectors import DeploymentError, explain_errors
from leafsearch.vectors.store import open_client

_HERE = "mongodb:"  # a collection of the target's own deployment
_SCHEMES = ("mongodb://", "mongodb+srv://")
_EXPECTED = "expected mongodb://HOST/DATABASE.COLLECTION, or mongodb:DATABASE.COLLECTION"


@dataclass(frozen=True)
class Address:
    """`uri` is None for a collection of the target's own deployment."""

    database: str
    collection: str
    uri: str | None = field(default=None, repr=False)

    @property
    def namespace(self) -> str:
        return f"{self.database}.{self.collection}"

    @classmethod
    def of(cls, path: str) -> "Address":
        """Raises SourceError if the path names no collection."""
        is_uri = path.startswith(_SCHEMES)
        namespace = _namespace(path) if is_uri else path.removeprefix(_HERE)
        database, _, collection = namespace.partition(".")
        if not database or not collection or not path.startswith((_HERE, *_SCHEMES)):
            found = f"names {quote(namespace)}" if namespace and is_uri else "names no collection"
            raise SourceError(f"{shown(path)}: {found}; {_EXPECTED}")
        try:
            Settings(mongodb_uri=path if is_uri else None, database=database, collection=collection)
        except ConfigError as error:
            reason = error.problems[0].partition(": ")[2]
            raise SourceError(f"{shown(path)}: {reason}; {_EXPECTED}") from None
        return cls(database, collection, path if is_uri else None)

    @property
    def shown(self) -> str:
        return f"{_HERE}{self.namespace}" if self.uri is None else shown(self.uri)

    @contextmanager
    def connected(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """Only for an address with a `uri`."""
        with ExitStack() as opened:
            with self.explained():
                client = opened.enter_context(open_client(self.uri or ""))
            yield client

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the driver's errors into a DeploymentError that names the source."""
        try:
            with explain_errors():
                yield
        except DeploymentError as error:
            where = self.shown if self.uri else "MONGODB_URI (--uri)"
            explanation = str(error).replace("MONGODB_URI (--uri)", where)
            raise DeploymentError(f"source {self.namespace}: {explanation}") from error.__cause__


def is_address(path: str) -> bool:
    return path.startswith((_HERE, "mongodb+", "mongo:"))


def addresses(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if is_address(path)]


def shown(path: str) -> str:
    """The URI without user, password and options."""
    scheme, there, rest = path.partition("://")
    if not there:
        return path
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def _namespace(uri: str) -> str:
    return unquote(shown(uri).partition("://")[2].partition("/")[2])
