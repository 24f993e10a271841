"""Which files are read, how often, and what their ids are."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Corpus, Document, Rejected, SourceError

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _folders() -> None:
    for folder in ("a", "b", "a/deep"):
        Path(folder).mkdir()
        Path(folder, "readme.md").write_text(f"Of {folder}.")


def ids(*paths: str) -> list[str]:
    return [r.id for r in Corpus(paths).records() if isinstance(r, Document)]


def test_a_file_named_itself_has_the_id_it_has_in_its_folder() -> None:
    assert ids("a/readme.md") == ["a/readme.md"]
    assert ids("b") == ids("b/readme.md")


def test_files_of_one_name_in_several_folders_do_not_collide(tmp_path: Path) -> None:
    assert ids("a/readme.md", "b/readme.md") == ["a/readme.md", "b/readme.md"]
    assert ids("a/../b/readme.md", str(tmp_path / "a/readme.md")) == ["b/readme.md", "a/readme.md"]


@pytest.mark.parametrize(
    "paths", [("a", "a/readme.md"), ("a", "a"), ("a/readme.md", "./a/../a"), ("a", "a/deep")]
)
def test_a_file_given_twice_is_read_once(paths: tuple[str, str], tmp_path: Path) -> None:
    assert sorted(ids(*paths)) == ["a/deep/readme.md", "a/readme.md"]
    assert sorted(ids(*(str(tmp_path / path) for path in paths))) == sorted(ids(*paths))


def test_the_name_is_that_of_the_folder_the_command_runs_in(monkeypatch: Any) -> None:
    monkeypatch.chdir("a")

    assert ids("readme.md") == ["a/readme.md"]


def test_pipes_and_sockets_in_a_folder_are_skipped_and_counted(tmp_path: Path) -> None:
    """A pipe would be waited for without end."""
    os.mkfifo("a/pipe.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a/socket.txt")
        corpus = Corpus(["a"])

        found = [str(record.place) for record in corpus.records()]

    assert found == ["a/readme.md", "a/deep/readme.md"]
    assert corpus.ignored == {"neither files nor folders": 2}


def test_a_pipe_that_is_named_is_read_as_it_comes() -> None:
    os.mkfifo("pipe")
    writer = Thread(target=lambda: Path("pipe").write_text('{"id": "x", "text": "T"}\n'))
    writer.start()
    corpus = Corpus(["pipe"])

    assert list(corpus.problems()) == []
    assert corpus.size() is None
    (found,) = corpus.records()
    writer.join()

    assert isinstance(found, Document)
    assert found.id == "x"


def test_dev_stdin_is_standard_input(leaf_ingest: Run, database: Database[Any]) -> None:
    ended = leaf_ingest("/dev/stdin", input='{"id": "x", "text": "T"}\n')

    assert ended.returncode == 0, ended.stderr
    assert [chunk["_id"] for chunk in database["chunks"].find()] == ["x#0"]


def test_a_socket_that_is_named_is_refused() -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jsonl")

        assert list(Corpus(["socket.jsonl"]).problems()) == [
            "socket.jsonl: expected a file, a folder or a pipe"
        ]


def test_a_broken_link_is_reported() -> None:
    Path("a/link.md").symlink_to("nowhere")

    (rejected,) = (r for r in Corpus(["a"]).records() if isinstance(r, Rejected))

    assert (str(rejected.place), rejected.reason) == (
        "a/link.md",
        "cannot be read: No such file or directory",
    )


def test_a_csv_in_a_folder_that_cannot_be_used_is_a_reject_and_the_rest_goes_on(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("a/bad.csv").write_text("id,body\n1,T\n")
    Path("a/empty.csv").write_bytes(b"")
    Path("a/good.csv").write_text("id,text\n1,T\n")

    ended = leaf_ingest("a")

    assert ended.returncode == 3
    assert "2 records were rejected" in ended.stderr
    stored = {chunk["_id"] for chunk in database["chunks"].find()}
    assert stored == {"a/readme.md#0", "a/deep/readme.md#0", "1#0"}
    rejects = Path("leaf-ingest.rejects.jsonl").read_text()
    assert '"source": "a/bad.csv", "line": null, "reason": "no column \'text\'' in rejects


def test_one_that_is_named_is_an_error_before_any_work(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("bad.csv").write_text("id,body\n1,T\n")

    ended = leaf_ingest("a", "bad.csv")

    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "leaf-ingest: bad.csv: no column 'text' in the header (id, body)"
    )
    assert database.list_collection_names() == []


def test_records_before_an_error_are_written(leaf_ingest: Run, database: Database[Any]) -> None:
    """What comes through a pipe cannot be looked at before."""
    os.mkfifo("late.csv")
    writer = Thread(target=lambda: Path("late.csv").write_text("id,body\n1,T\n"))
    writer.start()

    ended = leaf_ingest("a", "late.csv")
    writer.join()

    assert ended.returncode == 1
    assert ended.stderr.startswith("leaf-ingest: late.csv: no column 'text'")
    assert database["chunks"].count_documents({}) == 2


def test_how_much_there_is_to_read_is_known_and_counted() -> None:
    corpus = Corpus(["a", "b/readme.md"])

    total = corpus.size()
    list(corpus.records())

    assert corpus.bytes_read == total == len("Of a.Of b.Of a/deep.")


def test_the_size_of_standard_input_is_not_known() -> None:
    assert Corpus(["a", "-"]).size() is None


def test_an_unusable_named_file_raises_in_a_program_too() -> None:
    Path("bad.csv").write_text("id,body\n")

    with pytest.raises(SourceError, match=r"^bad\.csv: no column 'text'"):
        list(Corpus(["bad.csv"]).records())
