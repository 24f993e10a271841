"""Options of a run together, and what it says on either stream."""

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Fields
from leafsearch.ingest.errors import TooManyRejects
from leaftests.ingest.types import Ordered, Run

RECORDS = "".join(json.dumps({"id": f"d{n}", "text": f"Text {n}."}) + "\n" for n in range(5))


def test_a_clean_run_prints_one_object_and_says_nothing_beside(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("c.jsonl").write_text(RECORDS)
    options = ("--json", "--prune", "--shard", "1/1", "--max-rejects", "0", "--heading-trail")

    for dry in ([], ["--dry-run"]):
        ended = leaf_ingest("c.jsonl", *options, *dry)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert json.loads(ended.stdout)["documents"] == 5
        assert ended.stdout.count("\n") == 1


def test_pruned_documents_are_reported(leaf_ingest: Run) -> None:
    Path("c.jsonl").write_text(RECORDS)
    leaf_ingest("c.jsonl")
    Path("c.jsonl").write_text(RECORDS.partition("\n")[2])

    ended = leaf_ingest("c.jsonl", "--prune")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "0 updated, 4 unchanged, 1 removed" in ended.stdout
    assert "\npruned 1 document that is gone from its source\n" in ended.stdout


def test_the_questions_of_a_test_collection_have_a_line_of_their_own(leaf_ingest: Run) -> None:
    Path("nano/qrels").mkdir(parents=True)
    Path("nano/corpus.jsonl").write_text(RECORDS)
    Path("nano/queries.jsonl").write_text('{"_id": "q", "text": "A question?"}\n')
    Path("nano/notes.png").write_text("x")

    for dry in ([], ["--dry-run"]):
        ended = leaf_ingest("nano", *dry)

        assert ended.returncode == 0
        assert ended.stderr.splitlines() == [
            "leaf-ingest: skipped 1 file of another kind (.png); --format reads them all",
            "leaf-ingest: skipped the questions and judgements of a BEIR collection, which are "
            "not documents",
        ]


@pytest.mark.parametrize("most", [0, 1])
def test_more_rejects_than_allowed_end_the_run_with_what_came_before_written(
    ordered: Ordered, database: Database[Any], most: int
) -> None:
    lines = RECORDS.splitlines()
    Path("c.jsonl").write_text("\n".join([*lines[:3], "{}", *lines[3:], "{}", lines[0]]))

    with pytest.raises(TooManyRejects) as reported:
        ordered("c.jsonl", max_rejects=most)

    rejected = ["1 record was rejected", "2 records were rejected"][most]
    assert str(reported.value) == (
        f"{rejected}, more than --max-rejects {most} allows ({most + 1} x no "
        "field 'text'; see --text-field (c.jsonl:4)); what was read before is "
        "written: see rejects.jsonl"
    )
    assert database["c"].count_documents({}) == (3, 5)[most]
    assert len(Path("rejects.jsonl").read_text().splitlines()) == most + 1


def test_as_many_rejects_as_allowed_are_well(ordered: Ordered) -> None:
    Path("c.jsonl").write_text(RECORDS + "{}\n")

    assert ordered("c.jsonl", max_rejects=1)["rejected"] == 1


def test_a_heading_trail_is_encoded_and_belongs_to_how_the_collection_was_made(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("docs").mkdir()
    text = " ".join(f"Sentence {n}." for n in range(30))
    Path("docs/a.md").write_text(f"# Guide\n\n{text}\n\n## Install\n\n{text}")
    short = ("--chunk-tokens", "48")

    with_trail = json.loads(leaf_ingest("docs", "--heading-trail", "--json", *short).stdout)
    again = json.loads(leaf_ingest("docs", "--json").stdout)
    without = leaf_ingest("docs", "--json", "--collection", "plain", *short)

    assert again["unchanged"] == again["chunks"] == with_trail["encoded"]
    assert json.loads(without.stdout)["tokens"] < with_trail["tokens"]
    assert not any(c["text"].startswith("Guide > ") for c in database["chunks"].find())
    refused = leaf_ingest("docs", "--heading-trail", "--collection", "plain")
    assert "heading_trail is False, requested True" in refused.stderr


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--in-place", "--prune"], "--prune: with --in-place the documents are yours"),
        (["--in-place", "--source", "x"], "--source: with --in-place the documents are yours"),
        (["--in-place", "--heading-trail"], "--heading-trail: with --in-place a text is encoded"),
        (
            ["--include", "*.md"],
            "--include, --exclude: for files only; for a collection use --filter-source",
        ),
        (["--source", ""], "--source: expected a name"),
        (["--max-rejects", "-1"], "--max-rejects -1: expected 0 or more"),
        (["--follow", "--dry-run"], "--follow has no end; give --rebuild or --dry-run without it"),
    ],
)
def test_what_a_mongodb_collection_cannot_have_is_one_line(
    leaf_ingest: Run, database: Database[Any], args: list[str], expected: str
) -> None:
    ended = leaf_ingest(f"mongodb:{database.name}.articles", "--text-field", "body", *args)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"leaf-ingest: {expected}")
    assert ended.stderr.count("\n") == 1


def test_yes_alone_is_wrong_usage(leaf_ingest: Run) -> None:
    ended = leaf_ingest("-", "--yes", input=RECORDS)

    assert ended.returncode == 2
    assert "--yes: only --rebuild and --prune stop" in ended.stderr


def test_documents_of_a_mongodb_collection_can_have_another_source(
    ordered: Ordered, database: Database[Any]
) -> None:
    database["articles"].insert_one({"_id": 1, "body": "Text."})
    path, fields = f"mongodb:{database.name}.articles", Fields("_id", "body", "title")

    ordered(path, fields=fields)
    usual = database["c"].distinct("source")
    ordered(path, fields=fields, source="shop")

    assert usual == [f"{database.name}.articles"]
    assert database["c"].distinct("source") == ["shop"]
