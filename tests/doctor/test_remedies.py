"""What the doctor recommends helps: its commands are run as printed, and all is well then."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.doctor import Finding, Severity
from leafsearch.ingest import Document
from leafsearch.vectors import load_encoder
from leafsearch.vectors.store import MANIFESTS, TRANSFORMS
from leaftests.doctor import (
    Examined,
    Foreign,
    Ingested,
    change,
    complaints,
    corpus,
    float32,
    int8,
    make_index,
    wait_until_ready,
)

Mongo = Collection[Any]
Run = Callable[..., "CompletedProcess[str]"]
Obey = Callable[..., list[str]]

HASHED = {"LEAF_TEACHER": "hashing:128", "LEAF_STUDENT": "hashing:128", "LEAF_STORAGE": "full"}


@pytest.fixture
def obey(run: Run, mongodb_uri: str) -> Obey:
    """Runs each command of a message as it is printed; PATH is a file of the corpus, which is what
    a user has to know. Gives back the commands."""

    def obeyed(finding: Finding, **environ: str) -> list[str]:
        assert finding.level is not Severity.OK
        assert "***" not in finding.message
        commands = re.findall(r"`([^`]+)`", finding.message)
        write_corpus("corpus.jsonl")
        for command in commands:
            words = ["corpus.jsonl" if w == "PATH" else w for w in shlex.split(command)]
            ended = run(*words, **{"MONGODB_URI": mongodb_uri, **environ})
            assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return commands

    return obeyed


def write_corpus(path: str, **fields: Any) -> None:
    records = [{"id": d.id, "text": d.text, **d.metadata, **fields} for d in corpus()]
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))


def values(stored: bytes) -> np.ndarray:
    return np.frombuffer(stored, "<f4", offset=2)


def other_text(collection: Mongo, n: int) -> None:
    row = load_encoder("hashing:128").encode_documents(["unheard of"])[0]
    change(collection, "embedding", float32(row), n)


def redefine(collection: Mongo, **changed: Any) -> None:
    field = {"type": "vector", "path": "embedding", "numDimensions": 128}
    field["similarity"] = "dotProduct"
    collection.update_search_index("leaf_vectors", {"fields": [{**field, **changed}]})
    wait_until_ready(collection, "leaf_vectors")


def manifest(collection: Mongo, **changed: Any) -> None:
    collection.database[MANIFESTS].update_one({"_id": "c"}, {"$set": changed})


def lose_vectors(collection: Mongo) -> None:
    change(collection, "embedding", None, 2)
    collection.update_one({"_id": "9#0"}, {"$unset": {"embedding": 1}})


VECTOR_FAULTS: dict[str, tuple[str, Callable[[Mongo], Any]]] = {
    "missing": ("vectors", lose_vectors),
    "all missing": ("vectors", lambda c: c.update_many({}, {"$unset": {"embedding": 1}})),
    "zeros": ("vector values", lambda c: change(c, "embedding", float32([0] * 128))),
    "NaN": ("vector values", lambda c: change(c, "embedding", float32([np.nan] * 128))),
    "not indexed": ("indexed documents", lambda c: change(c, "embedding", float32([np.inf] * 128))),
    "size": ("vector dimensions", lambda c: change(c, "embedding", float32([1] + [0] * 63))),
    "length": ("vector length", lambda c: change(c, "embedding", lambda v: float32(values(v) * 3))),
    "arrays": ("vector type", lambda c: change(c, "embedding", lambda v: values(v).tolist())),
    "int8": ("vector type", lambda c: change(c, "embedding", lambda v: int8(values(v) * 127))),
    "a string": ("vector type", lambda c: change(c, "embedding", "0.1, 0.2")),
    "several": ("vector type", lambda c: change(c, "embedding", lambda v: [v, v])),
    "texts": ("texts", lambda c: change(c, "text", "something else altogether")),
    "a few of others": ("teacher", lambda c: other_text(c, 6)),
    "all of others": ("teacher", lambda c: other_text(c, 60)),
}


@pytest.mark.parametrize("fault", VECTOR_FAULTS)
def test_faulty_vectors_are_encoded_again(
    ingested: Ingested, examined: Examined, obey: Obey, fault: str
) -> None:
    check, plant = VECTOR_FAULTS[fault]
    plant(ingested())

    commands = obey(examined()[check])

    assert [command.split()[:2] for command in commands] == [["leaf-ingest", "repair"]]
    assert complaints(examined()) == {}


@pytest.mark.parametrize("fault", ["missing", "zeros", "size", "arrays", "int8", "several"])
def test_an_ordinary_run_sees_what_the_server_can_tell(
    ingested: Ingested, examined: Examined, run: Run, mongodb_uri: str, fault: str
) -> None:
    collection = ingested()
    VECTOR_FAULTS[fault][1](collection)
    write_corpus("corpus.jsonl")

    names = ("--database", collection.database.name, "--collection", "c", "--json")
    ended = run("leaf-ingest", "corpus.jsonl", *names, MONGODB_URI=mongodb_uri)

    assert json.loads(ended.stdout)["encoded"] == 3
    assert complaints(examined()) == {}


def test_documents_of_others_among_ours_are_left_alone(
    ingested: Ingested, run: Run, mongodb_uri: str
) -> None:
    collection = ingested()
    theirs = {"_id": "theirs", "text": "of another program", "hash": "1"}
    collection.insert_one(theirs)
    change(collection, "embedding", None)

    names = ("--database", collection.database.name, "--collection", "c", "--json")
    ended = run("leaf-ingest", "repair", "--all", *names, MONGODB_URI=mongodb_uri)

    assert json.loads(ended.stdout)["encoded"] == 60
    assert collection.find_one({"_id": "theirs"}) == theirs


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_codes_are_made_again_as_they_were(
    ingested: Ingested, examined: Examined, obey: Obey, precision: str
) -> None:
    collection = ingested(precision=precision)
    before = {d["_id"]: d["embedding"] for d in collection.find()}
    change(collection, "embedding", "gone")

    obey(examined()["vector type"])

    assert {d["_id"]: d["embedding"] for d in collection.find()} == before
    assert complaints(examined()) == {}


def test_what_was_encoded_under_headings_needs_its_source(
    ingested: Ingested, examined: Examined, run: Run, mongodb_uri: str
) -> None:
    text = "# Oaks\n\n## Bark\n\n" + "Each of them is rough and old. " * 9
    collection = ingested([Document("a.md", text)], heading_trail=True, chunk_tokens=16)
    before = {d["_id"]: d["embedding"] for d in collection.find()}
    collection.update_many({}, {"$set": {"embedding": float32([np.nan] * 128)}})
    Path("a.jsonl").write_text(json.dumps({"id": "a.md", "text": text}) + "\n")

    names = ("--database", collection.database.name, "--collection", "c")
    mended = run("leaf-ingest", "repair", "--json", "--wait", 0, *names, MONGODB_URI=mongodb_uri)
    left = json.loads(mended.stdout)["left"]
    (command,) = re.findall(r"`([^`]+)`", mended.stderr)
    ended = run(*shlex.split(command.replace("PATH", "a.jsonl")), MONGODB_URI=mongodb_uri)

    assert left > 0
    assert ended.returncode == 0, ended.stderr
    assert {d["_id"]: d["embedding"] for d in collection.find()} == before


def test_vectors_in_place_are_mended_in_place(
    database: Database[Any], examined: Examined, run: Run, mongodb_uri: str, obey: Obey
) -> None:
    database["c"].insert_many([{"_id": d.id, "text": d.text, "n": 1} for d in corpus()])
    path = f"mongodb:{database.name}.c"
    run("leaf-ingest", path, "--in-place", MONGODB_URI=mongodb_uri, **HASHED)
    assert complaints(examined()) == {}

    for check, field, value in (
        ("vectors", "embedding", None),
        ("vector values", "embedding", float32([np.nan] * 128)),
        ("vector length", "embedding", float32([3] + [0] * 127)),
        ("texts", "text", "something else altogether"),
    ):
        change(database["c"], field, value)
        assert obey(examined()[check])
        assert complaints(examined()) == {}, check


INDEX_FAULTS: dict[str, tuple[str, Callable[[Mongo], Any]]] = {
    "gone": ("index", lambda c: c.drop_search_index("leaf_vectors")),
    "of another name": ("index", lambda c: manifest(c, index="leaf_vektors")),
    "text index gone": ("index definition", lambda c: c.drop_search_index("leaf_vectors_text")),
    "similarity": ("index definition", lambda c: redefine(c, similarity="euclidean")),
    "quantization": ("index definition", lambda c: redefine(c, quantization="scalar")),
    "dimensions": ("index definition", lambda c: redefine(c, numDimensions=64)),
}


@pytest.mark.parametrize("fault", INDEX_FAULTS)
def test_indexes_become_what_the_manifest_says(
    ingested: Ingested, examined: Examined, obey: Obey, fault: str
) -> None:
    check, plant = INDEX_FAULTS[fault]
    plant(ingested(hybrid=True))

    assert obey(examined()[check])

    assert complaints(examined()) == {}


def test_a_misspelt_filter_path_is_declared_right(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    ingested(filters=["metadata.evn"])

    commands = obey(examined()["filter paths"])

    assert ["--filter-field" in commands[0], "repair" in commands[1]] == [True, True]
    assert complaints(examined()) == {}
    assert "documents have document, metadata.even" in examined()["filter paths"].message


def test_values_are_mended_where_they_come_from(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    wrong = [Document(d.id, d.text, metadata={**d.metadata, "n": str(d.id)}) for d in corpus()[:9]]
    ingested([*wrong, *corpus()[9:]], filters=["metadata.n"])

    obey(examined()["filter values"])

    assert complaints(examined()) == {}


def test_quantization_that_costs_too_much_is_built_without(
    ingested: Ingested, examined: Examined, run: Run, mongodb_uri: str
) -> None:
    """Signs alone say little of texts of few words."""
    random = np.random.default_rng(7)
    words = ["".join(random.choice([*"abcdefgh"], size=3)) for _ in range(60)]
    texts = [" ".join(random.choice(words, size=12)) for _ in range(600)]
    ingested([Document(str(i), t) for i, t in enumerate(texts)], quantization="binary")
    lines = [json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(texts)]
    Path("many.jsonl").write_text("".join(lines))

    finding = examined(num_candidates=20)["recall"]
    (command,) = re.findall(r"`([^`]+)`", finding.message)
    words = shlex.split(command.replace("PATH", "many.jsonl"))
    ended = run(*words, MONGODB_URI=mongodb_uri)

    assert words[:5] == ["leaf-ingest", "many.jsonl", "--rebuild", "--quantization", "none"]
    assert ended.returncode == 0, ended.stderr
    assert complaints(examined()) == {}


@pytest.mark.parametrize("fault", ["chunks", "index", "empty"])
def test_leftovers_of_a_rebuild_are_dropped(
    ingested: Ingested, examined: Examined, obey: Obey, run: Run, mongodb_uri: str, fault: str
) -> None:
    database = ingested().database
    write_corpus("corpus.jsonl")
    names = ("--database", database.name, "--collection", "c")
    built = run("leaf-ingest", "corpus.jsonl", "--rebuild", *names, MONGODB_URI=mongodb_uri)
    assert built.returncode == 0, built.stderr
    if fault == "empty":
        database["c"].delete_many({"generation": None})
    else:
        database[MANIFESTS].update_one({"_id": "c"}, {"$unset": {"previous": ""}})
    if fault == "index":
        database["c"].delete_many({"generation": None})

    findings = examined()
    assert findings["generations"].level is not Severity.SKIPPED, findings
    (command,) = obey(findings["generations"])

    assert "retire" in command
    assert complaints(examined()) == {}


def test_a_misspelt_collection(ingested: Ingested, examined: Examined, obey: Obey) -> None:
    ingested()

    (command,) = obey(examined(where={"collection": "cc"})["collection"])

    assert "--collection c" in command


def test_an_empty_collection(database: Database[Any], examined: Examined, obey: Obey) -> None:
    database.create_collection("c")

    obey(examined()["collection"], **HASHED)

    assert complaints(examined()) == {}


@pytest.mark.parametrize("fault", ["format", "no teacher", "gone"])
def test_without_a_manifest_the_documents_go_elsewhere(
    ingested: Ingested, examined: Examined, obey: Obey, fault: str
) -> None:
    manifests = ingested().database[MANIFESTS]
    if fault == "gone":
        manifests.delete_one({"_id": "c"})
    else:
        change = {"$unset": {"teacher": 1}} if fault == "no teacher" else {"$set": {"format": 99}}
        manifests.update_one({"_id": "c"}, change)

    obey(examined()["manifest"], **HASHED)

    assert complaints(examined(where={"collection": "c_2"})) == {}


def test_a_time_series(database: Database[Any], examined: Examined, obey: Obey) -> None:
    database.create_collection("c", timeseries={"timeField": "at"})

    obey(examined()["collection"], **HASHED)

    assert complaints(examined(where={"collection": "c_2"})) == {}


def test_a_student_of_another_space_gives_way_to_the_teacher(
    ingested: Ingested, examined: Examined, obey: Obey, published_pair: tuple[str, str]
) -> None:
    other = load_encoder(published_pair[1]).revision
    found = {"name": published_pair[1], "revision": other, "probe": None}
    manifest(ingested(), **{f"students.default.{k}": v for k, v in found.items()})

    finding = examined()["student"]
    (command,) = obey(finding)

    assert "--teacher hashing:128 --student hashing:128" in command
    assert complaints(examined()) == {}


def test_a_student_that_changed_under_its_name_is_taken_as_it_is_now(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    row = load_encoder("hashing:128").encode_queries(["another"])[0]
    manifest(ingested(), **{"students.default.probe": float32(row)})

    (command,) = obey(examined()["student"])

    assert "--rebuild" in command
    assert complaints(examined()) == {}


@pytest.mark.long
def test_a_teacher_that_changed_under_its_name_is_taken_as_it_is_now(
    ingested: Ingested, examined: Examined, obey: Obey, stranger: str
) -> None:
    then = {"name": stranger, "revision": "sha256:of-another-time"}
    sides = {f"{side}.{k}": v for side in ("teacher", "students.default") for k, v in then.items()}
    manifest(ingested(), **sides)

    (command,) = obey(examined()["teacher"])

    assert f"--teacher {stranger} --student {stranger}" in command
    assert complaints(examined()) == {}


def test_second_vectors_are_encoded_again(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    collection = ingested(precision="binary", beside="int8")
    before = {d["_id"]: d["embedding_int8"] for d in collection.find()}
    for value in (None, before["9#0"]):
        change(collection, "embedding_int8", value)

        (command,) = obey(examined()["second vectors"])

        assert "repair" in command
        assert {d["_id"]: d["embedding_int8"] for d in collection.find()} == before
        assert complaints(examined()) == {}


@pytest.mark.parametrize("fault", ["gone", "damaged"])
def test_vectors_whose_matrix_is_lost_are_built_beside(
    ingested: Ingested, examined: Examined, obey: Obey, fault: str
) -> None:
    database = ingested(dimensions=64, transform="pca").database
    if fault == "gone":
        database[TRANSFORMS].drop()
    else:
        database[TRANSFORMS].update_one({}, {"$set": {"data": b"123"}})

    obey(examined()["transform"])

    assert complaints(examined()) == {}


def test_vectors_that_do_not_fit_the_transform_are_encoded_again(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    rows = load_encoder("hashing:128").encode_documents([d.text for d in corpus()])[:, :64]
    collection = ingested(dimensions=64, transform="pca")
    for document, row in zip(corpus(), rows, strict=True):
        plain = float32(row / np.linalg.norm(row))
        collection.update_one({"document": document.id}, {"$set": {"embedding": plain}})

    (command,) = obey(examined()["teacher"])

    assert "repair --all" in command
    assert complaints(examined()) == {}


def test_a_matrix_that_no_manifest_names_is_deleted(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    transforms = ingested(dimensions=64, transform="pca").database[TRANSFORMS]
    transforms.insert_one({"_id": "0/0", "transform": "0", "part": 0, "data": b"0"})

    (command,) = obey(examined()["transform"])

    assert "retire" in command
    assert transforms.count_documents({}) == 1
    assert complaints(examined()) == {}


def test_int8_without_its_scale_is_built_beside(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    manifest(ingested(precision="int8"), scale=None)

    obey(examined()["manifest"])

    assert complaints(examined()) == {}


def test_documents_of_another_program_get_vectors_of_ours(
    foreign: Foreign, examined: Examined, obey: Obey
) -> None:
    foreign()

    look, ingest = obey(examined()["manifest"], **HASHED)

    assert "leaf-search doctor --path v" in look
    assert "--text-field body" in ingest
    assert complaints(examined()) == {}


def test_a_setting_that_contradicts_is_left_out_or_built(
    ingested: Ingested, examined: Examined, obey: Obey
) -> None:
    ingested()
    other = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}
    finding = examined(environ=other)["manifest"]

    obey(finding, **other)

    asked = "LEAF_TEACHER in the environment, LEAF_STUDENT in the environment"
    assert f"Drop {asked} to keep" in finding.message
    assert complaints(examined(environ=other)) == {}


def test_options_of_the_doctor_are_repeated_with_the_right_one(
    foreign: Foreign, run: Run, mongodb_uri: str, database: Database[Any]
) -> None:
    collection = foreign()
    field = {"type": "vector", "path": "v", "numDimensions": 64, "similarity": "cosine"}
    make_index(collection, "second", field)
    asked = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")

    def findings(*command: str) -> dict[str, dict[str, Any]]:
        ended = run(*command, "--json")
        return {f["check"]: f for f in map(json.loads, ended.stdout.splitlines())}

    doctor = ("leaf-search", "doctor", *asked, "--text-field", "bdy", "--sample", "50")
    faults = (("vecs", "index"), ("v", "index"), ("v", "texts"))
    command: tuple[str, ...] = (*doctor, "--path", "vecs", "--index", "theirs")
    for path, check in faults:
        finding = findings(*command)[check]
        assert finding["level"] == "problem", (path, finding)
        (hint,) = re.findall(r"`([^`]+)`", finding["message"])
        command = tuple(shlex.split(hint))
        assert set(asked) <= set(command)
        if check == "index" and path == "vecs":
            command = (*doctor, "--path", "v")
    ended = findings(*command)

    assert {f["level"] for f in ended.values()} == {"ok", "skipped"}
