"""`--shard i/n` splits a corpus over machines that write into one collection."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Fields, SourceError
from leafsearch.ingest.pipeline.extent import WHOLE, Shard
from leaftests.ingest.types import Ordered, Run

N = 60


@pytest.fixture
def corpus() -> str:
    records = ({"id": f"d{n}", "text": f"Text of number {n}."} for n in range(N))
    Path("c.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return "c.jsonl"


def stored(database: Database[Any]) -> set[str]:
    return {chunk["document"] for chunk in database["c"].find()}


def test_the_shards_together_write_each_document_once(
    ordered: Ordered, corpus: str, database: Database[Any]
) -> None:
    reported = [ordered(corpus, sharded=f"{i}/3") for i in (1, 2, 3)]

    assert all(0 < each["encoded"] < N for each in reported)
    assert sum(each["encoded"] for each in reported) == N
    assert [each["unchanged"] for each in reported] == [0, 0, 0]
    assert stored(database) == {f"d{n}" for n in range(N)}
    assert ordered(corpus)["unchanged"] == N


def test_shards_of_a_mongodb_collection_do_so_as_well(
    ordered: Ordered, database: Database[Any]
) -> None:
    database["articles"].insert_many([{"_id": n, "body": f"Text {n}."} for n in range(N)])
    path, fields = f"mongodb:{database.name}.articles", Fields("_id", "body", "title")

    reported = [ordered(path, fields=fields, sharded=f"{i}/2") for i in (1, 2)]

    assert sum(each["encoded"] for each in reported) == N
    assert len(stored(database)) == N


def test_the_id_alone_decides_and_it_does_so_for_ever() -> None:
    """Machines with other versions of the program may work on one corpus."""
    homes = [next(i for i in range(1, 5) if Shard(i, 4).holds(f"d{n}")) for n in range(12)]

    assert homes == HOMES
    assert WHOLE.holds("anything")
    assert all(sum(Shard(i, 7).holds(f"d{n}") for i in range(1, 8)) == 1 for n in range(200))


HOMES = [2, 4, 2, 1, 1, 4, 4, 2, 4, 1, 1, 3]


def test_a_shard_without_documents_of_a_small_corpus_is_not_an_error(
    ordered: Ordered, database: Database[Any]
) -> None:
    Path("c.jsonl").write_text('{"id": "only", "text": "One text."}\n')

    reported = [ordered("c.jsonl", sharded=f"{i}/4")["documents"] for i in (1, 2, 3, 4)]

    assert sorted(reported) == [0, 0, 0, 1]
    Path("c.jsonl").write_text("")
    with pytest.raises(SourceError, match=r"no documents in c\.jsonl; nothing was written"):
        ordered("c.jsonl", sharded="1/4")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "--shard : expected i/n, like 1/4 on the first of four machines"),
        ("3", "--shard 3: expected i/n, like 1/4"),
        ("/", "--shard /: expected i/n, like 1/4"),
        ("a/b", "--shard a/b: expected i/n, like 1/4"),
        ("-1/4", "--shard -1/4: expected i/n, like 1/4"),
        ("0/0", "--shard 0/0: expected i/n, like 1/4"),
        ("0/4", "--shard 0/4: expected 1/4 to 4/4"),
        ("5/4", "--shard 5/4: expected 1/4 to 4/4"),
    ],
)
def test_another_value_gets_one_line(run: Run, corpus: str, given: str, expected: str) -> None:
    ended: CompletedProcess[str] = run("leaf-ingest", corpus, "--shard", given)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"leaf-ingest: {expected}")
    assert ended.stderr.count("\n") == 1
