"""The words of texts are to be indexed by the language of the texts."""

from typing import Any

import pytest

from leafsearch.config.storage import IndexTuning
from leafsearch.doctor.findings import Severity
from leafsearch.ingest import Document
from leaftests.doctor import Examined, Ingested, complaints, wait_until_ready

ENGLISH = [
    Document(str(n), f"the horses of this country are running and they have not been seen in {n}")
    for n in range(5)
]


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        ({"hybrid": True}, ""),
        ({"text_analyzer": "lucene.english"}, ""),
        ({"text_analyzer": "lucene.german"}, "indexed by lucene.german"),
        ({}, ""),
    ],
    ids=str,
)
def test_another_language_is_a_warning(
    ingested: Ingested, examined: Examined, choices: dict[str, Any], complaint: str
) -> None:
    ingested(ENGLISH, **choices)

    findings = examined()

    assert complaints(findings) == ({"texts": Severity.WARNING} if complaint else {})
    assert complaint in findings["texts"].message
    if complaint:
        assert "--text-analyzer lucene.english" in findings["texts"].message


def test_a_text_index_of_before_is_worth_a_hint(ingested: Ingested, examined: Examined) -> None:
    """The first texts had no language, and the index was made without one."""
    ingested([Document("x", "XK-4711")], hybrid=True)
    ingested(ENGLISH)

    findings = examined()
    assert complaints(findings) == {}
    assert "as they stand" in findings["texts"].message

    ingested(ENGLISH, text_analyzer="lucene.standard")

    assert "--text-analyzer" not in examined()["texts"].message


def test_an_index_that_differs_from_the_choice_is_a_problem(
    ingested: Ingested, examined: Examined
) -> None:
    collection = ingested(ENGLISH, hybrid=True)
    (index,) = collection.list_search_indexes("leaf_vectors_text")
    other = {**index["latestDefinition"], "analyzer": "lucene.german"}
    collection.update_search_index("leaf_vectors_text", other)
    wait_until_ready(collection, "leaf_vectors_text")

    message = examined()["index definition"].message

    assert "leaf_vectors_text" in message
    assert "'analyzer': 'lucene.german'" in message


def test_the_choice_is_shown(ingested: Ingested, examined: Examined) -> None:
    ingested(ENGLISH, hybrid=True)

    message = examined()["index definition"].message

    assert "text analyzer lucene.english" in message
    assert IndexTuning(text_analyzer="lucene.english").chosen == {"text_analyzer": "lucene.english"}
