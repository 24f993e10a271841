from pathlib import Path

import numpy as np
import pytest

from leafsearch.evaluation import CachedModel
from leafsearch.evaluation.cached_rows import cache_folder
from leafsearch.vectors import load_encoder

TEXTS = [f"text number {n}" for n in range(1100)]


pytestmark = pytest.mark.usefixtures("own_cache")


def files() -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in cache_folder().rglob("*.npy")}


def test_rows_are_those_of_the_model_and_come_from_the_cache_again() -> None:
    wanted = load_encoder("hashing:64").encode_documents(TEXTS)

    rows = CachedModel("hashing:64", "teacher", None).encode(TEXTS, "documents", lambda line: None)
    kept = files()
    statuses: list[str] = []
    again = CachedModel("hashing:64", "teacher", None).encode(TEXTS, "documents", statuses.append)

    assert np.array_equal(rows, wanted)
    assert np.array_equal(again, wanted)
    assert (files(), statuses) == (kept, [])


def test_a_corpus_that_grew_encodes_what_is_new() -> None:
    model = CachedModel("hashing:64", "teacher", None)
    model.encode(TEXTS, "documents", lambda line: None)
    before, statuses = files(), list[str]()

    model.encode([*TEXTS, "one more"], "documents", statuses.append)

    assert statuses == ["teacher encodes documents: 1024 of 1101"]
    assert before.items() <= files().items()


def test_other_models_other_sides_and_other_roles_have_files_of_their_own() -> None:
    say = [].append
    CachedModel("hashing:64", "teacher", None).encode(TEXTS[:3], "documents", say)
    CachedModel("hashing:64", "teacher", None).encode(TEXTS[:3], "queries", say)
    CachedModel("hashing:64", "student", None).encode(TEXTS[:3], "queries", say)
    CachedModel("hashing:32", "teacher", None).encode(TEXTS[:3], "documents", say)

    assert len(files()) == 4


def test_a_model_whose_rows_are_kept_is_not_loaded(minilm: str) -> None:
    folder = CachedModel(minilm, "teacher", None)._file("queries", ["a"]).parent
    folder.mkdir(parents=True)
    np.save(CachedModel(minilm, "teacher", None)._file("queries", ["a"]), np.ones((1, 384)))
    model = CachedModel(minilm, "teacher", None)

    assert model.encode(["a"], "queries", lambda line: None).shape == (1, 384)
    assert "_encoder" not in vars(model)
    assert model.latency(["a"]) is None
