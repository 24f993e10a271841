"""What a language model is given to read."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Document
from leafsearch.search import QueryError, Searcher
from leafsearch.search.retrieval.context import compose
from leafsearch.search.session.io import perform
from leaftests.search.corpora import QUESTION, books

Made = Callable[..., Searcher]


def test_passages_come_in_reading_order_with_their_sources(made: Made) -> None:
    documents = {d.id: d for d in books()}
    searcher = made(documents.values(), chunk_tokens=32, chunk_overlap=8)

    context = searcher.context(QUESTION, 2000, k=12)

    ranks = [h.document for h in searcher.search(QUESTION, k=12)]
    order = list(dict.fromkeys(p.document for p in context.passages))
    assert order == [d for d in dict.fromkeys(ranks) if d in order]
    for document in order:
        spans = [(p.first, p.last) for p in context.passages if p.document == document]
        assert spans == sorted(spans)
        assert all(last + 1 < first for (_, last), (first, _) in pairwise(spans))
    for number, passage in enumerate(context.passages, start=1):
        assert passage.text.replace("\n", " ") in documents[passage.document].text
        source = f"[{number}] {passage.metadata['title']} ({passage.document})"
        assert f"{source}\n{passage.text}" in context.text


@pytest.mark.parametrize("budget", [60, 200, 1000])
def test_the_budget_is_kept_and_used(made: Made, budget: int) -> None:
    searcher = made(books(), chunk_tokens=32, chunk_overlap=0)

    context = searcher.context(QUESTION, budget, k=20)
    larger = searcher.context(QUESTION, budget + 200, k=20)

    assert context.tokens <= budget < larger.tokens
    assert context.tokens > budget - 60


def test_the_best_hit_is_in_even_where_its_neighbours_are_not(made: Made) -> None:
    searcher = made(books(), chunk_tokens=32, chunk_overlap=0)
    best = searcher.search(QUESTION, k=1)[0]

    context = searcher.context(QUESTION, 45, k=1)

    (passage,) = context.passages
    assert (passage.document, passage.first) == (best.document, best.position)
    assert passage.text == best.text


@pytest.mark.parametrize("budget", range(12, 34, 3))
def test_the_best_hit_is_cut_to_what_fits(made: Made, budget: int) -> None:
    searcher = made(books(), chunk_tokens=32, chunk_overlap=0)
    best = searcher.search(QUESTION, k=1)[0]

    context = searcher.context(QUESTION, budget)

    (passage,) = context.passages
    assert budget - 3 <= context.tokens <= budget
    assert f"{best.text} ".startswith(f"{passage.text} ")
    assert context.text == f"[1] Book {best.document[-1]} ({best.document})\n{passage.text}"


def test_a_budget_that_the_source_alone_uses_up_is_refused(made: Made) -> None:
    with pytest.raises(QueryError, match=r"max_tokens is 5; the line that names the source .* has"):
        made(books()).context(QUESTION, 5)


def test_nothing_found_is_an_empty_context(made: Made) -> None:
    context = made([Document("a", "ash")]).context(QUESTION, 100, filter={"document": "none"})

    assert (context.text, context.passages, context.tokens) == ("", (), 0)


@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
def test_hits_that_were_deleted_since_they_were_found_are_left_out(
    made: Made, database: Database[Any]
) -> None:
    searcher = made(books(), chunk_tokens=32, chunk_overlap=0)
    hits = searcher.search(QUESTION, k=20)
    best = hits[0].document

    def context() -> Any:
        return perform(compose(searcher._session.opened, hits, 4000), database)

    assert context().passages[0].document == best
    database["c"].delete_many({"document": best})
    assert {p.document for p in context().passages} == {h.document for h in hits} - {best}
    database["c"].delete_many({})
    assert (context().text, context().passages, context().tokens) == ("", (), 0)


def test_a_budget_that_cannot_be_is_refused(made: Made) -> None:
    with pytest.raises(QueryError, match="max_tokens is 0"):
        made([Document("a", "ash")]).context(QUESTION, 0)
