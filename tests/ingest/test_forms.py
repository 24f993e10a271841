"""Forms of stored vectors that a run chooses by bytes, and bits with int8 beside them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from bson.binary import Binary
from pymongo.database import Database

from leafsearch.vectors.store import read_manifest

Run = Callable[..., CompletedProcess[str]]
BESIDE = ("--precision", "binary", "--beside", "int8")
WORDS = ["oak", "elm", "ash", "sea", "bay", "tide", "pump", "valve", "seal", "rod", "lid", "grease"]


@pytest.fixture
def corpus() -> Path:
    lines = [
        {"id": f"d{n}", "text": " ".join(WORDS[(n * k + k) % 12] for k in range(1, 9)) + f" {n}"}
        for n in range(300)
    ]
    path = Path("corpus.jsonl")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def find(run: Run, uri: str, database: str, query: str, *options: object) -> list[Any]:
    where = ("--uri", uri, "--database", database, "-k", 5, "--json")
    ended = run("leaf-search", query, *where, *options)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def first_text(corpus: Path) -> str:
    text: str = json.loads(corpus.read_text().splitlines()[0])["text"]
    return text


@pytest.mark.parametrize("most", [20, 40, 66])
def test_a_budget_of_bytes_chooses_the_form_and_says_what_it_keeps(
    leaf_ingest: Run,
    run: Run,
    mongodb_uri: str,
    database: Database[Any],
    corpus: Path,
    most: int,
) -> None:
    ended = leaf_ingest(corpus, "--bytes", most)
    manifest = read_manifest(database, "chunks")
    stored = database["chunks"].find_one({}) or {}

    assert ended.returncode == 0, ended.stderr
    assert sum(len(v) for v in stored.values() if isinstance(v, Binary) and v.subtype == 9) <= most
    assert manifest.codec.form.bytes <= most
    assert f"leaf-ingest: {manifest.codec.form} ({manifest.codec.form.bytes} bytes" in ended.stderr
    assert "keeps an estimated" in ended.stderr
    assert find(run, mongodb_uri, database.name, first_text(corpus))[0]["document"] == "d0"

    again = leaf_ingest(corpus, "--bytes", most)
    assert again.returncode == 0, again.stderr
    if manifest.codec.form.bytes > 10:
        less = leaf_ingest(corpus, "--bytes", 10)
        assert less.returncode == 1
        assert "--bytes asks for at most 10" in less.stderr
        assert "--rebuild --bytes 10" in less.stderr


def test_first_runs_with_different_budgets_agree_if_the_form_fits_both(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        orders = [pool.submit(leaf_ingest, corpus, "--bytes", most) for most in (20, 60)]
        ended = [order.result() for order in orders]

    stored = read_manifest(database, "chunks").codec.form
    for most, each in zip((20, 60), ended, strict=True):
        if stored.bytes <= most:
            assert each.returncode == 0, each.stderr
        else:
            assert each.returncode == 1
            assert f"--bytes asks for at most {most}" in each.stderr
    assert database["chunks"].count_documents({}) == 300


def test_a_dry_run_of_few_chunks_has_the_form_of_the_run_and_no_table(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    corpus.write_text("".join(corpus.read_text().splitlines(keepends=True)[:5]))
    dry = leaf_ingest(corpus, "--bytes", 40, "--dry-run")
    run = leaf_ingest(corpus, "--bytes", 40)
    form = str(read_manifest(database, "chunks").codec.form)

    assert f"as {form}" in dry.stdout
    assert "what stored vectors cost" not in dry.stdout
    assert "5 different chunks are too few" in run.stderr
    assert "--rebuild --bytes 40" in run.stderr


def test_a_rebuild_moves_a_collection_into_a_budget(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus)
    ended = leaf_ingest(corpus, "--rebuild", "--bytes", 30)

    assert ended.returncode == 0, ended.stderr
    manifest = read_manifest(database, "chunks")
    assert (manifest.generation, manifest.codec.form.bytes <= 30) == (2, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--bytes", 9), "--bytes 9: expected 10 or more"),
        (("--bytes", 40, "--dimensions", 8), "leave out --dimensions"),
        (("--bytes", 40, "--storage", "mrl256"), "leave out --storage"),
        (("--beside", "int8"), "int8 beside precision float32: expected precision binary"),
        (("--beside", "int4"), "--beside int4: expected one of int8, float32"),
    ],
)
def test_contradictions_are_wrong_usage(
    leaf_ingest: Run, corpus: Path, options: tuple[object, ...], said: str
) -> None:
    ended = leaf_ingest(corpus, *options)

    assert ended.returncode in (1, 2)
    assert said in ended.stderr


def test_bits_in_the_index_and_int8_beside_them_rank_as_int8_does(
    leaf_ingest: Run, run: Run, mongodb_uri: str, database: Database[Any], corpus: Path
) -> None:
    ended = leaf_ingest(corpus, *BESIDE)
    assert ended.returncode == 0, ended.stderr
    assert "64 x binary + int8, 76 bytes a vector" in ended.stdout
    stored = database["chunks"].find_one({}) or {}
    (index,) = database["chunks"].list_search_indexes()
    (vector,) = [f for f in index["latestDefinition"]["fields"] if f["type"] == "vector"]

    assert (len(stored["embedding"]), len(stored["embedding_int8"])) == (10, 66)
    assert vector["path"] == "embedding"
    hits = find(run, mongodb_uri, database.name, first_text(corpus), "--rescore", 40)

    leaf_ingest(corpus, "--collection", "int8", "--precision", "int8")
    wanted = find(
        run, mongodb_uri, database.name, first_text(corpus), "--collection", "int8", "--exact"
    )
    assert [h["id"] for h in hits] == [h["id"] for h in wanted]
    for one, other in zip(hits, wanted, strict=True):
        assert one["similarity"] == pytest.approx(other["similarity"], abs=0.01)
        assert set(one) == set(other)  # the second vector is no content of a hit


def test_a_chunk_that_lost_its_second_vector_is_encoded_again(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *BESIDE)
    database["chunks"].update_one({"_id": "d1#0"}, {"$unset": {"embedding_int8": ""}})
    database["chunks"].update_one({"_id": "d2#0"}, {"$set": {"embedding_int8": b"no"}})

    ended = leaf_ingest(corpus, *BESIDE)
    assert "2 encoded" in ended.stdout
    database["chunks"].update_one({"_id": "d3#0"}, {"$unset": {"embedding_int8": ""}})
    repaired = leaf_ingest("repair")

    assert repaired.returncode == 0, repaired.stderr
    assert "encoded 1 of 300 vectors again" in repaired.stdout
    manifest = read_manifest(database, "chunks")
    assert all(manifest.is_sound(chunk) for chunk in database["chunks"].find())


def test_vectors_in_place_have_their_second_vector_beside_them(
    leaf_ingest: Run, run: Run, mongodb_uri: str, database: Database[Any]
) -> None:
    database["notes"].insert_many(
        [{"_id": n, "text": f"{WORDS[n % 12]} {WORDS[n % 7]} {n}"} for n in range(60)]
    )
    source = f"mongodb:{database.name}.notes"
    ended = leaf_ingest(source, "--collection", "notes", "--in-place", *BESIDE)
    assert ended.returncode == 0, ended.stderr
    assert database["notes"].count_documents({"embedding_int8": {"$type": "binData"}}) == 60

    where = ("--collection", "notes")
    (best, *_) = find(run, mongodb_uri, database.name, "elm elm 1", *where)
    assert best["document"] == "1"
    assert "embedding_int8" not in json.dumps(best)

    before = database["notes"].find_one({"_id": 1}) or {}
    database["notes"].update_one({"_id": 1}, {"$set": {"text": "a tide in the bay"}})
    changed = leaf_ingest(source, "--collection", "notes", "--in-place", *BESIDE)
    after = database["notes"].find_one({"_id": 1}) or {}
    assert "1 encoded" in changed.stdout
    assert all(before[path] != after[path] for path in ("embedding", "embedding_int8"))


def test_a_rebuild_to_another_precision_leaves_no_second_vector(
    leaf_ingest: Run, database: Database[Any], corpus: Path
) -> None:
    leaf_ingest(corpus, *BESIDE)
    ended = leaf_ingest(corpus, "--rebuild", "--precision", "int8")
    manifest = read_manifest(database, "chunks")

    assert ended.returncode == 0, ended.stderr
    assert (manifest.precision, manifest.beside) == ("int8", None)
    refused = leaf_ingest(corpus, "--beside", "int8", "--precision", "binary")
    assert refused.returncode == 1
    assert "precision is int8, requested binary" in refused.stderr


def test_a_dry_run_shows_what_forms_cost_and_keep(leaf_ingest: Run, corpus: Path) -> None:
    ended = leaf_ingest(corpus, "--dry-run")
    shown = json.loads(leaf_ingest(corpus, "--dry-run", "--json", "--bytes", 20).stdout)
    forms = shown["forms"]
    (chosen,) = [form for form in forms if form["is_chosen"]]

    assert ended.returncode == 0, ended.stderr
    assert "what stored vectors cost and keep, estimated on the first chunks" in ended.stdout
    assert ended.stdout.count("<- this run") == 1
    assert [form["bytes"] for form in forms] == sorted(form["bytes"] for form in forms)
    assert chosen["bytes"] <= 20
    assert all(0 < form["quality"] <= 1 for form in forms)
