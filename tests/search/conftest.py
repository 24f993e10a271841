import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from leafsearch.config import Settings, load
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import AsyncSearcher, Context, Hit, Searcher
from leaftests.models import bert_tokenizer

Made = Callable[..., Searcher]


class Awaited:
    """An AsyncSearcher with the face of a Searcher, so that one test asks both."""

    def __init__(self, loop: asyncio.AbstractEventLoop, searcher: AsyncSearcher) -> None:
        self._loop = loop
        self._searcher = searcher

    @classmethod
    def open(cls, uri: str, settings: Settings | None = None, **more: Any) -> Self:
        loop = asyncio.new_event_loop()
        try:
            return cls(loop, loop.run_until_complete(AsyncSearcher.open(uri, settings, **more)))
        except BaseException:
            loop.close()
            raise

    @property
    def manifest(self) -> Any:
        return self._searcher.manifest

    def search(self, question: str, **options: Any) -> list[Hit]:
        return self._loop.run_until_complete(self._searcher.search(question, **options))

    def search_many(self, questions: Sequence[str], **options: Any) -> list[list[Hit]]:
        return self._loop.run_until_complete(self._searcher.search_many(questions, **options))

    def reopen(self) -> None:
        self._loop.run_until_complete(self._searcher.reopen())

    def context(self, question: str, max_tokens: int, **options: Any) -> Context:
        return self._loop.run_until_complete(
            self._searcher.context(question, max_tokens, **options)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.run_until_complete(self._searcher.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture(params=[Searcher, Awaited], ids=["sync", "async"])
def opener(request: pytest.FixtureRequest) -> Any:
    """The class whose `open` gives a searcher: what is tested with it holds for both."""
    return request.param


class Corpora:
    """Collection `c`, with hashed vectors, in a database for each set of documents and choices.

    Made once, since a test that does not name the database changes nothing in it.
    """

    def __init__(self, client: MongoClient[Any], folder: Path) -> None:
        self._client = client
        self._rejects = folder / "rejects.jsonl"
        self._names: dict[str, str] = {}

    def find(self, documents: Sequence[Document], choices: dict[str, Any]) -> str:
        """The name of the database."""
        asked = repr((documents, sorted(choices.items())))
        if asked not in self._names:
            name = f"leaf_test_{secrets.token_hex(6)}"
            self.write(self._client[name], documents, choices)
            self._names[asked] = name
        return self._names[asked]

    def write(
        self, database: Database[Any], documents: Sequence[Document], choices: dict[str, Any]
    ) -> None:
        settings = load(
            {},
            teacher="hashing:128",
            student="hashing:128",
            storage="full",
            database=database.name,
            collection="c",
        )
        target = open_target(database, settings, Choices(**choices))
        summary = ingest(documents, target, rejects=Rejects(self._rejects))
        target.ensure_index()
        target.collection.wait_until_ready(
            summary.last_written, seconds=60, on_status=lambda status: None
        )

    def drop(self) -> None:
        for name in self._names.values():
            self._client.drop_database(name)


@pytest.fixture(scope="session")
def corpora(
    client: MongoClient[Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Corpora]:
    made = Corpora(client, tmp_path_factory.mktemp("corpora"))
    yield made
    made.drop()


@pytest.fixture
def made(
    corpora: Corpora, mongodb_uri: str, opener: Any, request: pytest.FixtureRequest
) -> Iterator[Made]:
    """Ingests documents into collection `c` and opens a searcher on it.

    In the test's own `database` where it names that, else in one that tests share.
    """
    own = request.getfixturevalue("database") if "database" in request.fixturenames else None
    with ExitStack() as opened:

        def searcher(documents: Iterable[Document], **choices: Any) -> Any:
            if own is None:
                name = corpora.find([*documents], choices)
            else:
                corpora.write(own, [*documents], choices)
                name = own.name
            plain = load({}, database=name, collection="c")
            return opened.enter_context(opener.open(mongodb_uri, plain))

        yield searcher


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny cross-encoder with random weights."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross")
    tokenizer = bert_tokenizer()
    torch.manual_seed(4)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=1.0,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    CrossEncoder(str(folder / "bert"), device="cpu").save_pretrained(str(folder / "model"))
    return str(folder / "model")
