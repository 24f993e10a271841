"""Collections whose vectors are rotated before they are cut."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.vectors import load_encoder
from leafsearch.vectors.store import TRANSFORMS, read_manifest

Run = Callable[..., CompletedProcess[str]]
FORM = ("--dimensions", 32, "--precision", "float32", "--quantization", "none")


@pytest.fixture
def corpus() -> Path:
    words = [
        "oak",
        "elm",
        "ash",
        "sea",
        "bay",
        "tide",
        "pump",
        "valve",
        "seal",
        "rod",
        "lid",
        "grease",
    ]
    lines = [
        {"id": f"d{n}", "text": " ".join(words[(n * k + k) % 12] for k in range(1, 7)) + f" {n}"}
        for n in range(400)
    ]
    path = Path("corpus.jsonl")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def first_text(corpus: Path) -> str:
    text: str = json.loads(corpus.read_text().splitlines()[0])["text"]
    return text


def find(run: Run, uri: str, database: str, query: str) -> list[Any]:
    where = ("--uri", uri, "--database", database, "-k", 3, "--json")
    ended = run("leaf-search", query, *where)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_documents_and_queries_go_through_one_rotation(
    leaf_ingest: Run, run: Run, mongodb_uri: str, database: Database[Any], corpus: Path
) -> None:
    ended = leaf_ingest(corpus, *FORM, "--transform", "pca")
    manifest = read_manifest(database, "chunks")

    assert ended.returncode == 0, ended.stderr
    assert "leaf-ingest: transform pca: 32 of 64 dimensions keep" in ended.stderr
    assert manifest.transform is not None
    assert (manifest.transform.dimensions, manifest.transform.sample) == (64, 400)
    assert database[TRANSFORMS].count_documents({}) == 1
    (best, *_) = find(run, mongodb_uri, database.name, first_text(corpus))
    assert best["id"] == "d0#0"
    assert best["similarity"] > 0.98  # queries are weighted


def test_a_later_run_uses_the_stored_rotation_and_another_one_is_refused(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *FORM, "--transform", "pca")
    first = read_manifest(database, "chunks")
    with corpus.open("a") as file:
        file.write('{"id": "new", "text": "a new pump"}\n')

    again = leaf_ingest(corpus, *FORM)
    refused = leaf_ingest(corpus, *FORM, "--transform", "none")

    assert again.returncode == 0, again.stderr
    assert "1 encoded" in again.stdout
    assert read_manifest(database, "chunks") == first
    assert refused.returncode == 1
    assert "transform is pca, requested none" in refused.stderr
    assert "--transform" in refused.stderr


def test_a_rebuild_rotates_an_existing_collection(
    leaf_ingest: Run, run: Run, mongodb_uri: str, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *FORM, "--transform", "none")
    assert read_manifest(database, "chunks").transform is None
    leaf_ingest(corpus, *FORM, "--rebuild", "--heading-trail")
    assert read_manifest(database, "chunks").transform is None  # as before
    leaf_ingest("retire")

    ended = leaf_ingest(corpus, *FORM, "--rebuild", "--transform", "pca")
    manifest = read_manifest(database, "chunks")

    assert ended.returncode == 0, ended.stderr
    assert (manifest.generation, manifest.transform is not None) == (3, True)
    (best, *_) = find(run, mongodb_uri, database.name, first_text(corpus))
    assert best["document"] == "d0"

    back = leaf_ingest("rollback")
    assert back.returncode == 0, back.stderr
    assert read_manifest(database, "chunks").transform is None


def test_new_collections_measure_whether_a_rotation_is_worth_it(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    ended = leaf_ingest(corpus, *FORM)
    manifest = read_manifest(database, "chunks")

    assert ended.returncode == 0, ended.stderr
    kind = manifest.transform.kind if manifest.transform else "none"
    assert f"leaf-ingest: transform {kind}: 32 of 64 dimensions keep" in ended.stderr
    assert "(400 chunks)" in ended.stderr


def test_two_first_runs_agree_on_one_rotation(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    lines = corpus.read_text().splitlines(keepends=True)
    Path("a.jsonl").write_text("".join(lines[:300]))
    Path("b.jsonl").write_text("".join(lines[100:]))

    with ThreadPoolExecutor(2) as pool:
        orders = [pool.submit(leaf_ingest, f"{p}.jsonl", *FORM, "--transform", "pca") for p in "ab"]
        ended = [order.result() for order in orders]

    assert [e.returncode for e in ended] == [0, 0], [e.stderr for e in ended]
    assert database["chunks"].count_documents({}) == 400
    codec = read_manifest(database, "chunks").codec
    assert all(codec.is_sound(chunk["embedding"]) for chunk in database["chunks"].find())


def test_an_unknown_kind_is_wrong_usage(leaf_ingest: Run, corpus: Path) -> None:
    ended = leaf_ingest(corpus, "--transform", "pcs")

    assert ended.returncode == 2
    assert "--transform pcs: expected one of auto, none, pca" in ended.stderr


def forget_times(database: Database[Any]) -> None:
    """As if the matrices had been written long ago."""
    database[TRANSFORMS].update_many({}, {"$unset": {"written": ""}})


def test_matrices_go_with_their_generations(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *FORM, "--transform", "pca")
    first = read_manifest(database, "chunks").transform
    leaf_ingest(corpus, "--rebuild", "--dimensions", 24, "--transform", "pca")
    second = read_manifest(database, "chunks").transform
    forget_times(database)

    back = leaf_ingest("rollback")
    kept = set(database[TRANSFORMS].distinct("transform"))
    forth = leaf_ingest(corpus, "--rebuild", "--dimensions", 24, "--transform", "pca")
    forget_times(database)
    retired = leaf_ingest("retire", "--json")

    assert [e.returncode for e in (back, forth, retired)] == [0, 0, 0], forth.stderr
    assert first is not None
    assert second is not None
    assert kept == {first.checksum, second.checksum}
    assert json.loads(retired.stdout) == {
        "generation": 2,
        "indexes": 1,
        "chunks": 400,
        "transforms": 1,
    }
    assert database[TRANSFORMS].distinct("transform") == [second.checksum]


def test_rollback_to_vectors_whose_matrix_is_lost_is_refused(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *FORM, "--transform", "pca")
    leaf_ingest(corpus, "--rebuild", "--transform", "none", "--dimensions", 24)
    database[TRANSFORMS].drop()

    ended = leaf_ingest("rollback")

    assert ended.returncode == 1
    assert "the transform of chunks is missing in leaf_transforms" in ended.stderr
    assert read_manifest(database, "chunks").generation == 2


def test_a_dropped_collection_that_is_made_again_leaves_no_matrix(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *FORM, "--transform", "pca")
    forget_times(database)
    database["chunks"].drop()

    ended = leaf_ingest(corpus, "--dimensions", 24, "--transform", "pca")

    assert ended.returncode == 0, ended.stderr
    transform = read_manifest(database, "chunks").transform
    assert transform is not None
    assert database[TRANSFORMS].distinct("transform") == [transform.checksum]


def test_a_rebuild_fits_on_all_documents_and_not_on_the_first_again(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    """The first chunks alone would give the same transform again, whatever came later."""
    random = np.random.default_rng(1)
    for name, count in (("tree", 2200), ("engine", 2200)):
        words = [f"{name}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
        lines = [
            {"id": f"{name}{n}", "text": " ".join(random.choice(words, size=12))}
            for n in range(count)
        ]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    leaf_ingest("tree.jsonl", *FORM, "--transform", "pca")
    leaf_ingest("engine.jsonl", *FORM)
    first = read_manifest(database, "chunks").transform

    both = ("tree.jsonl", "engine.jsonl")
    ended = leaf_ingest(*both, "--rebuild", *FORM, "--transform", "pca")
    second = read_manifest(database, "chunks").transform

    assert ended.returncode == 0, ended.stderr
    assert first is not None
    assert second is not None
    assert (first.sample, second.sample) == (2048, 2048)
    engines = load_encoder("hashing:64").encode_documents([every_word("engine")])
    kept = [float(np.square(t.rotate(engines)).sum()) for t in (first, second)]
    assert kept[1] > kept[0] + 0.1


def every_word(name: str) -> str:
    return " ".join(f"{name}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")


def test_of_two_first_runs_the_one_whose_transform_lost_fails_and_says_so(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        orders = {
            kind: pool.submit(leaf_ingest, corpus, *FORM, "--transform", kind)
            for kind in ("pca", "none")
        }
        ended = {kind: order.result() for kind, order in orders.items()}

    transform = read_manifest(database, "chunks").transform
    won = transform.kind if transform else "none"
    assert ended.pop(won).returncode == 0
    (lost,) = ended.values()
    assert lost.returncode == 1
    assert f"transform is {won}, requested" in lost.stderr


def test_a_rotation_of_whole_vectors_has_nothing_to_do(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    first = leaf_ingest(corpus, "--transform", "pca")
    again = leaf_ingest(corpus, "--transform", "pca")

    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    assert "transform none: all dimensions are kept" in first.stderr
    assert read_manifest(database, "chunks").transform is None
