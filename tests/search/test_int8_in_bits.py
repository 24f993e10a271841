"""int8 vectors with binary quantization: bits choose the candidates, int8 scores them."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from leafsearch.ingest import Document
from leafsearch.search import Searcher

Made = Callable[..., Any]
INT8: dict[str, Any] = {"precision": "int8"}
IN_BITS: dict[str, Any] = {**INT8, "quantization": "binary"}
WORDS = ["ash", "birch", "cedar", "dogwood", "elm", "fir", "gum", "hazel", "ivy", "juniper"]


def documents() -> list[Document]:
    return [
        Document(f"d{n}", f"{WORDS[n % 10]} beside {WORDS[n // 10]} number {n}") for n in range(100)
    ]


class Stages(CommandListener):
    def __init__(self) -> None:
        self.nearest: list[Any] = []

    def started(self, event: Any) -> None:
        for stage in event.command.get("pipeline", ()):
            self.nearest += [stage["$vectorSearch"]] if "$vectorSearch" in stage else []

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


def test_hits_score_as_int8_does_without_quantization(made: Made) -> None:
    plain, in_bits = made(documents(), **INT8), made(documents(), **IN_BITS)

    for question in ("ash beside elm", "hazel beside ivy number 87", "gum"):
        wanted = plain.search(question, k=100, exact=True)
        scores = {hit.id: hit.similarity for hit in wanted}
        hits = in_bits.search(question, k=5)
        assert len(hits) == 5
        assert [hit.similarity for hit in hits] == [scores[hit.id] for hit in hits]
        assert hits[0] == wanted[0]
        assert in_bits.search(question, k=5, exact=True) == wanted[:5]


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
@pytest.mark.parametrize(("form", "per_hit"), [(INT8, 20), (IN_BITS, 64)], ids=["int8", "in bits"])
def test_candidates_are_as_many_as_for_bits_that_are_rescored(
    made: Made, mongodb_uri: str, form: dict[str, Any], per_hit: int
) -> None:
    stages = Stages()
    kept = made(documents(), **form)._session

    with Searcher(MongoClient(mongodb_uri, event_listeners=[stages]), kept) as searcher:
        searcher.search("ash beside elm", k=10)

    assert [stage["numCandidates"] for stage in stages.nearest] == [10 * per_hit]
