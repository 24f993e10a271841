"""What every reader yields and shows."""

from collections.abc import Iterator

from leafsearch.ingest.document import Document, Rejected

KEPT = 10_000  # characters of a rejected record

Records = Iterator[Document | Rejected]


def shown(raw: bytes) -> str:
    """A record as its reject keeps it."""
    return raw[: 4 * KEPT].decode(errors="replace").rstrip("\r\n")[:KEPT]
