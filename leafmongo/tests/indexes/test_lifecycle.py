"""Create, update, list and drop indexes; sections refer to the notes on the real server."""

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from mongotests.searching import (
    Documents,
    create,
    definition,
    entry,
    float32,
    model,
    stage,
    unit_rows,
    wait_for,
)

QUERY = [1.0] * 8


def code_of(error: pytest.ExceptionInfo[OperationFailure]) -> int | None:
    return error.value.code


@pytest.mark.semantics("6.2")
def test_entry_shows_the_definition(documents: Documents) -> None:
    create(documents, definition(8, "cosine", "year"), "vectors")

    found = entry(documents, "vectors")

    assert found["type"] == "vectorSearch"
    assert found["status"] == "READY"
    assert found["latestDefinition"] == definition(8, "cosine", "year")
    assert found["latestDefinitionVersion"]["version"] == 0


@pytest.mark.semantics("6.1")
def test_listing_filters_by_name_or_id(documents: Documents) -> None:
    for name in ("a", "b"):
        create(documents, definition(8), name)

    listed = list(documents.list_search_indexes())
    by_id = list(documents.aggregate([{"$listSearchIndexes": {"id": listed[1]["id"]}}]))
    filtered = list(
        documents.aggregate(
            [{"$listSearchIndexes": {}}, {"$match": {"name": "a"}}, {"$count": "n"}]
        )
    )

    assert [one["name"] for one in listed] == ["a", "b"]
    assert [one["name"] for one in by_id] == ["b"]
    assert list(documents.list_search_indexes("missing")) == []
    assert filtered == [{"n": 1}]
    with pytest.raises(OperationFailure) as error:
        list(documents.aggregate([{"$listSearchIndexes": {"name": "a", "id": "b"}}]))
    assert code_of(error) == 72


@pytest.mark.semantics("6.1")
def test_equivalent_index_is_not_created_twice(documents: Documents) -> None:
    documents.create_search_index(model(definition(8)))

    documents.create_search_index(model(definition(8)))

    assert len(list(documents.list_search_indexes())) == 1


@pytest.mark.semantics("6.1")
def test_conflicting_index_rejects_the_whole_request(documents: Documents) -> None:
    create(documents, definition(8))

    with pytest.raises(OperationFailure) as error:
        documents.create_search_indexes(
            [model(definition(16), "new"), model(definition(16), "default")]
        )

    assert code_of(error) == 68
    assert [one["name"] for one in documents.list_search_indexes()] == ["default"]


@pytest.mark.semantics("6.1")
def test_duplicate_names_in_a_request_are_rejected(documents: Documents) -> None:
    with pytest.raises(OperationFailure) as error:
        documents.create_search_indexes([model(definition(8)), model(definition(8))])

    assert code_of(error) == 125


@pytest.mark.semantics("6.1")
def test_collection_must_exist(documents: Documents) -> None:
    with pytest.raises(OperationFailure) as error:
        documents.database["missing"].create_search_index(model(definition(8)))

    assert code_of(error) == 26


@pytest.mark.semantics("1.1")
def test_unknown_type_lists_the_known_ones(documents: Documents) -> None:
    with pytest.raises(OperationFailure, match="search, vectorSearch"):
        documents.create_search_index(SearchIndexModel(definition(8), type="hybrid"))


@pytest.mark.semantics("1.3")
def test_invalid_definition_names_the_path(documents: Documents) -> None:
    with pytest.raises(OperationFailure, match=r"indexes\[0\].*numDimensions"):
        documents.create_search_index(model(definition(0)))


@pytest.mark.semantics("6.1")
def test_update_replaces_the_old_version(documents: Documents) -> None:
    documents.insert_one({"_id": 1, "v": QUERY, "w": [1.0] * 4})
    create(documents, definition(8))
    updated = definition(4)
    updated["fields"][0]["path"] = "w"

    documents.update_search_index("default", updated)

    wait_for(lambda: entry(documents)["status"] == "READY")
    assert entry(documents)["latestDefinitionVersion"]["version"] == 1
    search: dict[str, Any] = stage([1.0] * 4)
    search["$vectorSearch"]["path"] = "w"
    assert [hit["_id"] for hit in documents.aggregate([search])] == [1]
    with pytest.raises(OperationFailure):
        documents.aggregate([stage(QUERY)])


@pytest.mark.semantics("6.1", "6.3")
def test_old_version_serves_until_the_new_one_is_ready(documents: Documents) -> None:
    rows = unit_rows(5000, 8)
    documents.insert_many([{"_id": i, "v": float32(row)} for i, row in enumerate(rows)])
    create(documents, definition(8))
    pipeline = [stage(float32(rows[0]), limit=1)]

    documents.update_search_index("default", definition(8, "cosine"))
    while entry(documents)["status"] != "READY":
        assert entry(documents)["queryable"]
        assert [hit["_id"] for hit in documents.aggregate(pipeline)] == [0]

    detail = entry(documents)["statusDetail"][0]["mainIndex"]
    assert detail["definition"] == definition(8, "cosine")


@pytest.mark.semantics("6.1")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"updateSearchIndex": "documents", "name": "missing", "definition": definition(8)}, 27),
        ({"updateSearchIndex": "documents", "name": "default", "definition": {"fields": 1}}, 125),
        (
            {
                "updateSearchIndex": "documents",
                "name": "default",
                "type": "search",
                "definition": definition(8),
            },
            197,
        ),
        ({"dropSearchIndex": "documents", "name": "missing"}, 27),
    ],
)
def test_impossible_changes_have_the_codes_of_the_server(
    documents: Documents, command: dict[str, Any], code: int
) -> None:
    create(documents, definition(8))

    with pytest.raises(OperationFailure) as error:
        documents.database.command(command)

    assert code_of(error) == code


@pytest.mark.semantics("6.1", "6.3")
def test_dropped_index_finds_nothing(documents: Documents) -> None:
    documents.insert_one({"v": QUERY})
    create(documents, definition(8))

    documents.drop_search_index("default")

    assert list(documents.list_search_indexes()) == []
    assert list(documents.aggregate([stage(QUERY)])) == []


def test_index_follows_a_rename(documents: Documents) -> None:
    documents.insert_one({"_id": 1, "v": QUERY})
    create(documents, definition(8))

    documents.rename("renamed")
    renamed = documents.database["renamed"]
    renamed.insert_one({"_id": 2, "v": QUERY})

    assert {hit["_id"] for hit in renamed.aggregate([stage(QUERY)])} == {1, 2}
    assert list(documents.list_search_indexes()) == []


@pytest.mark.parametrize("trial", range(3))
def test_writes_just_before_a_rename_are_found(documents: Documents, trial: int) -> None:
    """Documents are read under the new name, whether they or the index came first."""
    renamed = documents.database["renamed"]
    if trial:
        create(documents, definition(8))
    documents.insert_many([{"_id": n, "v": QUERY} for n in range(2_000)])
    if not trial:
        documents.create_search_index(model(definition(8), "default"))

    documents.rename("renamed")

    hits = renamed.aggregate([stage(QUERY, limit=2_000)])
    assert len(list(hits)) == 2_000


@pytest.mark.semantics("6.4")
def test_index_vanishes_with_its_collection(documents: Documents) -> None:
    create(documents, definition(8))

    documents.drop()
    documents.insert_one({"v": QUERY})

    assert list(documents.list_search_indexes()) == []
    assert list(documents.aggregate([stage(QUERY)])) == []


def test_index_vanishes_with_its_database(
    documents: Documents, client: MongoClient[dict[str, Any]]
) -> None:
    create(documents, definition(8))

    client.drop_database(documents.database.name)
    documents.insert_one({"v": QUERY})

    assert list(documents.list_search_indexes()) == []


@pytest.mark.semantics("2.2")
def test_skipped_documents_are_counted_by_reason(documents: Documents) -> None:
    documents.insert_many([{"_id": 1, "v": QUERY}, {"_id": 2, "v": [1.0]}, {"_id": 3}])
    create(documents, definition(8))

    detail = entry(documents)["statusDetail"][0]["mainIndex"]

    assert detail["numVectors"] == 1
    assert sum(skip["count"] for skip in detail["skipped"]) >= 1
    assert any(2 in skip["examples"] for skip in detail["skipped"])
