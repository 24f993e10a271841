"""`leaf-ingest` as a program: its sub-commands, old spellings, paths called like them."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
RECORD = '{"id": "a", "text": "ash elm oak"}\n'


@pytest.mark.parametrize("verb", ["rollback", "retire", "repair"])
def test_a_flag_of_version_0_1_works_and_names_the_sub_command(leaf_ingest: Run, verb: str) -> None:
    new = leaf_ingest(verb)
    old = leaf_ingest(f"--{verb}")

    note, *rest = old.stderr.splitlines()
    assert (old.returncode, old.stdout) == (new.returncode, new.stdout)
    assert rest == new.stderr.splitlines()
    assert f"--{verb} was renamed to `leaf-ingest {verb}`" in note


@pytest.mark.parametrize("spelling", [["--patience", "5"], ["--patience=5"]])
def test_an_option_of_version_0_1_works_and_names_the_new_one(
    leaf_ingest: Run, spelling: list[str]
) -> None:
    ended = leaf_ingest("-", *spelling, input=RECORD)

    assert ended.returncode == 0
    assert ended.stderr.count("\n") == 1
    assert "--patience was renamed to `--retry-for`" in ended.stderr


def test_a_path_called_like_a_sub_command_is_ingested_as_a_path(leaf_ingest: Run) -> None:
    Path("rollback").mkdir()
    Path("rollback/a.txt").write_text("ash elm oak")

    ended = leaf_ingest("./rollback")

    assert ended.returncode == 0
    assert "1 document in 1 chunk: 1 encoded" in ended.stdout


def test_a_flag_of_version_0_1_behind_two_dashes_is_a_path(leaf_ingest: Run) -> None:
    ended = leaf_ingest("--", "--retire")

    assert "was renamed" not in ended.stderr
    assert "--retire" in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("name", ["rollback", "retire", "repair"])
def test_a_sub_command_that_may_be_a_path_is_refused(leaf_ingest: Run, name: str) -> None:
    Path(name).mkdir()

    ended = leaf_ingest(name)

    assert ended.returncode == 2
    assert (
        f"{name!r} is ambiguous: a sub-command and a path that exists here. Give ./{name}"
        in ended.stderr
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--preset", "ofline"], "did you mean offline?"),
        (["--storage", "mrl265"], "did you mean mrl256?"),
        (["--precision", "float23"], "did you mean float32?"),
        (["--quantization", "scaler"], "did you mean scalar?"),
        (["--encode-precision", "bfloat"], "did you mean bfloat16?"),
        (["--format", "markdwon"], "did you mean markdown?"),
        (["--colection", "c"], "--collection"),
    ],
)
def test_a_misspelt_word_gets_the_nearest_one(run: Run, words: list[str], expected: str) -> None:
    Path("a.txt").write_text("ash")

    ended = run("leaf-ingest", "a.txt", *words)

    assert ended.returncode == 2
    assert expected in ended.stderr
