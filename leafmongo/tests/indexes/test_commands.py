"""Answers of the index commands, and which of several errors they report."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure

from mongotests.searching import (
    Documents,
    create,
    definition,
    entry,
    model,
    stage,
    wait_for,
)

pytestmark = pytest.mark.semantics("6.1")

QUERY = [1.0, 0.0]


def command(documents: Documents, name: str, /, **options: Any) -> dict[str, Any]:
    return documents.database.command({name: documents.name, **options})


def spec(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "type": "vectorSearch", "definition": definition}


def refusal(documents: Documents, name: str, /, **options: Any) -> tuple[int | None, str]:
    with pytest.raises(OperationFailure) as error:
        command(documents, name, **options)
    return error.value.code, str((error.value.details or {})["errmsg"])


def names(documents: Documents) -> list[str]:
    return [one["name"] for one in documents.list_search_indexes()]


def test_created_indexes_are_listed_in_request_order(documents: Documents) -> None:
    specs = [spec("b", definition(2)), spec("a", definition(2))]

    reply = command(documents, "createSearchIndexes", indexes=specs)

    assert reply["ok"] == 1
    assert [made["name"] for made in reply["indexesCreated"]] == ["b", "a"]
    listed = {one["name"]: one["id"] for one in documents.list_search_indexes()}
    assert {made["name"]: made["id"] for made in reply["indexesCreated"]} == listed
    assert all(len(id) == 24 and ObjectId.is_valid(id) for id in listed.values())


@pytest.mark.semantics("1.1")
def test_index_without_a_name_is_the_default(documents: Documents) -> None:
    unnamed = {"type": "vectorSearch", "definition": definition(2)}

    reply = command(documents, "createSearchIndexes", indexes=[unnamed])

    assert [made["name"] for made in reply["indexesCreated"]] == ["default"]


def test_creating_an_equivalent_index_changes_nothing(documents: Documents) -> None:
    """The reply has a new id, as on the real server. storedSource does not count."""
    (first,) = command(documents, "createSearchIndexes", indexes=[spec("i", definition(2))])[
        "indexesCreated"
    ]
    same = {**definition(2), "numPartitions": 1, "storedSource": {"include": ["t"]}}

    (second,) = command(documents, "createSearchIndexes", indexes=[spec("i", same)])[
        "indexesCreated"
    ]

    found = entry(documents, "i")
    assert (found["id"], found["latestDefinition"]) == (first["id"], definition(2))
    assert second["id"] != first["id"]


def test_indexes_of_different_types_are_not_equivalent(documents: Documents) -> None:
    pytest.importorskip("tantivy")
    documents.create_search_index(model(definition(2)))
    text = {"name": "default", "type": "search", "definition": {"mappings": {"dynamic": True}}}

    assert refusal(documents, "createSearchIndexes", indexes=[text])[0] == 68


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"numDimensions": 0}, '"userCommand.indexes[1].fields[0].numDimensions" must be within'),
        ({"similarity": "Cosine"}, '"userCommand.indexes[1].fields[0].similarity" must be one of'),
    ],
    ids=str,
)
@pytest.mark.semantics("1.3")
def test_request_with_an_error_creates_nothing(
    documents: Documents, wrong: dict[str, Any], place: str
) -> None:
    field = {**definition(2)["fields"][0], **wrong}
    specs = [spec("right", definition(2)), spec("wrong", {"fields": [field]})]

    code, message = refusal(documents, "createSearchIndexes", indexes=specs)

    assert (code, message[: len(place)]) == (8, place)
    assert names(documents) == []


def test_definition_is_required(documents: Documents) -> None:
    code, message = refusal(documents, "createSearchIndexes", indexes=[{"name": "i"}])

    assert code == 8
    assert '"userCommand.indexes[0].definition" must be a document' in message


def test_several_indexes_may_have_one_path(documents: Documents) -> None:
    documents.insert_many([{"_id": "long", "v": [2.0, 1.0]}, {"_id": "near", "v": [1.0, 0.0]}])
    for similarity in ("cosine", "dotProduct"):
        create(documents, definition(2, similarity), similarity)

    def first(index: str) -> Any:
        return next(iter(documents.aggregate([stage(QUERY, index=index)])))["_id"]

    assert (first("cosine"), first("dotProduct")) == ("near", "long")


def test_unchanged_update_is_a_new_version(documents: Documents) -> None:
    create(documents, definition(2))

    command(documents, "updateSearchIndex", name="default", definition=definition(2))

    wait_for(lambda: entry(documents)["status"] == "READY")
    found = entry(documents)
    assert found["latestDefinitionVersion"]["version"] == 1
    assert found["statusDetail"][0]["mainIndex"]["definitionVersion"]["version"] == 1


@pytest.mark.semantics("1.1")
def test_only_updates_reject_unknown_keys(documents: Documents) -> None:
    noted = {**definition(2), "note": "ours"}
    create(documents, noted)

    code, message = refusal(documents, "updateSearchIndex", name="default", definition=noted)

    assert (code, message) == (125, 'unrecognized field "userCommand.note"')
    assert entry(documents)["latestDefinitionVersion"]["version"] == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"name": "missing", "type": "search", "definition": {"fields": 1}}, 27),
        ({"name": "default", "type": "search", "definition": {"fields": 1}}, 197),
        ({"name": "default", "type": "vectorSearch", "definition": {"fields": 1}}, 125),
        ({"name": "default"}, 125),
        ({"name": "default", "id": "0" * 24, "definition": definition(2)}, 9),
        ({"definition": definition(2)}, 9),
    ],
    ids=str,
)
def test_update_reports_the_first_error(
    documents: Documents, options: dict[str, Any], code: int
) -> None:
    documents.create_search_index(model(definition(2)))

    assert refusal(documents, "updateSearchIndex", **options)[0] == code


def test_index_can_be_named_by_its_id(documents: Documents) -> None:
    create(documents, definition(2))
    id = entry(documents)["id"]

    command(documents, "updateSearchIndex", id=id, definition=definition(3))
    assert entry(documents)["latestDefinition"] == definition(3)
    command(documents, "dropSearchIndex", id=id)
    assert names(documents) == []
    code, message = refusal(documents, "dropSearchIndex", id=id)
    assert code == 27
    assert f"exists in namespace {documents.full_name}" in message


def test_definition_is_limited_to_a_mebibyte(documents: Documents) -> None:
    paths = [{"type": "filter", "path": f"p{number}"} for number in range(30_000)]
    large = {"fields": [*definition(2)["fields"], *paths]}

    with pytest.raises(OperationFailure, match=r"definition\" has \d+ bytes; expected at most"):
        documents.create_search_index(model(large))
    create(documents, {"fields": large["fields"][:3000]})
    with pytest.raises(OperationFailure, match=r"definition\" has \d+ bytes; expected at most"):
        documents.update_search_index("default", large)
