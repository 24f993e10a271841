"""Searches as steps without I/O, shared by the blocking and the asyncio searcher."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leafsearch.config.hint import ingest_hint
from leafsearch.search.errors import QueryError
from leafsearch.search.hit import Hit
from leafsearch.search.query import Options, Query, check_options, check_questions
from leafsearch.search.retrieval.context import Context, compose
from leafsearch.search.retrieval.rank import rank
from leafsearch.search.retrieval.retrieve import EncodedQuestion
from leafsearch.search.session.io import Compute, Steps, Together
from leafsearch.search.session.open import OpenCollection, candidates_factor
from leafsearch.search.session.session import Session
from leafsearch.vectors import Encoder, IndexMissing, Rows
from leafsearch.vectors.encoders import Words

log = logging.getLogger(__name__)


def search_steps(session: Session, question: str, options: Options) -> Steps[list[Hit]]:
    hits = yield from search_many_steps(session, [question], options)
    return hits[0]


def search_many_steps(
    session: Session, questions: Sequence[str], options: Options
) -> Steps[list[list[Hit]]]:
    """Encode all questions together, then search side by side."""
    yield from session.look_for(options.get("student"))
    return (
        yield from session.on_current(lambda opened: _search(session, opened, questions, options))
    )


def context_steps(
    session: Session, question: str, max_tokens: int, options: Options
) -> Steps[Context]:
    def steps(opened: OpenCollection) -> Steps[Context]:
        (hits,) = yield from _search(session, opened, [question], options)
        counting = replace(opened, student=(yield from session.encoder(opened, options)))
        return (yield from compose(counting, hits, max_tokens, options.get("max_time_ms")))

    yield from session.look_for(options.get("student"))
    return (yield from session.on_current(steps))


def _search(
    session: Session, opened: OpenCollection, questions: Sequence[str], options: Options
) -> Steps[list[list[Hit]]]:
    query = _check(opened, questions, options)
    if not questions:
        return []
    student = yield from session.encoder(opened, options)
    rows = yield Compute(lambda: _encode(opened, student, questions))
    factor = candidates_factor(opened, query.student or opened.student_name, student)
    steps = [
        rank(opened, EncodedQuestion(question, row[None, :], query, factor))
        for question, row in zip(questions, rows, strict=True)
    ]
    hits: list[list[Hit]] = yield Together(steps)
    return hits


def _check(opened: OpenCollection, questions: Sequence[str], options: Options) -> Query:
    check_questions(questions)
    query = check_options(options, opened.manifest.filters, opened.declaring)
    if opened.student is None:
        _require_text_query(opened, query)
    if query.hybrid and not opened.manifest.hybrid:
        again = ingest_hint("--hybrid", **opened.names, in_place=opened.is_in_place)
        raise IndexMissing(
            f"collection {opened.full_name} has no text index, which hybrid search needs. Run "
            f"{again}, which keeps the existing vectors"
        )
    return query


def _require_text_query(opened: OpenCollection, query: Query) -> None:
    """Raises QueryError for what needs vectors, or a text index, of ours."""
    for option, is_asked, why in (
        ("hybrid", query.hybrid, "which has no text index of leafsearch"),
        ("diversity", query.diversity, "whose vectors MongoDB keeps to itself"),
        ("student", query.student, "whose questions MongoDB encodes itself"),
    ):
        if is_asked:
            raise QueryError(
                f"{option} on {opened.full_name}, {why}: it has an autoEmbed index. Leave "
                f"{option} out, or ingest its documents with leafsearch"
            )


def _encode(opened: OpenCollection, student: Encoder | None, questions: Sequence[str]) -> Rows:
    if student is None:
        return np.empty((len(questions), 0), dtype=np.float32)
    special = student.tokenizer.num_special_tokens_to_add(False)
    for count in Words(student.tokenizer).count([student.query_prompt + q for q in questions]):
        if count.tokens + special > student.max_tokens:
            log.warning(
                "the question has %d tokens; the student reads only the first %d",
                count.tokens + special,
                student.max_tokens,
            )
    return opened.manifest.codec.project_queries(student.encode_queries(questions))
