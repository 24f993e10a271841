import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.mongod_binary import find_mongod
from leafsearch.config import load
from leafsearch.ingest import (
    Choices,
    Document,
    Fields,
    Rejected,
    Rejects,
    Summary,
    Target,
    ingest,
    open_target,
)
from leafsearch.ingest.cli.index_options import InPlaceChoice
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.pipeline.extent import ALL
from leafsearch.ingest.pipeline.stats import OnProgress
from leafsearch.ingest.runs.run import run as run_order
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.ingest.sources.mongodb.order import MongoOrder
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leaftests.ingest.types import BODY, Ingest, Keep, Ordered, Run


@pytest.fixture
def leaf_ingest(run: Run, mongodb_uri: str, database: Database[Any]) -> Run:
    """The command on the test's database with hashed vectors."""

    def ingest(*args: object, **options: str) -> CompletedProcess[str]:
        hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}
        environ = {"LEAF_DATABASE": database.name, "LEAF_STORAGE": "full", **hashed, **options}
        return run("leaf-ingest", *args, **{"MONGODB_URI": mongodb_uri, **environ})

    return ingest


@pytest.fixture
def target(database: Database[Any]) -> Callable[..., Target]:
    """Opens a target for hashed vectors; options as for Choices, `storage` as in the settings."""

    def opened(storage: str | None = "full", **choices: Any) -> Target:
        settings = load(
            {}, teacher="hashing:64", student="hashing:64", storage=storage, collection="c"
        )
        return open_target(database, settings, Choices(**{"chunk_tokens": 32, **choices}))

    return opened


@pytest.fixture
def write(target: Callable[..., Target], tmp_path: Path) -> Iterator[Ingest]:
    """Ingests documents as a run of its own."""
    rejects = Rejects(tmp_path / "rejects.jsonl")

    def run(records: Iterable[Document | Rejected], **choices: Any) -> Summary:
        with closing(target(**choices)) as opened:
            summary = ingest(records, opened, rejects=rejects)
            opened.ensure_index()
        return summary

    yield run
    rejects.close()


@pytest.fixture
def ordered(database: Database[Any], capsys: pytest.CaptureFixture[str]) -> Ordered:
    """What the command prints as JSON, run in this process on collection `c`."""

    def ran(
        *paths: str,
        fields: Fields = Fields(),  # noqa: B008
        storage: str | None = "full",
        models: str = "hashing:64",
        choices: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        settings = load({}, teacher=models, student=models, storage=storage, collection="c")
        order = IngestRequest(
            paths=list(paths),
            fields=fields,
            format=None,
            choices=Choices(**{"chunk_tokens": 32, **(choices or {})}),
            rejects=Path("rejects.jsonl"),
            mongodb=MongoOrder(filter=options.pop("filter", None)),
            **{"wait": 0, **options},
        )
        capsys.readouterr()
        run_order(order, settings, database, as_json=True)
        out, err = capsys.readouterr()
        sys.stderr.write(err)  # for tests that look at what was printed
        printed: dict[str, Any] = json.loads(out)
        return printed

    return ran


@pytest.fixture
def keep(database: Database[Any], tmp_path: Path) -> Iterator[Keep]:
    """Brings the vectors of `articles` in line, in place or in collection `c`, as a run does."""
    rejects = Rejects(tmp_path / "rejects.jsonl")

    def opened(
        *,
        in_place: bool,
        fields: Fields = BODY,
        query: dict[str, Any] | None = None,
        on_progress: OnProgress = lambda summary: None,
        in_place_path: str | None = None,
        **choices: Any,
    ) -> SourceSync:
        name = "articles" if in_place else "c"
        settings = load(
            {}, teacher="hashing:64", student="hashing:64", storage="full", collection=name
        )
        where = InPlaceChoice(
            path=in_place_path,
            text_field=fields.texts[0],
            more_text_fields=fields.texts[1:],
            title_field=fields.title,
        )
        wanted = {"chunk_tokens": 32, "in_place": where if in_place else None, **choices}
        target = open_target(database, settings, Choices(**wanted))
        source = MongoSource(database.client, Address(database.name, "articles"), fields, query)
        source.begin(target.manifest)
        keeper = SourceSync(source, target, rejects, on_progress, Stop(), ALL)
        keeper.whole()
        target.ensure_index()
        return keeper

    yield opened
    rejects.close()


@pytest.fixture(scope="session")
def covers() -> Callable[[str, list[str]], bool]:
    """Whether the passages, in order and overlapping, hold all of the text but its blanks."""

    def squeezed(text: str) -> str:
        return re.sub(r"\s+", "", text)

    def covers(text: str, passages: list[str]) -> bool:
        whole, done = squeezed(text), 0
        for passage in map(squeezed, passages):
            at = whole.rfind(passage, 0, done + len(passage))
            if at < 0 or at > done:
                return False
            done = max(done, at + len(passage))
        return done == len(whole)

    return covers


@pytest.fixture(scope="module")
def deployment() -> Iterator[LocalDeployment]:
    """A deployment for these tests alone, since they stop and kill it."""
    try:
        find_mongod()
    except LocalError as error:
        pytest.skip(f"needs a mongod: {error}")
    folder = Path(tempfile.mkdtemp(prefix="leaf-", dir="/tmp"))
    with LocalDeployment(folder / "home") as deployment:
        yield deployment
    shutil.rmtree(folder)
