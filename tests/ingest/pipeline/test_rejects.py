"""The rejects file belongs to this run alone and is never read as input."""

import fcntl
import json
import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import (
    Corpus,
    Document,
    Place,
    Rejected,
    Rejects,
    Target,
    TargetError,
    ingest,
)
from mongotests.searching import wait_for

Run = Callable[..., CompletedProcess[str]]
DEFAULT = Path("leaf-ingest.rejects.jsonl")
BAD = Rejected(Place("f", 1), "is bad", "{}")


def written(path: Path, *reasons: str) -> Path:
    rejects = Rejects(path)
    for reason in reasons:
        rejects.add(Rejected(Place("f"), reason))
    rejects.close()
    return path


def reasons(path: Path) -> list[str]:
    return [json.loads(line)["reason"] for line in path.read_text().splitlines()]


def read(*paths: str, rejects: str) -> list[str]:
    records = Corpus(list(paths), rejects=Path(rejects)).records()
    return [str(record.place) for record in records]


def test_the_first_reasons_stand_on_the_terminal_with_counts(leaf_ingest: Run) -> None:
    good = [f'{{"id": "a{n}", "text": "T {n}"}}' for n in range(4)]
    odd = '{"id": "b", "text": "T", "\\u001b[31m": 1, "metadata": {"\\u001b[31m": 2}}'
    Path("c.jsonl").write_text("\n".join([*good, *good[:3], '{"body": "T"}', "{", odd]))

    ended = leaf_ingest("c.jsonl")

    assert ended.returncode == 3
    lines = [line.removeprefix("leaf-ingest: ") for line in ended.stderr.splitlines()]
    assert lines[-5].startswith("6 records were rejected; see leaf-ingest.rejects.jsonl")
    assert lines[-4].startswith("  3 x id 'a0' occurs twice in this run, first at c.jsonl:1 (")
    assert "  1 x no field 'text' (fields: 'body'); see --text-field (c.jsonl:8)" in lines[-3:]
    assert lines[-1] == "  1 x something else"
    assert "\x1b" not in ended.stderr


def test_a_long_reason_is_cut_and_its_signs_do_not_reach_the_terminal(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "r.jsonl")
    rejects.add(Rejected(Place("a\nb"), "is \x1b[31m bad\r" + "x" * 9999))
    rejects.close()

    (reason,) = rejects.reasons()

    assert reason.isprintable()
    assert reason.startswith("1 x is [31m bad xxx")
    assert len(reason) < 300


@pytest.mark.parametrize("records", [1, 99])
def test_the_wrong_text_field_is_reported_before_a_model_is_loaded(
    leaf_ingest: Run, database: Database[Any], records: int
) -> None:
    line = '{"body": "T"}\n'
    Path("c.jsonl").write_text(line * records)
    models = {"LEAF_TEACHER": "no/such/model", "LEAF_STUDENT": "no/such/model"}
    database["articles"].insert_many([{"body": "T"} for _ in range(records)])

    for path in ("c.jsonl", f"mongodb:{database.name}.articles"):
        ended = leaf_ingest(path, **models)

        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        which = "the only record was" if records == 1 else f"all {records} records were"
        assert f"{which} rejected, nothing was written" in ended.stderr
        assert f"{records} x no field 'text' (fields: 'body'); see --text-field" in ended.stderr
        assert len(reasons(DEFAULT)) == records
    assert database.list_collection_names() == ["articles"]


def test_a_long_file_of_unusable_records_is_reported_early_and_read(leaf_ingest: Run) -> None:
    Path("c.jsonl").write_text('{"body": "T"}\n' * 100 + '{"text": "T"}\n')

    ended = leaf_ingest("c.jsonl")

    assert ended.returncode == 3
    first, *_ = ended.stderr.splitlines()
    assert first.startswith("leaf-ingest: the first 100 records are all unusable: 100 x no")
    assert "1 document in 1 chunk" in ended.stdout


def test_a_second_run_over_the_folder_does_not_read_its_own_rejects(leaf_ingest: Run) -> None:
    Path("good.jsonl").write_text('{"id": 1, "text": "T"}\n{}\n')

    first, second = leaf_ingest("."), leaf_ingest(".")

    assert (first.returncode, second.returncode) == (3, 3)
    assert len(reasons(DEFAULT)) == 1


@pytest.mark.parametrize(
    "name", ["c/r.jsonl", "./c/../c/r.jsonl", "{cwd}/c/r.jsonl", "to_c/r.jsonl"]
)
def test_the_file_for_rejects_is_never_part_of_a_folder(name: str, tmp_path: Path) -> None:
    Path("c").mkdir()
    Path("to_c").symlink_to("c")
    Path("c/a.jsonl").write_text('{"text": "T"}')
    written(Path("c/r.jsonl"), "is bad")
    Path("c/to_r.jsonl").symlink_to("r.jsonl")

    assert read("c", rejects=name.format(cwd=tmp_path)) == ["c/a.jsonl:1"]


def test_that_of_another_run_is_passed_over_too() -> None:
    Path("c").mkdir()
    written("c" / DEFAULT, "is bad")

    assert read("c", rejects="elsewhere.jsonl") == []


def test_naming_it_as_input_is_refused_and_leaves_it_alone(leaf_ingest: Run) -> None:
    written(DEFAULT, "is bad")
    Path("link.jsonl").symlink_to(DEFAULT)

    for name in (DEFAULT, "link.jsonl"):
        ended = leaf_ingest(name)
        assert ended.returncode == 1
        assert ended.stderr == (
            f"leaf-ingest: {name}: is the file for rejects; leave it out, or choose another with "
            "--rejects\n"
        )
    assert reasons(DEFAULT) == ["is bad"]


def test_the_file_for_rejects_is_refused_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    written(DEFAULT, "is bad")

    with DEFAULT.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        (problem,) = Corpus(["-"], rejects=DEFAULT).problems()

    assert "-: is the file for rejects" in problem


def test_a_file_that_holds_something_else_is_not_overwritten(leaf_ingest: Run) -> None:
    Path("notes.txt").write_text("precious\n")
    Path("c.jsonl").write_text("{}\n")

    ended = leaf_ingest("c.jsonl", "--rejects", "notes.txt")

    assert ended.returncode == 1
    assert "--rejects notes.txt: holds something other than rejects" in ended.stderr
    assert Path("notes.txt").read_text() == "precious\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("no/such/r.jsonl", "there is no folder no/such"), ("folder", "is a folder; expected a file")],
)
def test_a_place_that_cannot_be_written_is_reported_before_any_work(
    leaf_ingest: Run, database: Database[Any], path: str, expected: str
) -> None:
    Path("folder").mkdir()
    Path("c.jsonl").write_text('{"text": "T"}')

    ended = leaf_ingest("c.jsonl", "--rejects", path)

    assert ended.returncode == 1
    assert ended.stderr == f"leaf-ingest: --rejects {path}: {expected}\n"
    assert database.list_collection_names() == []


def test_to_look_whether_it_can_be_written_makes_no_file(tmp_path: Path) -> None:
    assert list(Rejects(tmp_path / "r.jsonl").problems()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_clean_run_leaves_no_rejects_of_an_earlier_one(
    target: Callable[..., Target], tmp_path: Path
) -> None:
    path = written(tmp_path / "r.jsonl", "of before")

    ingest([Document("a", "text")], target(), rejects=Rejects(path))

    assert not path.exists()


def test_a_run_replaces_the_rejects_of_an_earlier_one(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", "of before", "of before")
    rejects = Rejects(path)

    rejects.begin()
    rejects.add(BAD)
    rejects.close()

    assert reasons(path) == ["is bad"]


def test_rejects_of_a_concurrent_run_are_not_removed(tmp_path: Path) -> None:
    """As by one that follows a collection, and begins with each batch."""
    following = Rejects(tmp_path / "r.jsonl")
    following.begin()
    written(tmp_path / "r.jsonl", "of another")

    following.begin()
    following.add(BAD)
    following.close()

    assert reasons(tmp_path / "r.jsonl") == ["of another", "is bad"]


def test_two_runs_at_once_share_the_file(tmp_path: Path) -> None:
    one, other = Rejects(tmp_path / "r.jsonl"), Rejects(tmp_path / "r.jsonl")

    one.begin()
    one.add(BAD)
    other.begin()
    other.add(BAD)
    one.close()
    other.close()

    assert reasons(tmp_path / "r.jsonl") == ["is bad", "is bad"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_no_space_for_rejects_is_one_line_and_work_done_stays(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("c.jsonl").write_text('{"id": "a", "text": "T"}\n{}\n{"id": "b", "text": "U"}\n')

    ended = leaf_ingest("c.jsonl", "--rejects", "/dev/full")

    assert ended.returncode == 1
    assert ended.stderr.startswith("leaf-ingest: --rejects /dev/full: cannot be written (No space")
    assert ended.stderr.count("\n") == 1
    assert [chunk["_id"] for chunk in database["chunks"].find()] == ["a#0"]


def test_a_folder_that_closes_while_it_is_needed_is_an_error(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "gone" / "r.jsonl")

    with pytest.raises(TargetError, match=r"cannot be written \(No such file"):
        rejects.add(BAD)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_without_permission_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", "is bad")
    path.chmod(0o400)

    (problem,) = Rejects(path).problems()

    assert "you may not write there" in problem


def test_a_reject_is_not_lost_when_another_run_begins_at_that_moment(tmp_path: Path) -> None:
    """That one removes the file between the opening and the locking."""
    path = (tmp_path / "rejects.jsonl").resolve()
    with closing(Rejects(path)) as earlier:
        earlier.add(Rejected(Place("a"), "of an earlier run"))
    with closing(Rejects(path)) as rejects:
        adding = threading.Thread(target=rejects.add, args=(Rejected(Place("b"), "of this run"),))
        with path.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            adding.start()
            wait_for(lambda: _times_open(path) == 2)
            path.unlink()
        adding.join()

    (line,) = path.read_text().splitlines()
    assert json.loads(line)["reason"] == "of this run"


def _times_open(path: Path) -> int:
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            links.append(descriptor.readlink())
    return links.count(path)
