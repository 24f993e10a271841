"""What an evaluation found, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.formats import Format, Role
from leafsearch.evaluation.trial import Sizes

Models = Mapping[Role, str]  # with their revisions


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A format's means over all queries. `of_best`: nDCG@10 as a share of the highest.

    `overlap`: of the ten hits with those of exact search in the same format. `latency` is that of
    a search for ten, without the encoding.
    """

    format: Format
    ndcg: float
    recall: float
    mrr: float
    overlap: float
    sizes: Sizes
    latency: Milliseconds
    of_best: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """`encoding` is of one query alone."""

    collection: str
    documents: int
    queries: int
    models: Models
    encoding: Mapping[Role, Milliseconds]
    warnings: Sequence[str]
    rows: Sequence[Judged]
    seconds: float


@dataclass(frozen=True)
class Step:
    """A search that looks at so many `candidates`."""

    candidates: int
    overlap: float
    latency: Milliseconds


@dataclass(frozen=True)
class Curve:
    """`exact`: overlap of exact search in this format with that on the vectors as stored."""

    format: Format
    exact: float
    steps: Sequence[Step]
    sizes: Sizes


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """`sampled`: the queries are beginnings of passages. `k`: how many hits are compared."""

    collection: str
    documents: int
    queries: int
    sampled: bool
    k: int
    models: Models
    curves: Sequence[Curve]
    seconds: float
