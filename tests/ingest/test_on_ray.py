"""A pipeline on a real Ray of this machine alone ends as a run without it does."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from config import ConfigError, load
from ingest import (
    Choices,
    IngestError,
    Rejects,
    Summary,
    TargetError,
    ingest,
    open_target,
)
from ingest.corpus.readers import read_parquet
from ingest.corpus.records import Fields
from vectors import DeploymentError, ManifestError, connect
from vectors.manifest import MANIFESTS

ray: Any = pytest.importorskip("ray", reason="needs the extra [ray]")
pa: Any = pytest.importorskip("pyarrow")
pq: Any = pytest.importorskip("pyarrow.parquet")

# Of Ray itself, which warns of what it does.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

Run = Callable[..., CompletedProcess[str]]
OnRay = Callable[..., Summary]
INT8 = {"precision": "int8", "dimensions": 32}


@pytest.fixture(scope="session")
def local_ray(_cache: Path) -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: it holds sockets
    ray.init(
        num_cpus=8,  # as Ray counts them
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        log_to_driver=False,
        _temp_dir=folder,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def job(local_ray: None, mongodb_uri: str, database: Database[Any]) -> Callable[..., Any]:
    """A job on collection `on_ray`; what is no part of a job is a choice."""
    from ingest.on_ray import Job

    def made(
        *, uri: str = mongodb_uri, model: str = "hashing:64", job: Any = None, **choices: Any
    ) -> Any:
        settings = load(
            {},
            mongodb_uri=uri,
            database=database.name,
            collection="on_ray",
            teacher=model,
            student=model,
            storage="full",
        )
        wanted = Choices(**{"chunk_tokens": 32, **choices})
        return Job(settings=settings, choices=wanted, source="corpus", **(job or {}))

    return made


@pytest.fixture
def on_ray(job: Callable[..., Any], tmp_path: Path) -> Iterator[OnRay]:
    from ingest.on_ray import ingest_on_ray

    rejects = Rejects(tmp_path / "on_ray.jsonl")

    def run(records: Any, *, told: Any = lambda summary: None, **options: Any) -> Summary:
        return ingest_on_ray(records, job(**options), rejects=rejects, told=told)

    yield run
    rejects.close()


@pytest.fixture
def plainly(job: Callable[..., Any], database: Database[Any], tmp_path: Path) -> OnRay:
    """The same without Ray, of a Parquet file, into collection `plain`."""

    def run(path: Path, **choices: Any) -> Summary:
        made = job(**choices)
        settings = made.settings.model_copy(update={"collection": "plain"})
        target = open_target(database, settings, made.choices)
        rejects = Rejects(tmp_path / "plain.jsonl")
        with path.open("rb") as stream:
            found = read_parquet(stream, "corpus", Fields(), "corpus")
            summary = ingest(found, target, rejects=rejects)
        target.ensure_index()
        rejects.close()
        return summary

    return run


def records(count: int = 40) -> list[dict[str, Any]]:
    """Every seventh without an id; one without a text and one with an empty one."""
    found: list[dict[str, Any]] = [
        {
            "id": None if n % 7 == 0 else f"d{n}",
            "title": f"Title {n}" if n % 2 else None,
            "text": " ".join(f"Sentence {i} of document {n}." for i in range(1 + n % 9)),
            "year": 1990 + n,
            "score": n / 8,
            "day": date(2024, 5, 1 + n % 28),
            "at": datetime(2024, 5, 1, 12, n % 60, 0, 5000),
            "tags": [f"t{n % 3}", "all"],
            "about": {"by": f"a{n}", "parts": n},
        }
        for n in range(count)
    ]
    return [*found, {"id": "none", "year": 1}, {"id": "empty", "text": " ", "year": 2}]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
    return path


def state(database: Database[Any], name: str) -> dict[str, Any]:
    return {chunk["_id"]: chunk for chunk in database[name].find()}


def manifest(database: Database[Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = database[MANIFESTS].find_one({"_id": name}) or {}
    return {**found, "_id": None}


def rejected(path: Path) -> set[tuple[str, str]]:
    entries = map(json.loads, path.read_text().splitlines())
    return {(entry["reason"], entry["record"]) for entry in entries}


def test_the_end_is_that_of_a_run_without_ray(
    on_ray: OnRay, plainly: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    rows = records(300)
    (tmp_path / "parts").mkdir()
    for n in range(4):
        written(tmp_path / "parts" / f"{n}.parquet", rows[80 * n : 80 * n + 80])
    whole = written(tmp_path / "whole.parquet", rows)

    summary = on_ray(ray.data.read_parquet(str(tmp_path / "parts")), **INT8)
    expected = plainly(whole, **INT8)

    assert state(database, "on_ray") == state(database, "plain")
    assert manifest(database, "on_ray") == manifest(database, "plain")
    assert rejected(tmp_path / "on_ray.jsonl") == rejected(tmp_path / "plain.jsonl")
    kept = ("documents", "chunks", "encoded", "rejected", "tokens", "planned", "unchanged")
    assert {n: getattr(summary, n) for n in kept} == {n: getattr(expected, n) for n in kept}
    assert summary.rejected == 2
    assert summary.last_written in state(database, "on_ray")


def test_running_it_again_encodes_only_what_changed(
    on_ray: OnRay, plainly: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    rows = records()
    first = on_ray(ray.data.from_items(rows))
    again = on_ray(ray.data.from_items(rows))
    rows[1]["text"] = "Another text."
    rows[8]["text"] = "Sentence 0 of document 8."  # was nine sentences
    rows[2]["year"] = 1

    changed = on_ray(ray.data.from_items(rows))
    plainly(written(tmp_path / "corpus.parquet", rows))

    assert (again.encoded, again.unchanged, again.documents) == (0, first.chunks, first.documents)
    assert 1 <= changed.encoded < 5
    assert changed.updated == 1
    assert changed.removed >= 1
    assert state(database, "on_ray") == state(database, "plain")


def test_an_id_that_stands_twice_is_told(on_ray: OnRay, tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "One."}, {"id": "b", "text": "Two."}, {"id": "a", "text": "Three."}]

    summary = on_ray(ray.data.from_items(rows))

    ((reason, _),) = rejected(tmp_path / "on_ray.jsonl")
    assert reason.startswith("id 'a' stands more than once")
    assert summary.rejected == 1


def test_a_corpus_of_nothing_usable_makes_nothing(
    on_ray: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    summary = on_ray(ray.data.from_items([{"id": "a", "body": "One."}]))

    assert (summary.documents, summary.rejected) == (0, 1)
    assert rejected(tmp_path / "on_ray.jsonl") == {
        ("field 'text' is null; expected a string", "{'id': 'a', 'body': 'One.'}")
    }
    assert "on_ray" not in database.list_collection_names()


def test_prune_knows_the_source(
    on_ray: OnRay, leaf_ingest: Run, database: Database[Any], tmp_path: Path
) -> None:
    on_ray(ray.data.from_items([{"id": n, "text": f"Text {n}."} for n in "abc"]))
    left = tmp_path / "left.jsonl"
    left.write_text('{"id": "a", "text": "Text a."}\n')

    done = leaf_ingest(left, "--source", "corpus", "--prune", LEAF_COLLECTION="on_ray")

    assert done.returncode == 0, done.stderr
    assert list(state(database, "on_ray")) == ["a#0"]


def test_what_stands_against_it_is_told_before_any_work(
    on_ray: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    some = ray.data.from_items([{"id": "a", "text": "One."}])
    nowhere = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"
    on_ray(some)

    with pytest.raises(DeploymentError, match="does not answer"):
        on_ray(some, uri=nowhere)
    with pytest.raises(ManifestError, match="chunk_tokens"):
        on_ray(some, chunk_tokens=64)
    with pytest.raises(ConfigError, match=r"MONGODB_URI.*is not set"):
        on_ray(some, uri="")
    with pytest.raises(ConfigError, match=r"30 encoders.*Ray has 8"):
        on_ray(some, job={"encoders": 30})
    with pytest.raises(ConfigError, match=r"gpus 2.*\n?.*GPUs"):
        on_ray(some, job={"gpus": 2})


def test_an_error_in_an_actor_arrives_as_ours(
    on_ray: OnRay, mongodb_uri: str, database: Database[Any]
) -> None:
    """Somebody removes the manifest while the pipeline reads."""
    on_ray(ray.data.from_items([{"id": "a", "text": "One."}]))
    name = database.name

    def removing(row: dict[str, Any]) -> dict[str, Any]:
        with connect(mongodb_uri) as client:
            client[name][MANIFESTS].delete_many({})
        return row

    with pytest.raises(TargetError, match="leafsearch did not write"):
        on_ray(ray.data.from_items([{"id": "b", "text": "Two."}]).map(removing))


def test_a_failed_run_is_finished_by_running_it_again(
    on_ray: OnRay, plainly: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    rows = records(600)

    def failing(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == "d599":
            raise OSError("the disk is gone")
        return row

    parts = ray.data.from_items(rows, override_num_blocks=3)
    with pytest.raises(IngestError, match=r"the disk is gone.*running it again") as told:
        on_ray(parts.map(failing))
    before = len(state(database, "on_ray"))
    summary = on_ray(parts)
    plainly(written(tmp_path / "corpus.parquet", rows))

    assert "\n" not in str(told.value)
    assert summary.encoded == summary.chunks - before
    assert state(database, "on_ray") == state(database, "plain")


def actors(stage: str) -> list[int]:
    """Process ids of the actors of a stage, of the Ray that these tests started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_text()
            if title.startswith("ray::") and f"({stage})" in title:
                raylet = parent(int(process.name))
                found += [int(process.name)] if parent(raylet) == os.getpid() else []
        except OSError:
            continue  # it has ended
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
