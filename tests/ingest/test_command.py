import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, open_target
from leafsearch.vectors import AlignmentError
from leafsearch.vectors.store import read_manifest

Run = Callable[..., CompletedProcess[str]]
RECORDS = "".join(
    json.dumps({"id": n, "text": f"Text number {n}.", "year": 2000 + n}) + "\n" for n in range(5)
)


def test_a_corpus_goes_in_and_the_summary_comes_out(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("corpus.jsonl").write_text(RECORDS)

    ended = leaf_ingest("corpus.jsonl", "--filter-field", "metadata.year")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "5 documents in 5 chunks: 5 encoded, 0 updated, 0 unchanged, 0 removed" in ended.stdout
    assert f"{database.name}.chunks holds 5 chunks as 64 x float32, 258 bytes" in ended.stdout
    assert read_manifest(database, "chunks").filters == ("document", "metadata.year")


def test_standard_input_and_json_output(leaf_ingest: Run, database: Database[Any]) -> None:
    ended = leaf_ingest("-", "--json", "--collection", "other", input=RECORDS)

    summary = json.loads(ended.stdout)
    assert summary.pop("seconds") > 0
    assert summary == {
        "collection": f"{database.name}.other",
        "documents": 5,
        "chunks": 5,
        "encoded": 5,
        "updated": 0,
        "unchanged": 0,
        "removed": 0,
        "pruned": 0,
        "rejected": 0,
        "trimmed": 0,
        "noted": 0,
        "tokens": 20,
        "unknown": 0,
        "encode_precision": "float32",
        "column_types": {},
    }


def test_rejected_records_end_with_3_and_stand_in_a_file(leaf_ingest: Run) -> None:
    ended = leaf_ingest("-", input=RECORDS + "{}\n" + "nonsense\n")

    assert ended.returncode == 3
    assert "2 records were rejected; see leaf-ingest.rejects.jsonl" in ended.stderr
    rejects = [json.loads(s) for s in Path("leaf-ingest.rejects.jsonl").read_text().splitlines()]
    assert [(r["source"], r["line"]) for r in rejects] == [("<stdin>", 6), ("<stdin>", 7)]


def test_a_folder_with_files_of_other_kinds_tells_of_them(leaf_ingest: Run) -> None:
    Path("docs").mkdir()
    Path("docs/a.md").write_text("# A\n\nText.")
    Path("docs/b.png").write_text("x")

    ended = leaf_ingest("docs")

    assert ended.returncode == 0
    assert "skipped 1 file of another kind (.png)" in ended.stderr


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["nowhere"], "leaf-ingest: nowhere: no such file or folder"),
        (["-"], "leaf-ingest: no documents in -; nothing was written"),
        (["-", "--storage", "tiny"], "--storage is 'tiny': expected one of mrl256"),
        (["-", "--precision", "int4"], "--precision int4: expected one of float32, int8, binary"),
        (["-", "--filter-field", "year"], "did you mean --filter-field metadata.year?"),
        (["-", "--teacher", "no/such/model"], "model no/such/model: no such folder"),
        (["-", "--dimensions", "999"], "has 999 dimensions, but teacher hashing:64 gives 64"),
        (["-", "--chunk-tokens", "9000"], "--chunk-tokens 9000: expected 16 to 512"),
        (["-", "--format", "doc"], "--format doc: expected one of jsonl"),
        (["-", "--collection", "leaf_manifests"], "is 'leaf_manifests': expected another name"),
        (["-", "--collection", "__leaf_x"], "is '__leaf_x': expected another name"),
        (["-", "--collection", "x" * 240], "expected at most 255 bytes together with the database"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    leaf_ingest: Run, database: Database[Any], args: list[str], expected: str
) -> None:
    ended = leaf_ingest(*args, input="")

    # What can never be meant is wrong usage; the rest depends on a folder or a model.
    by_itself = args[1:2] not in ([], ["--teacher"]) and "999" not in args and "9000" not in args
    assert ended.returncode == (2 if by_itself else 1)
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert database.list_collection_names() == []


def test_wrong_usage_ends_with_2(run: Run) -> None:
    assert run("leaf-ingest", "--no-such-option").returncode == 2


def test_all_records_rejected_is_a_failure(leaf_ingest: Run, database: Database[Any]) -> None:
    ended = leaf_ingest("-", input="{}\n")

    assert ended.returncode == 1
    assert "the only record was rejected, nothing was written" in ended.stderr
    assert database.list_collection_names() == []


def test_a_student_of_another_space_is_refused_before_the_first_write(
    database: Database[Any], published_pair: tuple[str, str], stranger: str
) -> None:
    settings = load({}, teacher=published_pair[0], student=stranger, storage="full")

    with pytest.raises(AlignmentError, match="does not share the space of teacher"):
        open_target(database, settings, Choices())

    assert database.list_collection_names() == []


def test_a_pair_of_the_published_shape_goes_the_whole_way(
    leaf_ingest: Run, run: Run, mongodb_uri: str, published_pair: tuple[str, str], database: Any
) -> None:
    teacher, student = published_pair
    texts = ["cheap flights in May", "roast vegetables in the oven", "the treaty was signed"]
    records = "".join(json.dumps({"id": t.split()[0], "text": t}) + "\n" for t in texts)

    written = leaf_ingest("-", "--teacher", teacher, "--student", student, input=records)
    found = run(
        "leaf-search", "flights", "--json", MONGODB_URI=mongodb_uri, LEAF_DATABASE=database.name
    )

    assert (written.returncode, found.returncode) == (0, 0), written.stderr + found.stderr
    manifest = read_manifest(database, "chunks")
    assert (manifest.teacher.name, manifest.student.name) == published_pair
    assert 0.5 < manifest.alignment <= 1
    assert len(found.stdout.splitlines()) == 3


def test_a_server_that_is_not_there_is_one_line_without_the_password(run: Run) -> None:
    uri = "mongodb://ann:s3cret@127.0.0.1:9/?serverSelectionTimeoutMS=300"

    ended = run("leaf-ingest", "-", "--uri", uri, input=RECORDS)

    assert ended.returncode == 1
    assert ended.stderr.startswith("leaf-ingest: MongoDB does not answer: ")
    assert ended.stderr.count("\n") == 1
    assert "s3cret" not in ended.stderr


def test_help_says_what_goes_in_and_which_exit_codes_come_out(run: Run) -> None:
    shown = run("leaf-ingest", "--help").stdout

    for expected in ("PATH", "--filter-field", "--storage", "--json", "Exit codes"):
        assert expected in shown
