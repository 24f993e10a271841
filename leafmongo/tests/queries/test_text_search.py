"""`$search` through the gateway: where it may be, and what it finds."""

import math
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment
from leafmongo.deployment.status import format_status
from leafmongo.engine import CommandError
from leafmongo.indexes import index_types as kinds
from leafmongo.queries.rewrite import count_needed
from mongotests.searching import Documents, create, definition, entry, stage, wait_for

pytest.importorskip("tantivy")

META = {"$meta": "searchScore"}
DYNAMIC = {"mappings": {"dynamic": True}}
STORED = [
    {"_id": "fox", "text": "The quick brown fox", "lang": "en", "year": 1999},
    {"_id": "dog", "text": "The lazy brown dog", "lang": "en", "year": 2005},
    {"_id": "kuh", "text": "Die faule braune Kuh", "lang": "de", "year": 2005},
]
FIELDS = {
    "text": {"type": "string"},
    "lang": {"type": "token"},
    "year": {"type": "number"},
}


def create_text(
    documents: Documents, definition: dict[str, Any] = DYNAMIC, name: str = "default"
) -> None:
    documents.create_search_index(SearchIndexModel(definition, name))
    wait_for(lambda: entry(documents, name)["queryable"])


@pytest.fixture
def three(documents: Documents) -> Documents:
    documents.insert_many(STORED)
    create_text(documents, {"mappings": {"fields": FIELDS}})
    return documents


def text(query: str, path: Any = "text", **more: Any) -> dict[str, Any]:
    return {"$search": {"text": {"query": query, "path": path}, **more}}


def ids(documents: Documents, *stages: dict[str, Any], **options: Any) -> list[Any]:
    return [hit["_id"] for hit in documents.aggregate(list(stages), **options)]


@pytest.mark.semantics("1.1")
def test_index_without_type_is_a_text_index(documents: Documents) -> None:
    create_text(documents)

    found = entry(documents)

    assert (found["type"], found["status"], found["queryable"]) == ("search", "READY", True)
    assert found["latestDefinition"] == DYNAMIC
    assert "numVectors" not in found["statusDetail"][0]["mainIndex"]


def test_words_are_found_best_first(three: Documents) -> None:
    found = list(three.aggregate([text("quick brown"), {"$project": {"s": META}}]))

    # Both words are in texts of the average length: a term's share is its idf / (1 + 1.2).
    quick, brown = math.log(1 + 2.5 / 1.5) / 2.2, math.log(1 + 1.5 / 2.5) / 2.2
    assert [hit["_id"] for hit in found] == ["fox", "dog"]
    assert [hit["s"] for hit in found] == pytest.approx([quick + brown, brown], rel=1e-6)


@pytest.mark.parametrize(
    "stages",
    [
        [{"$set": {"s": META}}],
        [{"$limit": 2}, {"$set": {"s": {"$meta": "score"}}}],
        [{"$match": {"year": {"$gt": 0}}}, {"$project": {"year": 1}}, {"$set": {"s": META}}],
        [{"$sort": {"_id": -1}}, {"$sort": {"x": META}}, {"$set": {"s": META}}],
        [{"$replaceWith": {"_id": "$_id"}}, {"$set": {"s": {"$add": [META, 0]}}}],
    ],
    ids=str,
)
def test_score_is_in_every_stage(three: Documents, stages: list[dict[str, Any]]) -> None:
    found = list(three.aggregate([text("quick brown"), *stages]))

    assert [hit["_id"] for hit in found] == ["fox", "dog"]
    assert found[0]["s"] > found[1]["s"] > 0


def test_group_can_use_the_score(three: Documents) -> None:
    group = {"$group": {"_id": "$lang", "best": {"$max": META}}}

    (found,) = three.aggregate([text("brown"), group])

    assert found["_id"] == "en"
    assert found["best"] > 0


def test_documents_are_returned_as_stored(three: Documents) -> None:
    assert list(three.aggregate([text("braune")])) == [STORED[2]]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ({"equals": {"path": "lang", "value": "de"}}, ["kuh"]),
        ({"in": {"path": "lang", "value": ["de", "fr"]}}, ["kuh"]),
        ({"range": {"path": "year", "gte": 2000, "lt": 2010}}, ["dog", "kuh"]),
        ({"exists": {"path": "year"}}, ["fox", "dog", "kuh"]),
        ({"compound": {"mustNot": [{"equals": {"path": "year", "value": 2005}}]}}, ["fox"]),
    ],
    ids=str,
)
def test_filter_narrows_and_does_not_score(
    three: Documents, clause: dict[str, Any], expected: list[str]
) -> None:
    words = {"text": {"query": "the die", "path": "text"}}
    unfiltered = {
        d["_id"]: d["s"] for d in three.aggregate([text("the die"), {"$set": {"s": META}}])
    }

    search = {"$search": {"compound": {"must": [words], "filter": [clause]}}}
    found = {d["_id"]: d["s"] for d in three.aggregate([search, {"$set": {"s": META}}])}

    assert set(found) == set(expected)
    assert found == {id_: unfiltered[id_] for id_ in expected}


def test_skip_and_limit_count_hits(three: Documents) -> None:
    every = ids(three, text("the die brown"))

    assert len(every) == 3
    assert ids(three, text("the die brown"), {"$skip": 1}, {"$limit": 1}) == every[1:2]
    assert (
        ids(three, text("the die brown"), {"$match": {"_id": every[2]}}, {"$limit": 1}) == every[2:]
    )
    assert list(three.aggregate([text("the die brown"), {"$count": "n"}])) == [{"n": 3}]


def test_many_hits_use_a_cursor(documents: Documents) -> None:
    documents.insert_many([{"_id": i, "text": "word"} for i in range(5000)])
    create_text(documents)

    assert ids(documents, text("word"), batchSize=100) == list(range(5000))


def test_too_many_hits_are_rejected_with_a_hint(documents: Documents) -> None:
    documents.insert_many([{"_id": f"{i:0500}", "text": "word"} for i in range(20_000)])
    create_text(documents)

    with pytest.raises(OperationFailure, match="limit"):
        documents.aggregate([text("word")])

    assert len(ids(documents, text("word"), {"$limit": 1000})) == 1000


def test_search_sees_every_kind_of_write(documents: Documents) -> None:
    create_text(documents)

    for round in range(5):
        documents.insert_many([{"_id": i, "text": "near"} for i in range(3)])
        assert ids(documents, text("near")) == [0, 1, 2], round
        documents.update_one({"_id": 0}, {"$set": {"text": "far"}})
        assert ids(documents, text("near")) == [1, 2], round
        assert ids(documents, text("far")) == [0], round
        documents.update_one({"_id": 1}, {"$unset": {"text": 1}})
        documents.delete_one({"_id": 2})
        assert ids(documents, text("near far")) == [0], round
        documents.delete_many({})
        assert ids(documents, text("near far")) == [], round


def test_search_sees_writes_of_searches(three: Documents) -> None:
    copies = {"$set": {"_id": {"$concat": ["$_id", "-copy"]}}}

    list(three.aggregate([text("quick"), copies, {"$merge": {"into": three.name}}]))

    assert ids(three, text("quick")) == ["fox", "fox-copy"]


def test_index_includes_existing_documents(documents: Documents) -> None:
    documents.insert_many([{"_id": i, "text": f"word{i % 10}"} for i in range(5000)])

    create_text(documents)

    assert len(ids(documents, text("word3"))) == 500
    assert entry(documents)["statusDetail"][0]["mainIndex"]["numDocs"] == 5000


def test_hybrid_search_in_one_pipeline(documents: Documents) -> None:
    """Reciprocal rank fusion as in Atlas' own guide: two searches in one pipeline."""
    vectors = {"fox": [1.0, 0.0], "dog": [0.0, 1.0], "kuh": [0.6, 0.8]}
    documents.insert_many([{**d, "v": vectors[d["_id"]]} for d in STORED])
    create(documents, definition(2), "vectors")
    create_text(documents)

    def ranked(search: dict[str, Any]) -> list[dict[str, Any]]:
        place = {"$group": {"_id": None, "docs": {"$push": "$_id"}}}
        share = {"$divide": [1.0, {"$add": ["$rank", 61]}]}
        unwind = {"$unwind": {"path": "$docs", "includeArrayIndex": "rank"}}
        return [search, place, unwind, {"$project": {"_id": "$docs", "s": share}}]

    union = {"$unionWith": {"coll": documents.name, "pipeline": ranked(text("lazy brown"))}}
    pipeline = ranked(stage([1.0, 0.0], limit=2, index="vectors"))
    pipeline += [union, {"$group": {"_id": "$_id", "s": {"$sum": "$s"}}}, {"$sort": {"s": -1}}]

    found = {hit["_id"]: hit["s"] for hit in documents.aggregate(pipeline)}

    assert found == {
        "fox": pytest.approx(1 / 61 + 1 / 62),
        "dog": pytest.approx(1 / 61),
        "kuh": pytest.approx(1 / 62),
    }


def test_lookup_searches_another_collection(three: Documents) -> None:
    other = three.database["other"]
    other.insert_one({"_id": 1})
    inner = [text("brown"), {"$limit": 1}, {"$project": {"s": META}}]

    (found,) = other.aggregate([{"$lookup": {"from": three.name, "pipeline": inner, "as": "d"}}])

    assert [hit["_id"] for hit in found["d"]] == ["fox"]
    assert found["d"][0]["s"] > 0


def test_unknown_index_finds_nothing(three: Documents) -> None:
    assert ids(three, text("brown", index="missing")) == []
    assert ids(three.database["missing"], text("brown")) == []


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([{"$match": {}}, text("a")], 40602),
        ([text("a"), text("a")], 40602),
        ([{"$facet": {"a": [text("a")]}}], 40600),
        ([{"$searchMeta": {"count": {"type": "total"}}}], 115),
        ([text("a"), {"$set": {"m": "$$SEARCH_META"}}], 115),
        ([text("a"), {"$set": {"h": {"$meta": "searchHighlights"}}}], 115),
        ([{"$search": {"phrase": {"query": "a", "path": "text"}}}], 8),
        ([{"$search": {"equals": {"value": "a", "path": "text"}}}], 8),
        ([text("a", highlight={"path": "text"})], 8),
        ([text("a", returnStoredSource=True)], 8),
    ],
    ids=str,
)
def test_unsupported_options_are_rejected(
    three: Documents, pipeline: list[dict[str, Any]], code: int
) -> None:
    with pytest.raises(OperationFailure) as error:
        three.aggregate(pipeline)

    assert error.value.code == code


def test_error_names_an_index_of_the_other_type(three: Documents) -> None:
    create(three, definition(2), "vectors")

    with pytest.raises(OperationFailure, match='type "vectorSearch"'):
        three.aggregate([text("brown", index="vectors")])
    with pytest.raises(OperationFailure, match='type "search"'):
        three.aggregate([stage([1.0, 0.0])])


def test_transaction_cannot_search(three: Documents, client: MongoClient[dict[str, Any]]) -> None:
    with client.start_session() as session, session.start_transaction():
        with pytest.raises(OperationFailure) as error:
            three.aggregate([text("brown")], session=session)
        session.abort_transaction()

    assert error.value.code == 263


def test_mongods_own_text_search_passes(three: Documents) -> None:
    three.create_index([("text", "text")])

    found = three.aggregate([{"$match": {"$text": {"$search": "quick"}}}])

    assert [hit["_id"] for hit in found] == ["fox"]


def test_updated_definition_replaces_the_old_one(three: Documents) -> None:
    three.update_search_index("default", {"mappings": {"fields": {"lang": {"type": "string"}}}})

    wait_for(lambda: entry(three)["status"] == "READY")
    assert entry(three)["latestDefinitionVersion"]["version"] == 1
    assert ids(three, text("brown")) == []
    assert ids(three, text("de", "lang")) == ["kuh"]


def test_equivalent_definition_is_the_same_index(three: Documents) -> None:
    same = {"mappings": {"dynamic": False, "fields": FIELDS}, "analyzer": "lucene.standard"}
    three.create_search_index(SearchIndexModel(same))

    with pytest.raises(OperationFailure) as error:
        three.create_search_index(SearchIndexModel(DYNAMIC))

    assert error.value.code == 68


def test_dropped_index_finds_nothing(three: Documents) -> None:
    three.drop_search_index("default")

    assert list(three.list_search_indexes()) == []
    assert ids(three, text("brown")) == []


def test_index_follows_a_rename(three: Documents) -> None:
    three.rename("renamed")
    renamed = three.database["renamed"]
    renamed.insert_one({"_id": "new", "text": "brown brown"})

    assert set(ids(renamed, text("brown"))) == {"fox", "dog", "new"}


def test_any_id_can_be_found(documents: Documents) -> None:
    given = [ObjectId(), 1, "1", {"a": 1}, 2.5]
    documents.insert_many([{"_id": id_, "text": "word"} for id_ in given])
    create_text(documents)

    assert ids(documents, text("word")) == given


@pytest.mark.long
def test_index_survives_a_restart_and_shows_in_status(folder: Path) -> None:
    deployment = LocalDeployment(folder / "home")
    with deployment, MongoClient[dict[str, Any]](deployment.uri) as client:
        client["d"]["c"].insert_many(STORED)
        create_text(client["d"]["c"])

    with deployment, MongoClient[dict[str, Any]](deployment.uri) as client:
        documents: Documents = client["d"]["c"]
        wait_for(lambda: entry(documents)["queryable"])
        found = ids(documents, text("lazy"))
        status = deployment.status()

    assert found == ["dog"]
    (index,) = status.indexes
    assert (index.type, index.status, index.documents, index.vectors) == ("search", "READY", 3, 0)
    assert "d.c default: READY, text of 3 documents" in format_status(status)


def test_missing_tantivy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)

    with pytest.raises(CommandError, match="tantivy") as error:
        kinds.parse_definition("search", DYNAMIC)

    assert error.value.code == 115
    assert kinds.parse_definition("vectorSearch", definition(2))


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([{"$limit": 5}], 5),
        ([{"$limit": 5.0}, {"$limit": 3}], 5),
        ([{"$skip": 10}, {"$set": {"s": META}}, {"$skip": 1}, {"$limit": 5}], 16),
        ([{"$sort": {"s": META}}, {"$project": {"a": 1}}, {"$limit": 5}], 5),
        ([], None),
        ([{"$skip": 3}], None),
        ([{"$match": {"a": 1}}, {"$limit": 5}], None),
        ([{"$sort": {"a": 1}}, {"$limit": 5}], None),
        ([{"$sort": {"s": META, "a": 1}}, {"$limit": 5}], None),
        ([{"$unwind": "$a"}, {"$limit": 5}], None),
        ([{"$limit": 0}], None),
        ([{"$limit": "5"}], None),
    ],
    ids=str,
)
def test_limit_after_a_search_bounds_the_hits(stages: list[Any], expected: Any) -> None:
    assert count_needed(stages) == expected
