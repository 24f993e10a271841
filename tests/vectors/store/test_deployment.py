import os
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment
from leafsearch.config import load
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store import deployment_uri
from leaftests.paths import ROOT

FIELDS = {"fields": [{"type": "vector", "path": "v", "numDimensions": 2, "similarity": "cosine"}]}


def test_a_first_search_after_a_start_finds_stored_chunks(tmp_path: Path) -> None:
    with LocalDeployment(tmp_path) as deployment, MongoClient(deployment.uri) as client:
        client["db"]["c"].insert_many([{"v": [n + 1, 1]} for n in range(5000)])
        client["db"]["c"].create_search_index(SearchIndexModel(FIELDS, "i", "vectorSearch"))
    messages: list[str] = []

    chosen = load({}, home=tmp_path)

    uri = deployment_uri(chosen, messages.append)

    try:
        stage = {"index": "i", "path": "v", "queryVector": [1, 1], "limit": 3, "exact": True}
        with MongoClient(uri) as client:
            assert len(list(client["db"]["c"].aggregate([{"$vectorSearch": stage}]))) == 3
        assert deployment_uri(chosen, messages.append) == uri
        (line,) = messages
        assert f"using the local MongoDB in {tmp_path} (started" in line
    finally:
        LocalDeployment(tmp_path).stop()


def test_a_running_deployment_is_reported_at_its_first_use_only(tmp_path: Path) -> None:
    messages: list[str] = []

    with LocalDeployment(tmp_path):
        for _ in range(2):
            deployment_uri(load({}, home=tmp_path), messages.append)

    (line,) = messages
    assert f"using the local MongoDB in {tmp_path} (running)" in line


def test_a_mongodb_uri_is_used_without_a_message() -> None:
    chosen = load({}, mongodb_uri="mongodb://elsewhere/")

    assert deployment_uri(chosen, lambda line: pytest.fail(line)) == "mongodb://elsewhere/"


def test_a_local_deployment_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAF_MONGOD", "/nowhere/mongod")

    with pytest.raises(DeploymentError, match="LEAF_MONGOD=/nowhere/mongod"):
        deployment_uri(load({}, home=tmp_path), lambda line: None)


def test_without_leafmongo_the_error_says_what_to_do(core_only: Path, tmp_path: Path) -> None:
    """Also in a checkout, whose folder leafmongo/ Python takes for an empty package."""
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "leafsearch.search", "oak"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "pip install 'leafsearch[local]'" in ended.stderr
