import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from pymongo.database import Database

from config import Settings, load
from ingest import Choices, Document, Rejects, ingest, open_target
from search import AsyncSearcher, Context, Hit, Searcher
from tests.conftest import bert_tokenizer

Made = Callable[..., Searcher]


class Awaited:
    """An AsyncSearcher with the face of a Searcher, so that one test asks both."""

    def __init__(self, loop: asyncio.AbstractEventLoop, searcher: AsyncSearcher) -> None:
        self._loop = loop
        self._searcher = searcher

    @classmethod
    def open(cls, uri: str, settings: Settings | None = None) -> Self:
        loop = asyncio.new_event_loop()
        try:
            return cls(loop, loop.run_until_complete(AsyncSearcher.open(uri, settings)))
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


@pytest.fixture
def made(database: Database[Any], mongodb_uri: str, tmp_path: Path, opener: Any) -> Iterator[Made]:
    """Ingests documents with hashed vectors into collection `c` and opens a searcher on it."""
    with ExitStack() as opened:

        def searcher(documents: Iterable[Document], **choices: Any) -> Any:
            settings = load(
                {},
                teacher="hashing:128",
                student="hashing:128",
                storage="full",
                database=database.name,
                collection="c",
            )
            target = open_target(database, settings, Choices(**choices))
            summary = ingest(documents, target, rejects=Rejects(tmp_path / "rejects.jsonl"))
            target.ensure_index()
            target.collection.wait_until_ready(
                summary.last_written, seconds=60, told=lambda status: None
            )
            plain = load({}, database=database.name, collection="c")
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
