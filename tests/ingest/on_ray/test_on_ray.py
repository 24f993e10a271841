"""A pipeline on a real Ray of this machine alone ends as a run without it does."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import ConfigError, load
from leafsearch.ingest import (
    Choices,
    Document,
    IngestError,
    Rejects,
    Summary,
    TargetError,
    ingest,
    open_target,
)
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers import read_parquet
from leafsearch.vectors import DeploymentError, ManifestError, connect
from leafsearch.vectors.store import MANIFESTS

ray: Any = pytest.importorskip("ray", reason="needs the extra [ray]")
pa: Any = pytest.importorskip("pyarrow")
pq: Any = pytest.importorskip("pyarrow.parquet")

# It warns of what it does, and its processes take seconds to start.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

Run = Callable[..., CompletedProcess[str]]
OnRay = Callable[..., Summary]
# A process of Ray's takes seconds to start: none on suspicion, and those that wait are kept.
FEW_PROCESSES = {
    "prestart_worker_first_driver": False,
    "enable_worker_prestart": False,
    "idle_worker_killing_time_threshold_ms": 600_000,
}
INT8 = {"precision": "int8", "dimensions": 32}


@pytest.fixture(scope="session")
def local_ray(_cache: Path) -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: it holds sockets
    ray.init(
        num_cpus=4,  # as Ray counts them
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        log_to_driver=False,
        _temp_dir=folder,
        _system_config=FEW_PROCESSES,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def job(local_ray: None, mongodb_uri: str, database: Database[Any]) -> Callable[..., Any]:
    """A job on collection `on_ray`; what is no part of a job is a choice."""
    from leafsearch.ingest.on_ray import Job

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
    from leafsearch.ingest.on_ray import ingest_on_ray

    rejects = Rejects(tmp_path / "on_ray.jsonl")

    def run(records: Any, *, on_progress: Any = lambda summary: None, **options: Any) -> Summary:
        return ingest_on_ray(records, job(**options), rejects=rejects, on_progress=on_progress)

    yield run
    rejects.close()


@pytest.fixture
def plainly(job: Callable[..., Any], database: Database[Any], tmp_path: Path) -> OnRay:
    """Ingest a Parquet file without Ray, into a collection of its own."""

    def run(path: Path, *, into: str = "plain", **choices: Any) -> Summary:
        made = job(**choices)
        settings = made.settings.model_copy(update={"collection": into})
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


def dataset(rows: list[dict[str, Any]], *, blocks: int = 1) -> Any:
    """A dataset of few blocks, since each is a task of Ray's."""
    return ray.data.from_items(rows, override_num_blocks=blocks)


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
    parts = [pa.Table.from_pylist(some) for some in (rows[:160], rows[160:])]
    whole = written(tmp_path / "whole.parquet", rows)

    summary = on_ray(ray.data.from_arrow(parts), **INT8)
    expected = plainly(whole, **INT8)

    assert state(database, "on_ray") == state(database, "plain")
    assert manifest(database, "on_ray") == manifest(database, "plain")
    assert rejected(tmp_path / "on_ray.jsonl") == rejected(tmp_path / "plain.jsonl")
    kept = ("documents", "chunks", "encoded", "rejected", "tokens", "planned", "unchanged")
    assert {n: getattr(summary, n) for n in kept} == {n: getattr(expected, n) for n in kept}
    assert summary.rejected == 2
    assert summary.last_written in state(database, "on_ray")


def test_running_it_again_encodes_only_what_changed(
    on_ray: OnRay, plainly: OnRay, leaf_ingest: Run, database: Database[Any], tmp_path: Path
) -> None:
    rows = records()
    first = on_ray(dataset([*rows, rows[1]]))
    before = state(database, "on_ray")
    twice = {reason for reason, _ in rejected(tmp_path / "on_ray.jsonl") if "'d1'" in reason}
    rows[1]["text"] = "Another text."
    rows[8]["text"] = "Sentence 0 of document 8."  # was nine sentences
    rows[2]["year"] = 1

    changed = on_ray(dataset(rows))
    plainly(written(tmp_path / "corpus.parquet", rows))

    (reason,) = twice
    assert reason.startswith("id 'd1' occurs more than once")
    assert (first.rejected, changed.rejected) == (3, 2)
    after = state(database, "on_ray")
    assert after == state(database, "plain")
    vectors = {id: chunk["embedding"] for id, chunk in before.items()}
    new = [id for id, chunk in after.items() if vectors.get(id) != chunk["embedding"]]
    assert 1 <= changed.encoded == len(new) < 5
    assert (changed.updated, changed.unchanged) == (1, len(after) - len(new) - 1)
    assert changed.removed >= 1

    # It is known from where they are.
    left = tmp_path / "left.jsonl"
    left.write_text(json.dumps({"id": "d1", "text": "Another text."}))
    done = leaf_ingest(left, "--source", "corpus", "--prune", LEAF_COLLECTION="on_ray")
    assert done.returncode == 0, done.stderr
    assert list(state(database, "on_ray")) == ["d1#0"]


def test_an_unusable_corpus_creates_nothing(
    on_ray: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    summary = on_ray(dataset([{"id": "a", "body": "One."}]))

    assert (summary.documents, summary.rejected) == (0, 1)
    assert rejected(tmp_path / "on_ray.jsonl") == {
        ("field 'text' is null; expected a string", "{'id': 'a', 'body': 'One.'}")
    }
    assert "on_ray" not in database.list_collection_names()


def test_problems_are_reported_before_any_work(
    on_ray: OnRay, plainly: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    rows = [{"id": "a", "text": "One."}]
    plainly(written(tmp_path / "corpus.parquet", rows), into="on_ray")
    some = dataset(rows)
    nowhere = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"

    with pytest.raises(DeploymentError, match="does not answer"):
        on_ray(some, uri=nowhere)
    with pytest.raises(ManifestError, match="chunk_tokens"):
        on_ray(some, chunk_tokens=64)
    with pytest.raises(ConfigError, match=r"MONGODB_URI.*is not set"):
        on_ray(some, uri="")
    with pytest.raises(ConfigError, match=r"30 encoders.*Ray has 4"):
        on_ray(some, job={"encoders": 30})
    with pytest.raises(ConfigError, match=r"gpus 2.*\n?.*GPUs"):
        on_ray(some, job={"gpus": 2})


def test_an_error_in_an_actor_arrives_as_ours(
    on_ray: OnRay, plainly: OnRay, mongodb_uri: str, database: Database[Any], tmp_path: Path
) -> None:
    """Somebody removes the manifest while the pipeline reads."""
    plainly(written(tmp_path / "a.parquet", [{"id": "a", "text": "One."}]), into="on_ray")
    name = database.name

    def removing(row: dict[str, Any]) -> dict[str, Any]:
        with connect(mongodb_uri) as client:
            client[name][MANIFESTS].delete_many({})
        return row

    with pytest.raises(TargetError, match="leafsearch did not write"):
        on_ray(dataset([{"id": "b", "text": "Two."}]).map(removing))


def test_a_failed_run_is_finished_by_running_it_again(
    on_ray: OnRay, plainly: OnRay, database: Database[Any], tmp_path: Path
) -> None:
    rows = records(600)

    def failing(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == "d599":
            raise OSError("the disk is gone")
        return row

    parts = dataset(rows, blocks=3)
    with pytest.raises(IngestError, match=r"the disk is gone.*[Rr]un it again") as reported:
        on_ray(parts.map(failing))
    before = len(state(database, "on_ray"))
    summary = on_ray(parts)
    plainly(written(tmp_path / "corpus.parquet", rows))

    assert "\n" not in str(reported.value)
    assert summary.encoded == summary.chunks - before
    assert state(database, "on_ray") == state(database, "plain")


def test_several_texts_and_paths_are_read_as_from_a_file() -> None:
    from leafsearch.ingest.on_ray import Job
    from leafsearch.ingest.on_ray.stages import documents_of

    rows = [{"key": {"id": 7}, "title": "T", "doc": {"body": "B", "n": 2**64 - 1}}]
    schema = pa.schema(
        [
            ("key", pa.struct([("id", pa.int64())])),
            ("title", pa.string()),
            ("doc", pa.struct([("body", pa.string()), ("n", pa.uint64())])),
        ]
    )
    fields = Fields("key.id", ["title", "doc.body"], "title")

    job = Job(settings=load({}, preset="offline"), source="corpus", fields=fields)

    (found,) = documents_of(pa.Table.from_pylist(rows, schema), job)

    assert isinstance(found, Document)
    assert (found.id, found.text) == ("7", "T\n\nB")
    assert found.metadata == {"title": "T", "doc": {"n": "18446744073709551615"}}
