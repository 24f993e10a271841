"""A folder of the cache appears whole, even if several processes make it at the same time."""

from pathlib import Path

import pytest

from leafsearch.vectors.encoders.onnx.folder import new_folder


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    with (
        new_folder(tmp_path / "folder", prefix="second-") as second,
        new_folder(tmp_path / "folder", prefix="first-") as first,
    ):
        (first / "by").write_text("first")
        (second / "by").write_text("second")

    assert (tmp_path / "folder/by").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()

    with pytest.raises(NotADirectoryError), new_folder(tmp_path / "folder", prefix="made-"):
        pass

    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "folder", prefix="made-"):
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []
