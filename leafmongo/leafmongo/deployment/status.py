"""What `leaf-mongo status` shows, as values and as text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from leafmongo.deployment.paths import Home
from leafmongo.indexes.catalog import COLLECTION, DATABASE


@dataclass(frozen=True)
class IndexState:
    """One index. `skipped` counts documents by the reason why a vector was not indexed.

    `message` says why the index has failed.
    """

    database: str
    collection: str
    name: str
    type: str
    status: str
    queryable: bool
    documents: int
    vectors: int
    memory_bytes: int
    skipped: Mapping[str, int]
    message: str | None = None


@dataclass(frozen=True)
class Status:
    """A deployment. Fields that only a running one has are otherwise None or empty.

    The URIs have no passwords in them.
    """

    running: bool
    home: str
    data: str
    uri: str
    tcp_uri: str | None = None
    gateway_pid: int | None = None
    mongod_pid: int | None = None
    mongod: str | None = None
    version: str | None = None
    indexes: list[IndexState] = field(default_factory=list)


def format_status(found: Status) -> str:
    state = "running" if found.running else "not running"
    lines = [f"{state} in {found.home}", f"uri      {found.uri}"]
    if found.tcp_uri:
        lines.append(f"port     {found.tcp_uri}")
    if found.running:
        lines.append(f"mongod   {found.version}, process {found.mongod_pid} ({found.mongod})")
        lines.append(f"gateway  process {found.gateway_pid}")
    elif found.mongod_pid:
        stop = Home.at(Path(found.home)).command("stop")
        lines.append(f"mongod   process {found.mongod_pid} was left over; end it with {stop}")
    for index in found.indexes:
        what = "text" if index.type == "search" else f"{index.vectors} vectors"
        lines.append(
            f"index    {index.database}.{index.collection} {index.name}: {index.status}, "
            f"{what} of {index.documents} documents"
        )
        if index.message:
            lines.append(f"         {index.message}")
        lines += [f"         skipped {n}: {reason}" for reason, n in index.skipped.items()]
    return "\n".join(map(strip_control, lines))


def strip_control(line: str) -> str:
    """Replace unprintable characters, so that an index name cannot control the terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)


def index_states(client: MongoClient[dict[str, Any]]) -> list[IndexState]:
    """All indexes of the deployment, as its gateway reports them."""
    entries = client[DATABASE][COLLECTION].list_search_indexes()
    by_name = sorted(entries, key=lambda entry: (entry["database"], entry["collection"]))
    return [_state(entry) for entry in by_name]


def _state(entry: Mapping[str, Any]) -> IndexState:
    host = entry["statusDetail"][0] if entry["statusDetail"] else {}
    main, staged = host.get("mainIndex", {}), host.get("stagedIndex", {})
    return IndexState(
        database=entry["database"],
        collection=entry["collection"],
        name=entry["name"],
        type=entry["type"],
        status=entry["status"],
        queryable=entry["queryable"],
        documents=main.get("numDocs", 0),
        vectors=main.get("numVectors", 0),
        memory_bytes=main.get("memoryBytes", 0),
        skipped={skip["reason"]: skip["count"] for skip in main.get("skipped", [])},
        message=staged.get("message") or main.get("message"),
    )
