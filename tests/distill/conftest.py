import json
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from leaftests.distill.making import built, centred, collection, commanded, saved
from leaftests.distill.result import Result


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A teacher that can be learnt from, with four layers and a prompt for queries."""
    folder = tmp_path_factory.mktemp("teacher")
    return saved(centred(built(folder / "bert", width=64, layers=4, seed=1)), folder / "model")


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python's own reference, a topic a document."""
    file = tmp_path_factory.mktemp("texts") / "topics.jsonl"
    records = [{"id": name, "title": name, "text": text} for name, text in topics.items()]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


@pytest.fixture(scope="session")
def result(
    teacher: str, texts: Path, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    """Distilled once, and measured with a test collection."""
    folder = tmp_path_factory.mktemp("result")
    ended = commanded(
        *("--teacher", teacher, "--texts", texts, "--out", folder / "student", "--json"),
        *("--examples", 1_500, "--epochs", 3, "--batch", 64, "--learning-rate", 0.01),
        *("--evaluate", collection(folder / "small")),
        MONGODB_URI=mongodb_uri,
    )
    assert ended.code == 0, ended.err
    return Result(folder / "student", json.loads(ended.out), ended.err)
