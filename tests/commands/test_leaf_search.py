"""`leaf-search` as a program: its sub-commands, words like them, help, version, completion."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.vectors.store.manifest import MANIFESTS

Run = Callable[..., CompletedProcess[str]]
PROGRAMS = ["leaf-search", "leaf-ingest"]
SUB_COMMANDS = [
    *(["leaf-search", name] for name in ("query", "collections", "students", "doctor", "eval")),
    *(["leaf-ingest", name] for name in ("rollback", "retire", "repair")),
]


@pytest.mark.parametrize("word", ["doctor", "eval", "collections", "students", "query"])
def test_query_searches_for_any_word(run: Run, where: list[str], word: str) -> None:
    ended = run("leaf-search", "query", word, "--json", "--collection", "c", *where)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert {json.loads(line)["question"] for line in ended.stdout.splitlines()} == {word}


def test_a_sub_command_after_options_is_a_word_and_a_line_says_so(
    run: Run, where: list[str]
) -> None:
    ended = run("leaf-search", "--json", "--collection", "c", *where, "doctor")

    assert ended.returncode == 0
    assert json.loads(ended.stdout.splitlines()[0])["question"] == "doctor"
    assert "'doctor' is taken as a word; " in ended.stderr
    assert "write `leaf-search doctor ...`" in ended.stderr


@pytest.mark.parametrize("words", [*([name] for name in PROGRAMS), *SUB_COMMANDS], ids=" ".join)
def test_h_is_help_in_groups(run: Run, words: list[str]) -> None:
    short, long = run(*words, "-h"), run(*words, "--help")

    assert (short.returncode, short.stderr) == (0, "")
    assert short.stdout == long.stdout
    assert "Exit codes: 0 " in short.stdout
    assert "\nOptions:\n" in short.stdout
    assert "\nWhere:\n" in short.stdout
    assert "{" not in short.stdout.partition("\n")[0]
    assert max(map(len, short.stdout.splitlines())) <= 80


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_the_sub_commands(run: Run, program: str) -> None:
    shown = run(program, "-h").stdout

    assert f"\n       {program} COMMAND [OPTIONS] ...\n" in shown
    for _, name in (words for words in SUB_COMMANDS if words[0] == program):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_is_one_line(run: Run, program: str) -> None:
    ended = run(program, "--version")

    assert (ended.returncode, ended.stdout) == (0, f"{program} {version('leafsearch')}\n")


def test_version_of_a_module_names_the_distribution() -> None:
    program = [sys.executable, "-m", "leafsearch.search", "--version"]

    assert subprocess.check_output(program, text=True) == f"leafsearch {version('leafsearch')}\n"


@pytest.mark.parametrize(
    ("program", "typed", "expected"),
    [
        ("leaf-search", "col", ["collections"]),
        ("leaf-search", "--num", ["--num-candidates"]),
        ("leaf-search", "doctor --sam", ["--sample"]),
        ("leaf-ingest", "ro", ["rollback"]),
        ("leaf-ingest", "docs/ --preset off", ["offline"]),
        ("leaf-ingest", "docs/ --storage mrl", ["mrl256", "mrl256-int8"]),
    ],
)
def test_the_shell_completes_words(run: Run, program: str, typed: str, expected: list[str]) -> None:
    words = f"{program} {typed}"
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    asked = {variable: "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}

    ended = run(program, **asked)

    assert ended.stdout.split() == expected


def test_collections_lists_models_format_counts_and_generation(run: Run, where: list[str]) -> None:
    table = run("leaf-search", "collections", *where)
    (line,) = run("leaf-search", "collections", "--json", *where).stdout.splitlines()
    entry = json.loads(line)

    assert (table.returncode, table.stderr) == (0, "")
    assert "2 chunks as 64 x float32, 258 bytes a vector; generation 1" in table.stdout
    assert "teacher hashing:64" in table.stdout
    assert (entry["collection"], entry["count"], entry["generation"]) == ("c", 2, 1)
    assert (entry["teacher"], entry["student"]) == ("hashing:64", "hashing:64")
    assert (entry["dimensions"], entry["precision"], entry["problem"]) == (64, "float32", None)
    assert entry["transform"] == "none"


def test_collections_shows_what_vectors_go_through_before_they_are_cut(
    run: Run, where: list[str], database: Database[Any]
) -> None:
    change = {"kind": "pca", "dimensions": 64, "columns": 64, "checksum": "0" * 64}
    change |= {"sample": 300, "kept": 0.98}
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": {"transform": change}})

    table = run("leaf-search", "collections", *where)
    entry = json.loads(run("leaf-search", "collections", "--json", *where).stdout)

    assert "2 chunks as 64 x float32, rotated, 258 bytes a vector" in table.stdout
    assert entry["transform"] == "pca"


def test_collections_shows_how_words_are_indexed(
    run: Run, where: list[str], database: Database[Any]
) -> None:
    change = {"hybrid": True, "tuning": {"text_analyzer": "lucene.english"}}
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": change})

    table = run("leaf-search", "collections", *where)
    entry = json.loads(run("leaf-search", "collections", "--json", *where).stdout)

    assert "with words by lucene.english" in " ".join(table.stdout.split())
    assert (entry["hybrid"], entry["text_analyzer"]) == (True, "lucene.english")


def test_collections_says_what_cannot_be_searched(
    run: Run, where: list[str], database: Database[Any]
) -> None:
    database["c"].drop()
    database[MANIFESTS].insert_one({"_id": "later", "format": 99})

    ended = run("leaf-search", "collections", "--json", *where)
    dropped, newer = map(json.loads, ended.stdout.splitlines())

    assert ended.returncode == 0
    assert "was dropped" in dropped["problem"]
    assert "format 99" in newer["problem"]
    assert "dropped" in run("leaf-search", "collections", *where).stdout


def test_collections_of_an_empty_database_say_how_to_begin(
    run: Run, mongodb_uri: str, database: Database[Any]
) -> None:
    where = ["--uri", mongodb_uri, "--database", database.name]

    ended = run("leaf-search", "collections", *where)

    assert (ended.returncode, ended.stdout) == (0, "")
    assert (
        f"database {database.name} has no collection to search; `leaf-ingest PATH" in ended.stderr
    )


def test_a_search_imports_nothing_of_the_doctor() -> None:
    program = (
        "import sys; from leafsearch.commands.leaf_search import app; app(['query', '-h'], "
        "standalone_mode=False); print([m for m in sys.modules if 'doctor' in m or 'evalu' in m])"
    )

    shown = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["leaf-search", "doctr"], "leaf-search: 'doctr' is taken as a word; did you mean "),
        (["leaf-ingest", "rolback"], "leaf-ingest: 'rolback' is taken as a path; did you mean "),
    ],
)
def test_a_word_like_a_sub_command_gets_a_line(run: Run, words: list[str], expected: str) -> None:
    ended = run(*words, "--collection", "c", MONGODB_URI="mongodb://localhost:1")

    assert ended.returncode == 1
    assert ended.stderr.startswith(expected)


@pytest.mark.parametrize("option", ["--preset", "--teacher", "--storage"])
def test_a_search_takes_models_from_the_manifest(run: Run, option: str) -> None:
    ended = run("leaf-search", "oak", option, "offline")

    assert ended.returncode == 2
    assert (
        f"No such option: {option}. The collection's manifest names its models and storage format\n"
        in ended.stderr
    )


@pytest.mark.parametrize("words", [["leaf-search", "query"], ["leaf-search", "eval"]], ids=" ".join)
def test_help_for_want_of_arguments_keeps_its_lines(run: Run, words: list[str]) -> None:
    ended = run(*words)

    assert ended.returncode == 2
    assert "\nOptions:\n" in ended.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_words_print_the_help_and_exit_2(run: Run, program: str) -> None:
    ended = run(program)

    assert ended.returncode == 2
    assert "Usage: " in ended.stderr
    assert not Path("leaf-ingest.rejects.jsonl").exists()
