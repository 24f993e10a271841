"""The options of a search, and their checks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from leafsearch.config import Settings
from leafsearch.config.text import expected_one_of, is_unicode, quote, quote_all
from leafsearch.search.errors import QueryError
from leafsearch.search.filters import Declaring, check_filter, declare_command

MOST_CANDIDATES = 10_000  # the server's limit
_MOST = 2**31  # the server's numbers are smaller
_DEEPEST_FIELD = 100  # names of a path
FUSIONS = ("score", "rrf")  # the first is the better one, see docs/search.md
NORMALIZATIONS = ("minmax", "minMaxScaler", "sigmoid", "none")  # the same
REACH = 1000  # last hit of the last page
REACH_REORDERED = 100  # the same with MMR or a reranker

Reranker = Callable[[str, Sequence[str]], Sequence[float]]


class Options(TypedDict, total=False):
    """Keyword arguments of every search; `Query` explains them."""

    k: int
    skip: int | None
    filter: Mapping[str, Any] | None
    exact: bool
    num_candidates: int | None
    min_similarity: float | None
    rescore: int
    max_time_ms: int | None
    fields: Sequence[str] | None
    by_document: bool
    neighbours: int
    diversity: float
    hybrid: bool | str
    weights: tuple[float, float]
    normalization: str | None
    rerank: Reranker | None
    student: str | None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a search asks for.

    k               number of hits
    skip            number of hits to skip, for pages; give it for the first page too (0, then k,
                    ...), so that all pages come from one ranking; k + skip is at most 1,000, or
                    100 with diversity or rerank
    filter          MongoDB's operators on declared filter paths
    exact           compare with every vector
    num_candidates  candidates that the server considers, k to 10,000; None: see candidates_for
    min_similarity  minimum cosine of a hit, -1 to 1
    rescore         for bits: candidates per hit to rescore with the float query; 0 for none
    max_time_ms     time limit of each request to the server
    fields          what hits carry of `text`, `metadata`, `metadata.PATH`; None for all
    by_document     only the best passage of each document
    neighbours      passages before and after, merged with the hit as its `context`
    diversity       MMR: 0 = relevance only, 1 = diversity only (Carbonell and Goldstein 1998,
                    lambda = 1 - diversity)
    hybrid          fuse with a text search: by "score", which True means, or by ranks, "rrf"
    weights         weights of the vector and the text search in the fusion, at least 0
    normalization   of scores: minmax (also None), or minMaxScaler, sigmoid, none as `$scoreFusion`
                    has them; see retrieval.fuse
    rerank          scores texts against the question, higher is better; see rerank.CrossEncoder
    student         name of the student that encodes the question, or "teacher"; None: the default
    """

    k: int = 10
    skip: int | None = None
    filter: Mapping[str, Any] | None = None
    exact: bool = False
    num_candidates: int | None = None
    min_similarity: float | None = None
    rescore: int = 4
    max_time_ms: int | None = None
    fields: Sequence[str] | None = None
    by_document: bool = False
    neighbours: int = 0
    diversity: float = 0.0
    hybrid: bool | str = False
    weights: tuple[float, float] = (1.0, 1.0)
    normalization: str | None = None
    rerank: Reranker | None = None
    student: str | None = None

    @property
    def last(self) -> int:
        """Rank of the last requested hit, from 1."""
        return self.k + (self.skip or 0)

    @property
    def fusion(self) -> str | None:
        """How vectors and words are fused; None without words."""
        return FUSIONS[0] if self.hybrid is True else str(self.hybrid or "") or None

    @property
    def reordered(self) -> bool:
        return bool(self.diversity) or self.rerank is not None


def check_options(
    options: Options, declared: Sequence[str] | None, declaring: Declaring = declare_command
) -> Query:
    """Raises QueryError or FilterError.

    `declared` are the filter paths of the index; None: not known before a collection is opened.
    """
    unknown = sorted(set(options) - set(Query.__dataclass_fields__))
    if unknown:
        raise QueryError(
            f"unknown option {quote_all(unknown)}; expected some of "
            f"{', '.join(Query.__dataclass_fields__)}"
        )
    query = Query(**options)
    for name, least in (("k", 1), ("rescore", 0), ("neighbours", 0)):
        _check_whole(name, getattr(query, name), least)
    for name, least in (("skip", 0), ("max_time_ms", 1), ("num_candidates", 1)):
        if getattr(query, name) is not None:
            _check_whole(name, getattr(query, name), least)
    for name in ("exact", "by_document"):
        if not isinstance(value := getattr(query, name), bool):
            raise QueryError(f"{name} is {quote(value)}; expected True or False")
    if query.rerank is not None and not callable(query.rerank):
        raise QueryError(f"rerank is {quote(query.rerank)}; expected a CrossEncoder or a function")
    if query.student is not None and (not isinstance(query.student, str) or not query.student):
        raise QueryError(f"student is {quote(query.student)}; expected a name, or None")
    _check_range("diversity", query.diversity, 0, 1)
    if query.min_similarity is not None:
        _check_range("min_similarity", query.min_similarity, -1, 1)
    _check_fusion(query)
    _check_weights(query)
    _check_fields(query.fields)
    _check_reach(query)
    if query.filter is None:
        return query
    return replace(query, filter=check_filter(query.filter, declared, declaring))


def require_settings(settings: object) -> None:
    if not isinstance(settings, Settings):
        raise QueryError(f"settings are {quote(settings)}; expected config.Settings, or None")


def check_questions(questions: object) -> None:
    if not isinstance(questions, Sequence) or isinstance(questions, str | bytes):
        raise QueryError(f"questions is {quote(questions)}; expected a list of texts")
    for question in questions:
        if not isinstance(question, str) or not question.strip():
            raise QueryError(f"question {quote(question)}: expected some text")
        if not is_unicode(question):
            raise QueryError(f"question {quote(question)}: expected text in UTF-8")


def _check_whole(name: str, value: object, least: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value < _MOST:  # type: ignore[operator]
        raise QueryError(
            f"{name} is {quote(value)}; expected a whole number of at least {least}, below "
            f"{_MOST:,}"
        )


def _check_range(name: str, value: object, least: float, most: float) -> None:
    if not _is_number(value) or not least <= value <= most:  # type: ignore[operator]
        raise QueryError(f"{name} is {quote(value)}; expected a number from {least} to {most}")


def _check_fusion(query: Query) -> None:
    hybrid, normalization = query.hybrid, query.normalization
    if not isinstance(hybrid, bool) and hybrid not in FUSIONS:
        raise QueryError(
            f"hybrid is {quote(hybrid)}; expected True, False, {' or '.join(map(repr, FUSIONS))}"
        )
    if normalization is None:
        return
    if normalization not in NORMALIZATIONS:
        shown = quote(normalization)
        raise QueryError(
            f"normalization is {shown}; {expected_one_of(str(normalization), NORMALIZATIONS)}"
        )
    if query.fusion != "score":
        raise QueryError(
            "normalization is for hybrid search by score only: give hybrid='score' (--hybrid "
            "score) as well"
        )


def _check_weights(query: Query) -> None:
    weights = query.weights
    numbers = _is_list(weights) and all(map(_is_number, weights))
    if not numbers or len(weights) != 2 or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise QueryError(
            f"weights are {quote(weights)}; expected two numbers of at least 0, for the vectors "
            "and for the text, not both 0"
        )
    if tuple(weights) != (1.0, 1.0) and not query.hybrid:
        raise QueryError("weights are for hybrid search only: give hybrid as well")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _check_fields(fields: Sequence[str] | None) -> None:
    if fields is not None and not _is_list(fields):
        raise QueryError(f"fields is {quote(fields)}; expected a list of names")
    for field in fields or ():
        if not isinstance(field, str) or not _is_of_a_hit(field):
            raise QueryError(
                f"field {quote(field)} is not one of a hit; expected text, metadata, place, "
                "metadata.PATH or place.PATH"
            )


def _is_of_a_hit(field: str) -> bool:
    first, *names = field.split(".")
    if first not in ("metadata", "place") or not names:
        return field in ("text", "metadata", "place")
    unfit = any(not name or name.startswith("$") or "\0" in name for name in names)
    return not unfit and is_unicode(field) and len(names) < _DEEPEST_FIELD


def _check_reach(query: Query) -> None:
    if query.exact and query.num_candidates is not None:
        raise QueryError("exact search considers every vector: leave num_candidates out")
    if query.reordered and query.last > REACH_REORDERED:
        raise QueryError(
            f"k and skip reach hit {query.last}; with diversity or rerank expected at most "
            f"{REACH_REORDERED}"
        )
    if query.skip is not None and query.last > REACH:
        raise QueryError(
            f"k and skip reach hit {query.last}; pages end at {REACH}. Narrow the search"
        )
    if query.exact:
        return
    if query.k > MOST_CANDIDATES:
        raise QueryError(f"k (-k) is {query.k}; the server returns at most {MOST_CANDIDATES}")
    if query.num_candidates is not None and not (
        query.last <= query.num_candidates <= MOST_CANDIDATES
    ):
        raise QueryError(
            f"num_candidates is {query.num_candidates}; expected {query.last} (k"
            f"{' and skip' if query.skip else ''}) to {MOST_CANDIDATES}"
        )
