"""All problems of a command line are reported at once, before anything starts."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest.cli.index_options import filter_problems

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.", "an empty one was given"),
        ("metadata..x", "an empty one was given"),
        (".metadata", "an empty one was given"),
        ("", "an empty one was given"),
        ("metadata.$x", "'$x' cannot be one"),
        ("$metadata.x", "'$metadata' cannot be one"),
        ("metadata.a\0b", "cannot be one"),
        ("metadata", "expected a path below it, like metadata.year"),
        ("metadata." + "x" * 1020, "expected at most 1024 bytes and 100 names"),
        ("metadata" + ".x" * 100, "expected at most 1024 bytes and 100 names"),
        ("year", "did you mean --filter-field metadata.year?"),
        ("meta.year", "did you mean --filter-field metadata.meta.year?"),
        ("embedding", "did you mean --filter-field metadata.embedding?"),
    ],
)
def test_a_filter_path_that_cannot_be_is_refused(path: str, expected: str) -> None:
    (problem,) = filter_problems(path)

    assert problem.startswith("--filter-field ")
    assert expected in problem
    assert len(problem) < 250


@pytest.mark.parametrize("path", ["metadata.year", "metadata.a.b", "document", "metadata.a b-c"])
def test_a_filter_path_that_can_be_is_taken(path: str) -> None:
    assert list(filter_problems(path)) == []


def test_all_problems_are_reported_at_once_and_nothing_is_started(run: Run, tmp_path: Path) -> None:
    Path("c.jsonl").write_text('{"text": "T"}\n')

    ended = run(
        *("leaf-ingest", "c.jsonl", "missing.jsonl", "--preset", "no", "--dimensions", 0),
        *("--precision", "int4", "--format", "doc", "--wait", -5, "--filter-field", "metadata."),
        *("--chunk-tokens", 3, "--text-field", "", "--rejects", "no/r", "--collection", "__leaf"),
    )

    assert ended.returncode == 2
    for expected in (
        "--preset is 'no'",
        "--collection is '__leaf'",
        "--precision int4: expected one of float32",
        "--format doc: expected one of jsonl",
        "--wait -5: expected seconds, 0 or more",
        "--filter-field 'metadata.': expected names",
        "--chunk-tokens 3: expected 16 or more",
        "--text-field: expected the name of a field",
        "--rejects no/r: there is no folder no",
    ):
        assert f"leaf-ingest: {expected}" in ended.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--preset", "ofline"], "leaf-mt, leaf-ir, offline; did you mean offline?"),
        (["--storage", "bianry"], "did you mean binary?"),
        (["--uri", "localhost"], "--uri: expected mongodb://"),
        (["--dimensions", 0], "dimensions 0: expected 1 to 8192"),
        (["--wait", "nan"], "--wait nan: expected seconds, 0 or more"),
        (["--wait", "inf"], "--wait inf: expected seconds, 0 or more"),
        (["--retry-for", "-1"], "--retry-for -1: expected seconds, 0 or more"),
        (["--chunk-overlap", -1], "--chunk-overlap -1: expected 0 to half of --chunk-tokens"),
        (["--text-field", "id"], "--id-field id: is a text or the title as well"),
        (["missing.jsonl"], "missing.jsonl: no such file or folder"),
    ],
)
def test_each_is_reported_before_a_mongod_is_started(
    run: Run, tmp_path: Path, args: list[object], expected: str
) -> None:
    Path("c.jsonl").write_text('{"text": "T"}\n')

    ended = run("leaf-ingest", "c.jsonl", *args)

    assert ended.returncode == (2 if len(args) == 2 else 1)  # an option, or a file
    assert ended.stderr.count("\n") == 1
    assert expected in ended.stderr
    assert not (tmp_path / "home").exists()


def test_a_part_of_the_form_contradicts_by_itself_alone(leaf_ingest: Run) -> None:
    """The default storage has other parts, which were not asked for."""
    Path("c.jsonl").write_text('{"text": "T"}\n')
    assert leaf_ingest("c.jsonl", "--precision", "int8").returncode == 0

    agreeing = leaf_ingest("c.jsonl", "--dimensions", 64, LEAF_STORAGE="")
    other = leaf_ingest("c.jsonl", "--dimensions", 32, LEAF_STORAGE="")

    assert agreeing.returncode == 0, agreeing.stderr
    assert other.returncode == 1
    assert "dimensions is 64, requested 32. Drop --dimensions to keep" in (other.stderr)


def test_a_contradiction_names_the_place_that_it_comes_from(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    """The value may stand in a file that the user has long forgotten."""
    Path("c.jsonl").write_text('{"text": "T"}\n')
    assert leaf_ingest("c.jsonl").returncode == 0
    Path(".env").write_text("LEAF_STORAGE=binary\n")

    by_setting = leaf_ingest("c.jsonl", LEAF_STORAGE="")
    by_option = leaf_ingest("c.jsonl", "--precision", "int8", "--chunk-tokens", 99)

    assert "precision is float32, requested binary. Drop " in (by_setting.stderr)
    assert "LEAF_STORAGE in .env to keep" in by_setting.stderr
    assert "requested int8. Drop --precision to keep" in by_option.stderr
