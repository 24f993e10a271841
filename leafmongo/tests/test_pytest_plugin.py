"""The page for other people's tests: its examples run as they stand, each in its own folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

from mongotests.paths import ROOT

EXAMPLES, README = (
    re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    for page in ("docs/testing.md", "README.md")
)


def python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a stranger would, in the present folder; what is installed is all there is."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def run_pytest(*arguments: object, **environment: str) -> str:
    """Without langsmith's plugin, which a stranger does not have, and which takes a second."""
    done = python("-m", "pytest", "-q", "-p", "no:langsmith_plugin", *arguments, **environment)
    return done.stdout + done.stderr


def test_the_example_with_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_films.py").write_text(EXAMPLES[0])

    assert "1 passed" in run_pytest("-W", "error", "test_films.py")


def test_the_examples_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / "test_film.py").write_text(README[0])
    (tmp_path / "example.py").write_text(README[1])

    assert "1 passed" in run_pytest("-W", "error", "test_film.py")
    done = python("-W", "error", "example.py", LEAF_HOME=str(tmp_path / "home"))
    assert done.stdout.startswith("mongodb://"), done.stderr


def test_the_example_without_pytest(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(EXAMPLES[1])

    done = python("-W", "error", "example.py")

    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout), done.stderr


def test_each_test_has_an_empty_database(tmp_path: Path) -> None:
    again = "import pytest\n@pytest.mark.parametrize('n', range(2))\n"
    body = "    leaf_mongodb.c.insert_one({})\n    assert leaf_mongodb.c.count_documents({}) == 1\n"
    (tmp_path / "test_twice.py").write_text(f"{again}def test(leaf_mongodb, n):\n{body}")

    assert "2 passed" in run_pytest("test_twice.py")


def test_another_deployment_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "test_uri.py").write_text(
        "def test(leaf_mongodb_uri):\n    assert leaf_mongodb_uri == 'mongodb://elsewhere/'\n"
    )

    told = run_pytest("test_uri.py", LEAF_TEST_MONGODB_URI="mongodb://elsewhere/")

    assert "1 passed" in told


def test_where_it_cannot_start_the_test_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "test_uri.py").write_text("def test(leaf_mongodb_uri):\n    pass\n")

    told = run_pytest("test_uri.py", LEAF_MONGOD="/nothing/here")

    assert "1 error" in told
    assert "LEAF_MONGOD=/nothing/here: not an" in told
    assert "Traceback" not in told


def test_who_does_not_use_it_imports_nothing_for_it() -> None:
    loaded = "import sys, pytest, leafmongo.pytest_plugin; print(*sys.modules)"

    modules = set(python("-c", loaded).stdout.split())

    assert not modules & {
        "pymongo",
        "bson",
        "numpy",
        "platformdirs",
        "leafmongo.deployment.deployment",
    }
