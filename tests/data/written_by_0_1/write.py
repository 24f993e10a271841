"""Writes this dump, with the commands of version 0.1 (commit f0763a5) and no other.

git worktree add /tmp/0.1 f0763a5 && (cd /tmp/0.1 && scripts/check)
PATH=/tmp/0.1/.venv/bin:$PATH python write.py
"""

import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from pymongo import MongoClient
from pymongo.collection import Collection

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.jsonl"
DATABASE = "leaf"
HASHING = ["--teacher", "hashing:64", "--student", "hashing:64"]
OFFLINE = ["--preset", "offline"]
CHUNKS = ["--chunk-tokens", "48", "--filter-field", "metadata.year"]
IN_PLACE = ["--in-place", "--text-field", "body", "--filter-field", "year"]

# Name of the collection: the arguments of each command that made it, in order.
MADE: dict[str, list[list[str]]] = {
    "hashing_float32": [[*HASHING, *CHUNKS, "--storage", "full"]],
    "hashing_int8": [[*HASHING, *CHUNKS, "--storage", "full", "--precision", "int8"]],
    "hashing_binary": [[*HASHING, *CHUNKS, "--storage", "binary"]],
    "hashing_in_place": [[*HASHING, *IN_PLACE, "--storage", "full", "--path", "vector"]],
    "hashing_hybrid": [[*HASHING, *CHUNKS, "--storage", "full", "--hybrid"]],
    "hashing_rebuilt": [
        [*HASHING, *CHUNKS, "--storage", "full"],
        ["--teacher", "hashing:128", "--student", "hashing:128", "--storage", "full", "--rebuild"],
    ],
    "hashing_retired": [
        [*HASHING, *CHUNKS, "--storage", "full"],
        ["--storage", "binary", "--rebuild"],
        ["--retire"],
    ],
    "offline_float32": [[*OFFLINE, *CHUNKS]],
    "offline_int8": [[*OFFLINE, *CHUNKS, "--storage", "mrl256-int8"]],
    "offline_binary": [[*OFFLINE, *CHUNKS, "--storage", "binary"]],
    "offline_in_place": [[*OFFLINE, *IN_PLACE]],
    "offline_hybrid": [[*OFFLINE, *CHUNKS, "--hybrid", "--quantization", "scalar"]],
    "offline_rebuilt": [
        [*OFFLINE, *CHUNKS, "--storage", "full"],
        ["--storage", "binary", "--rebuild"],
    ],
}
QUESTIONS = [  # whose int8 codes lie far from the next, so that no other processor rounds otherwise
    "What makes a loaf of bread rise at all?",
    "What causes the tides of the oceans twice a day?",
    "Who sorts a letter in the office, and how does it get to the door?",
]
YEARS = {"$gte": 2003, "$lt": 2012}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        run("leaf-mongo", "start", "--home", str(home), "--port", "0")
        try:
            uri = run("leaf-mongo", "uri", "--home", str(home)).strip()
            _write_home(uri)
            _stop(home)
            _pack(home)
            run("leaf-mongo", "start", "--home", str(home))
            with MongoClient[Any](uri) as client:
                _write_collections(uri, client)
        finally:
            _stop(home)


def run(*args: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LEAF_")}
    ended = subprocess.run(args, env=environ, check=True, capture_output=True, text=True)
    return ended.stdout


def _stop(home: Path) -> None:
    run("leaf-mongo", "stop", "--home", str(home))


def _write_home(uri: str) -> None:
    """A small one: the collection that all defaults name, without this machine's name."""
    run("leaf-ingest", str(CORPUS), "--uri", uri, *HASHING, "--storage", "full", "--hybrid")
    with MongoClient[Any](uri) as client:
        client["local"]["startup_log"].drop()


def _pack(home: Path) -> None:
    """Stopped. The journal is mostly holes, which neither the archive nor its reader fills."""
    command = ["tar", "--create", "--sparse", "--xz", "--exclude", "log/*", "--exclude", "run/*"]
    owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name"]
    run(*command, *owner, "--directory", str(home), "--file", str(HERE / "home.tar.xz"), ".")


def _write_collections(uri: str, client: MongoClient[Any]) -> None:
    database = client[DATABASE]
    database.drop_collection("chunks")
    database["leaf_manifests"].delete_many({})
    searches = []
    for name, (first, *later) in MADE.items():
        _ingest(uri, client, name, first)
        if name.endswith("rebuilt"):
            searches += _searches(uri, name, answers="after a rollback")
        for command in later:
            _ingest(uri, client, name, command)
        searches += _searches(uri, name, answers="as it is")
    _dump("leaf_manifests", database["leaf_manifests"].find().sort("_id"))
    for name in MADE:
        _dump(name, database[name].find().sort("_id"))
    indexes = {
        name: {
            "search": list(_search_indexes(database[name])),
            "ordinary": [
                index for index in database[name].list_indexes() if index["name"] != "_id_"
            ],
        }
        for name in MADE
    }
    (HERE / "indexes.json").write_text(json_util.dumps(indexes, indent=1) + "\n")
    lines = "".join(json.dumps(search) + "\n" for search in searches)
    (HERE / "searches.jsonl").write_text(lines)


def _ingest(uri: str, client: MongoClient[Any], name: str, command: Sequence[str]) -> None:
    where = ["--uri", uri, "--database", DATABASE]
    if "--retire" in command:
        run("leaf-ingest", *where, "--collection", name, *command)
    elif "--in-place" in command:
        records = [json.loads(line) for line in CORPUS.read_text().splitlines()]
        client[DATABASE][name].insert_many(in_place(record) for record in records)
        run("leaf-ingest", f"mongodb:{DATABASE}.{name}", "--uri", uri, *command)
    else:
        run("leaf-ingest", str(CORPUS), *where, "--collection", name, *command)


def in_place(record: dict[str, Any]) -> dict[str, Any]:
    """A document of the user's own collection."""
    kept = {field: record[field] for field in ("title", "year", "kind")}
    return {"_id": record["id"], "body": record["text"], **kept}


def _dump(name: str, documents: Iterator[dict[str, Any]]) -> None:
    content = b"".join(map(bson.encode, documents))
    (HERE / f"{name}.bson.gz").write_bytes(gzip.compress(content, mtime=0))


def _search_indexes(collection: Collection[Any]) -> Iterator[dict[str, Any]]:
    for index in collection.list_search_indexes():
        definition = index["latestDefinition"]
        yield {"name": index["name"], "type": index["type"], "definition": definition}


def _searches(uri: str, name: str, *, answers: str) -> Iterator[dict[str, Any]]:
    """What leaf-search answers, with the options of Searcher.search that say the same."""
    field = "year" if name.endswith("in_place") else "metadata.year"
    filtered = ["--filter", json.dumps({field: YEARS})]
    asked: list[tuple[dict[str, Any], list[str]]] = [
        ({}, []),
        ({"filter": {field: YEARS}}, filtered),
    ]
    if name.endswith("hybrid"):
        asked.append(({"hybrid": True}, ["--hybrid"]))
    where = ["--uri", uri, "--database", DATABASE, "--collection", name]
    for options, arguments in asked:
        printed = run("leaf-search", *QUESTIONS, *where, "--json", "-k", "5", *arguments)
        hits = [json_util.loads(line) for line in printed.splitlines()]
        for question in QUESTIONS:
            kept = [
                {field: hit[field] for field in ("id", "document", "score", "similarity", "text")}
                for hit in hits
                if hit["question"] == question
            ]
            yield {
                "collection": name,
                "answers": answers,
                "question": question,
                "options": options,
                "hits": kept,
            }


if __name__ == "__main__":
    main()
