"""What the server or the driver refuses of single documents, and how the end of a run is seen."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.ingest import Target, TargetError
from leafsearch.vectors import DeploymentError, Rows

Run = Callable[..., CompletedProcess[str]]


def rows(count: int) -> Rows:
    return np.eye(64, dtype=np.float32)[np.arange(count) % 64]


def chunk(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "_id": f"d{number}#0",
        "document": f"d{number}",
        "position": 0,
        "text": "T",
        "metadata": {},
        "hash": b"h" * 16,
        **fields,
    }


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("fresh", [True, False])
def test_a_document_that_fails_the_driver_or_the_request_costs_no_other(
    target: Callable[..., Target], database: Database[Any], fresh: bool
) -> None:
    """Nested so deeply that the server reads none of the request; larger than the driver sends."""
    chunks = [chunk(number) for number in range(100)]
    bad = {17: {"metadata": nested(300)}, 18: {"metadata": nested(600)}, 70: {"text": "x" * 2**24}}
    for number, fields in bad.items():
        chunks[number] |= fields
    opened = target()
    seen = {} if fresh else {chunk["_id"]: None for chunk in chunks}

    refused = opened.write(chunks, rows(100), seen=seen)

    assert set(refused) == {"d17#0", "d18#0", "d70#0"}
    assert all(0 < len(reason) < 400 for reason in refused.values())
    assert database["c"].count_documents({}) == 97
    assert opened.write([chunks[17]], rows(1), seen=seen) == {"d17#0": refused["d17#0"]}


def test_a_refusal_of_all_documents_ends_the_run(
    target: Callable[..., Target], database: Database[Any]
) -> None:
    opened = target()
    opened.write([chunk(0)], rows(1))
    database["c"].drop()
    database.command("create", "c", viewOn="other", pipeline=[])

    changes = {"d0#0": {"text": "U"}, "d1#0": {"text": "U"}}

    with pytest.raises((DeploymentError, TargetError)):
        opened.collection.update(changes, seen=dict.fromkeys(changes, b"hash"))


@pytest.mark.parametrize("in_place", [False, True])
def test_one_among_many_that_are_equal_counts_as_found(
    leaf_ingest: Run, database: Database[Any], in_place: bool
) -> None:
    """A search gives so many of them and no more, and any may be missing."""
    Path("equal.txt").write_text("word " * 16_500)
    database["articles"].insert_many([{"text": "word"} for _ in range(1100)])
    of_chunks = ("equal.txt", "--chunk-tokens", 16, "--chunk-overlap", 0)
    in_documents = (f"mongodb:{database.name}.articles", "--in-place")

    ended = leaf_ingest(*(in_documents if in_place else of_chunks), "--json", "--wait", 100)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["chunks"] > 1000
