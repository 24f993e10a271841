"""langchain-mongodb, which knows only the URI, works with a deployment."""

import asyncio
import re
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from leafmongo import LocalDeployment
from mongotests.searching import Documents

pytest.importorskip("langchain_mongodb")
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_mongodb import MongoDBAtlasVectorSearch

TEXTS = {
    "owl": ("The owl hunts mice at night", {"kind": "bird", "legs": 2}),
    "cat": ("The cat hunts mice by day", {"kind": "mammal", "legs": 4}),
    "hen": ("The hen lays eggs by day", {"kind": "bird", "legs": 2}),
    "bee": ("The bee makes honey", {"kind": "insect", "legs": 6}),
}


class Words(Embeddings):
    """A vector has 64 counts of words by their hash."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        counts = np.zeros(64)
        for word in re.findall(r"\w+", text.lower()):
            counts[zlib.crc32(word.encode()) % 64] += 1
        return (counts / np.linalg.norm(counts)).tolist()


@pytest.fixture
def store(deployment: LocalDeployment, documents: Documents) -> Iterator[MongoDBAtlasVectorSearch]:
    """A store that has created its index and holds four texts."""
    namespace = f"{documents.database.name}.texts"
    store = MongoDBAtlasVectorSearch.from_connection_string(
        deployment.uri, namespace, Words(), dimensions=64, auto_index_timeout=60
    )
    store.create_vector_search_index(
        dimensions=64, filters=["kind", "legs"], update=True, wait_until_complete=60
    )
    added = [Document(text, metadata=more, id=id) for id, (text, more) in TEXTS.items()]
    assert store.add_documents(added) == list(TEXTS)
    yield store
    store.close()


def names(found: list[Document]) -> list[Any]:
    return [document.id for document in found]


def test_added_texts_are_found_at_once(store: MongoDBAtlasVectorSearch) -> None:
    assert names(store.similarity_search("who hunts mice at night", k=2)) == ["owl", "cat"]


def test_scores_are_those_of_cosine(store: MongoDBAtlasVectorSearch) -> None:
    ((first, score), *_) = store.similarity_search_with_score(TEXTS["bee"][0], k=4)

    assert first.id == "bee"
    assert score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"kind": "bird"}, {"owl", "hen"}),
        ({"legs": {"$gt": 2}}, {"cat", "bee"}),
        ({"$or": [{"kind": "insect"}, {"$and": [{"kind": "bird"}, {"legs": 2}]}]}, None),
    ],
)
def test_filters(
    store: MongoDBAtlasVectorSearch, condition: dict[str, Any], expected: set[str] | None
) -> None:
    found = store.similarity_search("the", k=10, pre_filter=condition)

    assert set(names(found)) == (expected or {"owl", "hen", "bee"})


def test_stage_after_the_search(store: MongoDBAtlasVectorSearch) -> None:
    found = store.similarity_search(
        "hunts mice", k=4, post_filter_pipeline=[{"$match": {"legs": 4}}]
    )

    assert names(found) == ["cat"]


def test_diverse_results(store: MongoDBAtlasVectorSearch) -> None:
    found = store.max_marginal_relevance_search("hunts mice", k=3, fetch_k=4, lambda_mult=0.1)

    assert len(found) == 3
    assert found[0].id in {"owl", "cat"}


def test_as_a_retriever_and_with_asyncio(store: MongoDBAtlasVectorSearch) -> None:
    retriever = store.as_retriever(search_kwargs={"k": 1})

    assert names(retriever.invoke("makes honey")) == ["bee"]
    assert names(asyncio.run(retriever.ainvoke("lays eggs"))) == ["hen"]


def test_deletes_and_updates_apply_at_once(store: MongoDBAtlasVectorSearch) -> None:
    store.delete(["owl"])
    store.add_documents([Document("The cat sleeps", metadata={"kind": "mammal"}, id="cat")])

    assert set(names(store.similarity_search("mice", k=10))) == {"cat", "hen", "bee"}
    assert names(store.similarity_search("sleeps", k=1)) == ["cat"]
