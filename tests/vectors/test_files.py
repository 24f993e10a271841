"""A folder of a cache appears whole, whoever else makes it at the same time."""

from pathlib import Path

import pytest

from leafsearch.vectors.files import put


def test_who_comes_second_has_what_the_first_made(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "by").write_text(name)

    put(tmp_path / "first", tmp_path / "folder")
    put(tmp_path / "second", tmp_path / "folder")

    assert (tmp_path / "folder/by").read_text() == "first"


def test_what_is_no_folder_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "folder").touch()

    with pytest.raises(NotADirectoryError):
        put(tmp_path / "made", tmp_path / "folder")
