"""Servers that allow few search indexes, or skip int8 vectors under binary quantization."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment
from leafsearch.config import load
from leafsearch.doctor import Examination, Severity, examine
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.ingest.target.room import require_index_room
from leafsearch.search import NoHits, Searcher
from leafsearch.vectors import IndexLimit
from leafsearch.vectors.store import MANIFESTS, has_room, replace_manifest

pytestmark = pytest.mark.long  # each kind of server is a deployment of its own

Run = Callable[..., CompletedProcess[str]]
Like = Callable[[str], Database[Any]]
INT8_IN_BITS = ("--precision", "int8", "--quantization", "binary")
CATS = "".join(
    json.dumps({"id": f"d{n}", "text": f"cat {n} sits on mat {n * n}"}) + "\n" for n in range(30)
)


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], LocalDeployment]]:
    running: dict[str, LocalDeployment] = {}
    # A short path: those of pytest's own folders are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder:

        def server(like: str) -> LocalDeployment:
            if like not in running:
                running[like] = LocalDeployment(Path(folder) / like, like=like)
                running[like].start()
            return running[like]

        yield server
        for deployment in running.values():
            deployment.stop()


@pytest.fixture
def like(servers: Callable[[str], LocalDeployment]) -> Iterator[Like]:
    """An empty database on a server of this kind."""
    opened = []

    def database(name: str) -> Database[Any]:
        client = MongoClient[dict[str, Any]](servers(name).uri, tz_aware=True)
        opened.append(client)
        return client["leaf"]

    yield database
    for client in opened:
        for name in client.list_database_names():
            if name.startswith("leaf"):
                client.drop_database(name)
        while client["__leaf_search"]["indexes"].find_one({"database": {"$regex": "^leaf"}}):
            pass
        client.close()


@pytest.fixture
def command(run: Run, servers: Callable[[str], LocalDeployment]) -> Run:
    def ran(server: str, *args: object) -> CompletedProcess[str]:
        models = {
            "LEAF_TEACHER": "hashing:64",
            "LEAF_STUDENT": "hashing:64",
            "LEAF_STORAGE": "full",
        }
        return run(*args, MONGODB_URI=servers(server).uri, **models)

    Path("c.jsonl").write_text(CATS)
    return ran


def occupy(database: Database[Any], count: int) -> None:
    others = database.client["leaf_others"]["movies"]
    others.insert_one({"title": "Alien"})
    text = {"mappings": {"dynamic": True}}
    others.create_search_indexes([SearchIndexModel(text, f"s{n}", "search") for n in range(count)])


def names(database: Database[Any]) -> list[str]:
    return [index["name"] for index in database["chunks"].list_search_indexes()]


@pytest.mark.parametrize("words", [("--hybrid",), ("--text-analyzer", "english")], ids=" ".join)
def test_first_ingest_with_hybrid_needs_two_and_is_refused_before_anything_is_written(
    like: Like, command: Run, words: tuple[str, ...]
) -> None:
    database = like("m0")
    occupy(database, 2)

    ended = command("m0", "leaf-ingest", "c.jsonl", *words)

    assert ended.returncode == 1
    assert (
        "leaf-ingest: search indexes: no room for 'leaf_vectors', 'leaf_vectors_text': Atlas "
        "allows 3 in a free cluster (M0), of all types and collections together, and there are 2 "
        "indexes that this user can see (leaf_others.movies: s0; leaf_others.movies: s1). Drop"
    ) in ended.stderr
    assert "an index for the words (--hybrid) counts too" in ended.stderr
    assert database.list_collection_names() == []
    assert command("m0", "leaf-ingest", "c.jsonl").returncode == 0  # one still fits


def test_rebuild_is_refused_before_it_begins(like: Like, command: Run) -> None:
    database = like("m0")
    occupy(database, 1)
    assert command("m0", "leaf-ingest", "c.jsonl", "--hybrid").returncode == 0
    before = database[MANIFESTS].find_one({"_id": "chunks"})

    ended = command("m0", "leaf-ingest", "c.jsonl", "--rebuild", "--dimensions", "32")

    assert ended.returncode == 1
    assert "no room for 'leaf_vectors_2', 'leaf_vectors_2_text'" in ended.stderr
    assert "leaf.chunks: leaf_vectors; leaf.chunks: leaf_vectors_text" in ended.stderr
    assert database[MANIFESTS].find_one({"_id": "chunks"}) == before
    assert sorted(names(database)) == ["leaf_vectors", "leaf_vectors_text"]


def test_rebuild_that_fits_runs_and_what_it_leaves_is_named(like: Like, command: Run) -> None:
    database = like("m0")
    assert command("m0", "leaf-ingest", "c.jsonl").returncode == 0
    assert command("m0", "leaf-ingest", "c.jsonl", "--rebuild").returncode == 0

    ended = command("m0", "leaf-ingest", "c.jsonl", "--collection", "other", "--hybrid")
    words = command("m0", "leaf-ingest", "c.jsonl", "--hybrid")

    assert "no room for 'leaf_vectors', 'leaf_vectors_text'" in ended.stderr
    assert words.returncode == 0, words.stderr  # the third
    full = command("m0", "leaf-ingest", "c.jsonl", "--collection", "other")
    assert "no room for 'leaf_vectors'" in full.stderr
    assert len(names(database)) == 3
    assert command("m0", "leaf-ingest", "retire").returncode == 0
    assert command("m0", "leaf-ingest", "c.jsonl", "--collection", "other").returncode == 0


def test_flex_allows_ten(like: Like, command: Run) -> None:
    database = like("flex")
    occupy(database, 3)
    require_index_room(database, "chunks", hybrid=True, rebuild=False, may_try=True)
    assert database.list_collection_names() == []  # the trial leaves nothing
    occupy_more = database.client["leaf_others"]["books"]
    occupy_more.insert_one({})
    text = {"mappings": {"dynamic": True}}
    models = [SearchIndexModel(text, f"b{n}", "search") for n in range(6)]
    occupy_more.create_search_indexes(models)

    with pytest.raises(IndexLimit, match="allows 10 in a Flex cluster"):
        require_index_room(database, "chunks", hybrid=True, rebuild=False, may_try=True)
    require_index_room(database, "chunks", hybrid=False, rebuild=False, may_try=True)


def test_dry_run_tries_nothing_and_says_so(like: Like, caplog: pytest.LogCaptureFixture) -> None:
    database = like("m0")
    occupy(database, 3)

    require_index_room(database, "chunks", hybrid=False, rebuild=False, may_try=False)

    assert "4 would be too many for a free cluster of Atlas (M0)" in caplog.text
    assert database.list_collection_names() == []
    assert not has_room(database, 1)


def test_refusal_of_the_server_itself_is_explained(like: Like, tmp_path: Path) -> None:
    """As where the user sees no index of other databases, so that there seems to be room."""
    database = like("m0")
    occupy(database, 3)
    models = {"teacher": "hashing:64", "student": "hashing:64", "storage": "full"}
    target = open_target(database, load({}, **models), Choices())

    with pytest.raises(IndexLimit, match="no room for 'leaf_vectors': Atlas allows 3 in a free"):
        ingest([Document("a", "the cat sat")], target, rejects=Rejects(tmp_path / "r.jsonl"))

    assert database[MANIFESTS].find_one() is None
    assert database["chunks"].find_one() is None


def test_doctor_counts_the_indexes_of_a_small_cluster(
    like: Like, command: Run, servers: Callable[[str], LocalDeployment]
) -> None:
    database = like("m0")
    occupy(database, 1)
    assert command("m0", "leaf-ingest", "c.jsonl").returncode == 0

    order = Examination(uri=servers("m0").uri, settings=load({}))
    found = {f.check: f for f in examine(order)}

    assert found["search"].level is Severity.OK
    assert found["search"].numbers == {"search_indexes": 2}
    assert "2 indexes in all, of 3 in a free cluster (M0) or 10" in found["search"].message


def test_int8_in_bits_is_refused_where_the_server_skips_it(like: Like, command: Run) -> None:
    database = like("mongot-1.70")

    ended = command("mongot-1.70", "leaf-ingest", "c.jsonl", *INT8_IN_BITS)

    assert ended.returncode == 1
    assert "int8 with quantization binary: this server skips such vectors" in ended.stderr
    assert "Give --quantization none, or --precision float32" in ended.stderr
    assert database.list_collection_names() == []
    plain = command("mongot-1.70", "leaf-ingest", "c.jsonl", *INT8_IN_BITS[:2])
    assert plain.returncode == 0


def test_rebuild_to_int8_in_bits_is_refused_and_searches_go_on(like: Like, command: Run) -> None:
    database = like("mongot-1.70")
    assert command("mongot-1.70", "leaf-ingest", "c.jsonl").returncode == 0

    ended = command("mongot-1.70", "leaf-ingest", "c.jsonl", "--rebuild", *INT8_IN_BITS)

    assert "this server skips such vectors" in ended.stderr
    assert names(database) == ["leaf_vectors"]
    assert "cat 3" in command("mongot-1.70", "leaf-search", "cat 3 sits", "-k", "1").stdout


def test_collection_moved_to_an_older_server_is_explained(
    like: Like, command: Run, run: Run, servers: Callable[[str], LocalDeployment]
) -> None:
    new, old = like("atlas"), like("mongot-1.70")
    assert command("atlas", "leaf-ingest", "c.jsonl", *INT8_IN_BITS).returncode == 0
    with Searcher.open(servers("atlas").uri, load({})) as searcher:
        replace_manifest(old, "chunks", searcher.manifest)
        assert searcher.search("cat 3 sits on mat 9", k=1)[0].document == "d3"
    old["chunks"].insert_many(list(new["chunks"].find()))

    uri = servers("mongot-1.70").uri
    again = run("leaf-ingest", "c.jsonl", "--wait", "5", MONGODB_URI=uri)
    order = Examination(uri=uri, settings=load({}))
    found = {f.check: f for f in examine(order)}

    assert again.returncode == 1
    assert "this server seems to skip int8 vectors under quantization binary" in again.stderr
    assert "`leaf-ingest c.jsonl --rebuild --quantization none`" in again.stderr
    assert found["hits"].level is Severity.PROBLEM
    assert "skips int8 vectors under quantization binary" in found["hits"].message
    with (
        Searcher.open(uri, load({})) as searcher,
        pytest.raises(NoHits, match="this server skips int8 under quantization binary"),
    ):
        searcher.search("cat 3 sits")
