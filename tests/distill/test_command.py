"""Wrong usage is reported in one line per problem, before any work."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leafsearch.distill.command import app


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a text"}\n')
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_bytes(bytes(range(256)))


def invoked(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--texts", "none.jsonl"], "none.jsonl: no such file or folder"),
        (
            ["--texts", "full/file"],
            "full/file: cannot tell the format, neither from its ending nor from its content",
        ),
        (["--queries", "none.txt"], "--queries none.txt: no such file"),
        (["--examples", "0"], "--words, --examples: expected 1 or more"),
        (["--text-field", ""], "--text-field: expected the name of a field"),
        (["--epochs", "0"], "--epochs: expected 1 or more, not 0"),
        (["--batch", "0"], "--batch: expected 1 or more, not 0"),
        (["--learning-rate", "1e-6"], "--learning-rate: expected 1e-05 or more, not 1e-06"),
        (["--learning-rate", "nan"], "--learning-rate: expected 1e-05 or more, not nan"),
        (["--truncated", "64,0"], "--truncated: expected numbers of dimensions, not 0"),
        (["--truncated", "64,x"], "--truncated 64,x: expected numbers separated by commas"),
        (["--bits", "-1"], "--bits: expected 0 or more, not -1"),
        (["--seed", "-1"], "--seed: expected 0 to 9223372036854775807, not -1"),
        (["--layers", "0,"], "--layers 0,: expected numbers separated by commas"),
        (["--layers", "0,0"], "--layers 0,0: expected each once"),
        (["--layers", "0", "--student", "full"], "give either --student or --layers"),
        (["--devices", "cpu,"], "--devices: expected names separated by commas"),
        (["--devices", "cpu,cpu", "--batch", "1"], "--devices: 2 devices for batches of 1 texts"),
        (["--checkpoint-seconds", "-1"], "--checkpoint-seconds: expected 0 or more, not -1"),
        (["--out", "full"], "--out full: exists already; expected a new folder"),
        (["--out", "texts.jsonl"], "--out texts.jsonl: exists already; expected a new folder"),
        (["--work", "out/work"], "--work out/work: expected a folder outside --out"),
        (["--work", "texts.jsonl"], "--work texts.jsonl: is a file; expected a folder"),
        (["--out", "."], "--out .: is the current folder; expected a new one"),
        (["--work", "full"], "--work full: holds file, which leaf-distill did not write; expected"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], expected: str, tmp_path: Path) -> None:
    needed = {"--teacher": "no/model", "--texts": "texts.jsonl", "--out": "out"}
    given = [part for pair in needed.items() if pair[0] not in args for part in pair]

    ended = invoked(*given, *args)

    assert ended.exit_code == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"leaf-distill: {expected}")
    assert ended.stdout == ""
    assert {entry.name for entry in tmp_path.iterdir()} == {"texts.jsonl", "full"}


def test_all_problems_are_reported_at_once() -> None:
    ended = invoked("--teacher", "t", "--texts", "none", "--out", "full", "--epochs", "0")

    assert ended.exit_code == 2
    assert len(ended.stderr.splitlines()) == 3


@pytest.mark.parametrize("left_out", ["--teacher", "--texts", "--out"])
def test_three_options_are_required(left_out: str) -> None:
    given = {"--teacher": "t", "--texts": "texts.jsonl", "--out": "out"}
    del given[left_out]

    ended = invoked(*[part for pair in given.items() for part in pair])

    assert ended.exit_code == 2
    assert ended.stderr == "leaf-distill: --teacher, --texts and --out are required\n"


def test_help_names_every_option() -> None:
    ended = invoked("--help")

    assert ended.exit_code == 0
    assert "Distil a small query encoder" in ended.stdout
    assert "--checkpoint-seconds" in ended.stdout


def test_help_for_want_of_options_keeps_its_lines() -> None:
    ended = invoked()

    assert ended.exit_code == 2
    assert "\nOptions:\n" in ended.stderr
