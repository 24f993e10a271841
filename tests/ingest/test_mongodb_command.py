"""`leaf-ingest` with a MongoDB collection as its PATH."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.vectors.store import read_manifest
from leaftests.ingest.types import Run

PASSWORD = "s3cret-word"


@pytest.fixture
def path(database: Database[Any]) -> str:
    database["articles"].insert_many(
        [{"_id": i, "body": f"text number {i}", "year": 2000 + i} for i in range(5)]
    )
    return f"mongodb:{database.name}.articles"


def with_namespace(uri: str, namespace: str) -> str:
    return uri.replace("/?", f"/{namespace}?") if "/?" in uri else f"{uri.rstrip('/')}/{namespace}"


def lines(ended: CompletedProcess[str]) -> list[str]:
    return ended.stderr.splitlines()


def test_chunks_come_into_another_collection(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    ended = leaf_ingest(path, "--text-field", "body", "--filter-field", "metadata.year")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "5 documents in 5 chunks: 5 encoded" in ended.stdout
    assert f"{database.name}.chunks holds 5 chunks" in ended.stdout
    assert (database["chunks"].find_one({"document": "3"}) or {})["metadata"] == {"year": 2003}


def test_vectors_in_place_need_no_options_in_later_runs(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    first = leaf_ingest(path, "--text-field", "body", "--in-place", "--filter-field", "year")
    again = leaf_ingest(path, "--in-place", "--json")

    assert (first.returncode, first.stderr) == (0, "")
    assert (
        f"{database.name}.articles holds 5 documents, with vectors in place as 64 x float32"
        in first.stdout
    )
    assert json.loads(again.stdout)["unchanged"] == 5
    assert json.loads(again.stdout)["collection"] == f"{database.name}.articles"
    manifest = read_manifest(database, "articles")
    assert (manifest.layout, manifest.text_field, manifest.filters) == (
        "in_place",
        "body",
        ("year",),
    )


def test_a_uri_names_the_deployment_that_is_written_to_unless_another_is_given(
    leaf_ingest: Run, database: Database[Any], path: str, mongodb_uri: str
) -> None:
    uri = with_namespace(mongodb_uri, f"{database.name}.articles")

    ended = leaf_ingest(uri, "--text-field", "body", MONGODB_URI="")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert database["chunks"].count_documents({}) == 5


def test_long_texts_in_place_are_reported_with_what_to_do(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    database["articles"].insert_one({"_id": "long", "body": "one sentence of words. " * 300})

    ended = leaf_ingest(path, "--text-field", "body", "--in-place")

    assert ended.returncode == 0
    assert "1 texts are longer than one chunk and get the mean" in ended.stderr


def test_rejects_are_reported_and_end_with_3(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    database["articles"].insert_one({"_id": "none", "year": 1})

    ended = leaf_ingest(path, "--text-field", "body", "--in-place")

    assert ended.returncode == 3
    (entry,) = map(json.loads, Path("leaf-ingest.rejects.jsonl").read_text().splitlines())
    assert entry["source"] == f"{database.name}.articles _id 'none'"


def test_a_collection_whose_documents_have_no_such_field_is_an_error(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    ended = leaf_ingest(path, "--text-field", "bdy", "--in-place")

    assert ended.returncode == 1
    assert f"all 5 documents of {database.name}.articles were rejected" in ended.stderr
    assert "leaf_manifests" not in database.list_collection_names()


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (["--path", "v"], "--path v: only for --in-place"),
        (["--in-place", "--path", "a.b"], "--path 'a.b': expected a name without dots and $"),
        (["--in-place", "--path", "body"], "--path body: is taken"),
        (["--in-place", "--path", "leaf"], "--path leaf: is taken"),
        (
            ["--id-field", "key"],
            "--id-field key: documents of a collection are identified by their _id",
        ),
        (["--format", "jsonl"], "--format jsonl: a MongoDB collection has no format"),
        (["--filter-source", "{"], "--filter-source {: not Extended JSON"),
        (["--filter-source", "[]"], "--filter-source []: expected a JSON object"),
        (["more.jsonl"], "a MongoDB collection cannot be combined with other PATHs"),
        (["--in-place", "--collection", "other"], "--collection: --in-place writes into"),
        (["--in-place", "--database", "other"], "--database: --in-place writes into"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_reported_before_anything_is_started(
    leaf_ingest: Run, path: str, options: list[str], reported: str
) -> None:
    ended = leaf_ingest(path, "--text-field", "body", *options)

    assert ended.returncode == 2
    assert len(lines(ended)) == 1
    assert reported in ended.stderr


def test_the_options_of_a_collection_are_not_for_files(leaf_ingest: Run) -> None:
    Path("a.jsonl").write_text('{"text": "x"}\n')

    ended = leaf_ingest("a.jsonl", "--in-place", "--follow", "--filter-source", "{}")

    assert ended.returncode == 2
    assert [line.split(": ")[1] for line in lines(ended)] == [
        "--in-place",
        "--follow",
        "--filter-source",
    ]


def test_a_collection_that_is_not_there_is_one_line(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    for options in ([], ["--in-place"], ["--follow"]):
        ended = leaf_ingest(f"mongodb:{database.name}.artikel", "--text-field", "body", *options)

        assert ended.returncode == 1
        (line,) = lines(ended)
        assert "no collection 'artikel' in database" in line
        assert "it has: articles" in line
    assert "artikel" not in database.list_collection_names()


def test_a_collection_is_never_made_into_chunks_of_itself(
    leaf_ingest: Run, database: Database[Any], path: str
) -> None:
    leaf_ingest(path, "--text-field", "body")

    theirs = leaf_ingest(path, "--text-field", "body", "--collection", "articles")
    ours = leaf_ingest(f"mongodb:{database.name}.chunks")

    assert "holds documents that leafsearch did not write" in theirs.stderr
    assert "is also the target" in ours.stderr
    assert database["chunks"].count_documents({}) == 5


def test_a_query_that_mongodb_does_not_know_is_one_line(leaf_ingest: Run, path: str) -> None:
    ended = leaf_ingest(path, "--text-field", "body", "--filter-source", '{"$near": 1}')

    assert ended.returncode == 1
    (line,) = lines(ended)
    assert "MongoDB refused" in line


@pytest.mark.parametrize(
    "source",
    [
        "mongodb://me:{}@127.0.0.1:9/shop.articles?serverSelectionTimeoutMS=100",
        "mongodb://me:{}@127.0.0.1:9/?serverSelectionTimeoutMS=100",
        "mongodb://me:{}@127.0.0.1:x/shop.articles",
        "mongodb://me:{}@[::1/shop.articles",
        "mongo://me:{}@127.0.0.1/shop.articles",
    ],
)
def test_a_password_is_never_shown(leaf_ingest: Run, source: str) -> None:
    for options in ([], ["--in-place"], ["--in-place", "--uri", "mongodb://127.0.0.1:9/"]):
        ended = leaf_ingest(source.format(PASSWORD), "--text-field", "body", *options)

        assert ended.returncode in (1, 2)  # what is no address can never be meant
        assert len(lines(ended)) == 1
        assert PASSWORD not in ended.stdout + ended.stderr
        assert "me:" not in ended.stderr
