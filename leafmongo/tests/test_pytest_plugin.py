"""The examples in the documentation of the fixtures run unchanged, each in its own folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mongotests.paths import ROOT

EXAMPLES, README = (
    re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    for page in ("docs/testing.md", "README.md")
)


def python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the current folder with only the installed packages."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def run_pytest(*arguments: object, **environment: str) -> str:
    """Run pytest without langsmith's plugin, which takes a second."""
    done = python("-m", "pytest", "-q", "-p", "no:langsmith_plugin", *arguments, **environment)
    return done.stdout + done.stderr


def test_example_with_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_films.py").write_text(EXAMPLES[0])

    assert "1 passed" in run_pytest("-W", "error", "test_films.py")


def test_examples_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / "test_film.py").write_text(README[0])
    (tmp_path / "example.py").write_text(README[1])

    assert "1 passed" in run_pytest("-W", "error", "test_film.py")
    done = python("-W", "error", "example.py", LEAF_HOME=str(tmp_path / "home"))
    assert done.stdout.startswith("mongodb://"), done.stderr


def test_example_without_pytest(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(EXAMPLES[1])

    done = python("-W", "error", "example.py")

    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout), done.stderr


@pytest.mark.long
def test_each_test_has_an_empty_database(tmp_path: Path) -> None:
    again = "import pytest\n@pytest.mark.parametrize('n', range(2))\n"
    body = "    leaf_mongodb.c.insert_one({})\n    assert leaf_mongodb.c.count_documents({}) == 1\n"
    (tmp_path / "test_twice.py").write_text(f"{again}def test(leaf_mongodb, n):\n{body}")

    assert "2 passed" in run_pytest("test_twice.py")


def test_environment_can_name_another_deployment(tmp_path: Path) -> None:
    (tmp_path / "test_uri.py").write_text(
        "def test(leaf_mongodb_uri):\n    assert leaf_mongodb_uri == 'mongodb://elsewhere/'\n"
    )

    output = run_pytest("test_uri.py", LEAF_TEST_MONGODB_URI="mongodb://elsewhere/")

    assert "1 passed" in output


def test_failed_start_is_one_line_in_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_uri.py").write_text("def test(leaf_mongodb_uri):\n    pass\n")

    output = run_pytest("test_uri.py", LEAF_MONGOD="/nothing/here")

    assert "1 error" in output
    assert "LEAF_MONGOD=/nothing/here: not an" in output
    assert "Traceback" not in output


def test_plugin_imports_nothing_heavy() -> None:
    loaded = "import sys, pytest, leafmongo.pytest_plugin; print(*sys.modules)"

    modules = set(python("-c", loaded).stdout.split())

    assert not modules & {
        "pymongo",
        "bson",
        "numpy",
        "platformdirs",
        "leafmongo.deployment.deployment",
    }
