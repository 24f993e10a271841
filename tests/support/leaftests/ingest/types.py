"""Types of the fixtures in tests/ingest/conftest.py."""

from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

from leafsearch.ingest import (
    Fields,
    Summary,
)
from leafsearch.ingest.sources.mongodb.sync import SourceSync

Ingest = Callable[..., Summary]


Run = Callable[..., CompletedProcess[str]]


Keep = Callable[..., SourceSync]


Ordered = Callable[..., dict[str, Any]]
BODY = Fields("_id", "body", "title")
