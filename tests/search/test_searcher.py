from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from leafsearch.config import LeafError, load
from leafsearch.ingest import Document
from leafsearch.search import FilterError, NoHits, QueryError, Searcher
from leafsearch.vectors import IndexMissing, ManifestError, ModelError, load_encoder
from leafsearch.vectors.store import MANIFESTS
from leaftests.search.corpora import QUESTION, WORDS, corpus

Made = Callable[..., Searcher]


def expected_order(
    searcher: Searcher, database: Database[Any]
) -> tuple[list[str], dict[str, float]]:
    """By plain numpy on the stored bytes: ids by falling score, and every score."""
    manifest = searcher.manifest
    chunks = list(database["c"].find())
    rows = load_encoder("hashing:128").encode_queries([QUESTION])
    query = manifest.codec.encode(manifest.codec.project_queries(rows))[0]
    scores = {c["_id"]: score(query, c["embedding"], manifest.precision) for c in chunks}
    return sorted(scores, key=lambda i: (-scores[i], i)), scores


def score(query: bytes, stored: bytes, precision: str) -> float:
    if precision == "binary":
        bits = np.unpackbits(
            np.frombuffer(query[2:], np.uint8) ^ np.frombuffer(stored[2:], np.uint8)
        )
        return 1 - bits.sum() / len(bits)
    kind = {"float32": "<f4", "int8": np.int8}[precision]
    a, b = (np.frombuffer(v[2:], kind).astype(float) for v in (query, stored))
    return (1 + a @ b / (np.linalg.norm(a) * np.linalg.norm(b))) / 2


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
@pytest.mark.parametrize("dimensions", [128, 64])
def test_ids_and_scores_equal_a_plain_numpy_computation(
    made: Made, database: Database[Any], precision: str, dimensions: int, exact: bool
) -> None:
    searcher = made(corpus(), precision=precision, dimensions=dimensions)
    order, scores = expected_order(searcher, database)

    hits = searcher.search(QUESTION, k=300, exact=exact)

    assert len(hits) == 300
    assert [h.score for h in hits] == pytest.approx([scores[h.id] for h in hits], abs=1e-6)
    if precision != "binary":
        assert [round(scores[h.id], 6) for h in hits] == [round(scores[i], 6) for i in order]
        assert [h.similarity for h in hits] == pytest.approx(
            [2 * scores[h.id] - 1 for h in hits], abs=2e-6
        )


def test_bits_are_ordered_by_the_float_query_against_them(
    made: Made, database: Database[Any]
) -> None:
    searcher = made(corpus(), precision="binary")
    query = load_encoder("hashing:128").encode_queries([QUESTION])[0]
    cosines = {
        c["_id"]: float(
            query @ (np.unpackbits(np.frombuffer(c["embedding"][2:], np.uint8)) * 2.0 - 1)
        )
        / np.sqrt(128)
        for c in database["c"].find()
    }
    order = sorted(cosines, key=lambda i: (-cosines[i], i))

    hits = searcher.search(QUESTION, k=300)

    assert [h.similarity for h in hits] == pytest.approx([cosines[i] for i in order], abs=1e-5)
    assert [h.score for h in hits] != sorted((h.score for h in hits), reverse=True)


def test_a_few_of_many_bits_are_the_best_of_a_larger_pool(made: Made) -> None:
    searcher = made(corpus(), precision="binary")

    few, all_of_them = searcher.search(QUESTION, k=5), searcher.search(QUESTION, k=300)

    assert len(few) == 5
    assert few[0].similarity == all_of_them[0].similarity


def test_a_hit_carries_what_was_stored(made: Made) -> None:
    when = datetime(2024, 5, 1, tzinfo=UTC)
    searcher = made([Document("a", "ash bay", "Trees", {"title": "Trees", "at": when})])

    (hit,) = searcher.search("ash bay")

    assert (hit.id, hit.document, hit.position, hit.text) == ("a#0", "a", 0, "ash bay")
    assert hit.metadata == {"title": "Trees", "at": when}
    assert 0 < hit.similarity < 1
    assert hit.score == pytest.approx((1 + hit.similarity) / 2)


@pytest.mark.parametrize("precision", ["float32", "binary"])
def test_a_filter_applies_before_the_nearest_are_chosen(made: Made, precision: str) -> None:
    searcher = made(corpus(), precision=precision, filters=["metadata.n", "metadata.even"])

    hits = searcher.search(
        QUESTION, k=20, filter={"metadata.n": {"$gte": 100, "$lt": 150}, "metadata.even": True}
    )

    assert len(hits) == 20
    assert {h.metadata["n"] for h in hits} <= set(range(100, 150, 2))


def test_every_search_can_be_narrowed_to_documents(made: Made) -> None:
    searcher = made(corpus())

    hits = searcher.search(QUESTION, filter={"document": {"$in": ["7", "8"]}})

    assert {h.document for h in hits} == {"7", "8"}


def test_a_filter_that_nothing_passes_gives_nothing(made: Made) -> None:
    assert made(corpus(5)).search(QUESTION, filter={"document": "none"}) == []


def test_an_undeclared_filter_path_is_refused(made: Made) -> None:
    with pytest.raises(FilterError, match=r"--filter-field metadata\.n"):
        made(corpus(5)).search(QUESTION, filter={"metadata.n": 1})


@pytest.mark.parametrize("quantization", ["scalar", "binary"])
def test_the_servers_quantization_finds_the_same_best(made: Made, quantization: str) -> None:
    searcher = made(corpus(), quantization=quantization)

    exact = [h.id for h in searcher.search(QUESTION, k=10, exact=True)]
    quantized = [h.id for h in searcher.search(QUESTION, k=10)]

    assert len(set(exact) & set(quantized)) >= 7


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"question": "  "}, "expected some text"),
        ({"k": 0}, "at least 1"),
        ({"k": 2.0}, "whole number"),
        ({"k": 10_001}, "at most 10000"),
        ({"k": 10, "num_candidates": 9}, "expected 10 (k) to 10000"),
        ({"num_candidates": 10_001}, "to 10000"),
        ({"num_candidates": 100, "exact": True}, "leave num_candidates out"),
    ],
)
def test_a_query_that_cannot_be_is_refused(
    made: Made, arguments: dict[str, Any], expected: str
) -> None:
    searcher = made(corpus(2))

    with pytest.raises(QueryError) as caught:
        searcher.search(**{"question": QUESTION, **arguments})
    assert expected in str(caught.value)


def test_a_question_that_is_cut_is_reported(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made(corpus(2)).search("ash " * 600)

    assert "600 tokens; the student reads only the first 512" in caplog.text


def test_an_index_that_is_gone_is_an_error_when_opening_and_when_searching(
    made: Made, database: Database[Any], mongodb_uri: str, opener: Any
) -> None:
    searcher = made(corpus(5))
    database["c"].drop_search_index("leaf_vectors")

    with pytest.raises(IndexMissing, match="has no search index 'leaf_vectors'"):
        searcher.search(QUESTION)
    with pytest.raises(IndexMissing):
        opener.open(mongodb_uri, load({}, database=database.name, collection="c"))


def test_a_misspelt_index_is_an_error_that_names_those_there(
    made: Made, database: Database[Any], mongodb_uri: str, opener: Any
) -> None:
    made(corpus(5))
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": {"index": "leaf_vektors"}})

    with pytest.raises(IndexMissing, match="it has: leaf_vectors"):
        opener.open(mongodb_uri, load({}, database=database.name, collection="c"))


def test_vectors_that_the_server_skips_are_an_error_not_an_empty_result(
    made: Made, database: Database[Any]
) -> None:
    searcher = made([Document("a", "ash bay")], precision="int8")
    chunk = database["c"].find_one()
    assert chunk is not None
    database["c"].replace_one({"_id": "a#0"}, {**chunk, "embedding": [0.5] * 64})

    with pytest.raises(NoHits, match="the stored vectors are not 128 x int8"):
        searcher.search(QUESTION)


def test_a_collection_without_manifest_is_an_error(
    database: Database[Any], mongodb_uri: str, opener: Any
) -> None:
    with pytest.raises(ManifestError, match="ingest first with `leaf-ingest PATH --data"):
        opener.open(mongodb_uri, load({}, database=database.name, collection="nothing"))


def test_a_model_that_contradicts_the_manifest_is_an_error(
    made: Made, database: Database[Any], mongodb_uri: str, opener: Any
) -> None:
    made(corpus(2))
    settings = load({"LEAF_PRESET": "leaf-ir"}, database=database.name, collection="c")

    with pytest.raises(ManifestError, match="student is hashing:128, requested"):
        opener.open(mongodb_uri, settings)


def test_a_student_that_changed_since_is_an_error(
    made: Made, database: Database[Any], mongodb_uri: str, stranger: str, opener: Any
) -> None:
    made(corpus(2))
    student = {"name": stranger, "revision": "sha256:of-another-time"}
    change = {f"students.default.{name}": value for name, value in student.items()}
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": change})

    with pytest.raises(ModelError, match="made with sha256:of-another-time"):
        opener.open(mongodb_uri, load({}, database=database.name, collection="c"))


@pytest.mark.parametrize("opener", [Searcher], ids=["sync"])
def test_one_searcher_serves_many_threads(made: Made) -> None:
    searcher = made(corpus())
    questions = [f"{a} {b}" for a in WORDS for b in WORDS[:3]]
    alone = [[h.id for h in searcher.search(q, exact=True)] for q in questions]

    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda q: [h.id for h in searcher.search(q, exact=True)], questions)
        )

    assert together == alone


def test_values_that_python_cannot_hold_hide_no_hit(made: Made, database: Database[Any]) -> None:
    """A date after the year 9999, and a string that is no UTF-8, as other programs write them."""
    searcher = made([Document("far", "ash"), Document("bad", "elm"), Document("good", "oak")])
    chunks = database["c"]
    chunks.update_one({"document": "far"}, {"$set": {"metadata.at": DatetimeMS(2**53)}})
    as_stored = CodecOptions(document_class=RawBSONDocument)
    chunks.update_one({"document": "bad"}, {"$set": {"metadata.name": "NAME"}})
    raw = database.get_collection("c", codec_options=as_stored).find_one({"document": "bad"})
    assert raw is not None
    spoilt = RawBSONDocument(raw.raw.replace(b"NAME", b"N\xe9ME"))
    chunks.replace_one({"document": "bad"}, spoilt)

    found = {hit.document: hit.metadata for hit in searcher.search("ash elm oak")}

    assert set(found) == {"far", "bad", "good"}
    assert found["far"] == {"at": DatetimeMS(2**53)}
    assert found["bad"] == {"name": "N\ufffdME"}


@pytest.mark.parametrize(("uri", "settings"), [(None, None), (b"mongodb://", None), ("", "leaf")])
def test_an_invalid_uri_or_settings_are_reported(opener: Any, uri: Any, settings: Any) -> None:
    with pytest.raises(LeafError, match="expected"):
        opener.open(uri, settings)
