"""What a collection's transform keeps of recent documents, and what another one would keep.

Recent are the documents that the server lists last ($natural): it lists them in the order in which
they were inserted, and a chunk that is encoded again keeps its place. No stored field has a time.

What a transform drops of a vector is not stored, so the teacher encodes texts again, as few as the
answer needs. First the 64 most recent: the share of their squared length that the transform keeps,
against that of the sample it was fitted on. If that fell by less than a tenth, neighbours are not
lost. Otherwise 256 recent ones, and 512 from all over the collection: how many of the ten nearest
neighbours among the recent ones does the stored transform keep, and how many one that is fitted on
documents from all over the collection, which is what a rebuild does?

Measured with the offline pair, a transform fitted on NFCorpus and then Vaswani into the same
collection, and the other way round, with 300 to 3,600 new documents. Shares in %, nDCG@10 of the
new documents' queries against all 384 dimensions:

    dimensions  squared length  neighbours  of the rebuild  nDCG@10  of the rebuild
    256         85 to 87 (98)   91 to 93    92 to 98        100, 99  98, 99
    192         70 to 72 (95)   81 to 86    88 to 94        99, 97   97, 98
    128         49 to 52 (88)   71 to 78    80 to 89        89, 91   91, 93
    64          25 to 28 (74)   56 to 65    69 to 79        77, 72   78, 78

In brackets: of the sample (the lower of the two). The squared length falls long before searches
notice: at 256 and 192 dimensions a rebuild gains nothing, with 13 to 25 points of length lost.
Neighbours tell: a gain of 9 points or less comes with no gain of nDCG, one of 10 to 19 with 1 to 6
points. Later documents of the corpus itself lose 1 to 6 points of length and at most 1 % of nDCG,
so the first stage ends there. A share of 30 % new documents in the recent ones shows half of these
differences.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pymongo.errors import ExecutionTimeout

from leafsearch.config.text import counted
from leafsearch.doctor.checks.texts import encoded_text, is_in_parts, text_of
from leafsearch.doctor.context import Case, OutOfTime, Unknown, rebuild, retire
from leafsearch.doctor.findings import Verdict, ok, warning
from leafsearch.vectors import Manifest, Rows, explain_errors
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.store import (
    MARK,
    Transform,
    fit_transform,
    uppermost_paths,
)

_FIRST, _RECENT, _SPREAD = 64, 256, 512  # texts that are encoded
_FEWEST = 128  # texts, to compare neighbours among them
_AT_ONCE = 32
_SHORTER = 0.1  # of the squared length, before neighbours are compared
_FEWER = 0.1  # of the neighbours, before a rebuild is recommended
_MUCH = 0.05  # of the neighbours, before a transform is mentioned
_NEIGHBOURS, _ASKED_EVERY = 10, 4


def drift(case: Case) -> Verdict:
    manifest = case.manifest
    if manifest is None:
        _ = case.documents  # raises Unknown if there are none
        return ok("there is no manifest, so there is no transform")
    if manifest.transform is not None:
        return _rotated(case, case.transform)
    if manifest.dimensions >= manifest.teacher.dimensions:
        return ok("no transform, and none is needed: all dimensions are stored")
    if manifest.precision == "binary":
        return ok("no transform: bits are those of the first dimensions")
    return _cut(case)


def _rotated(case: Case, transform: Transform) -> Verdict:
    texts = _recent(case)
    rows = _encode(case, texts[:_FIRST])
    if not len(rows):
        raise OutOfTime
    kept, before = _kept_length(rows, transform), transform.kept
    many = f"{counted(len(rows), 'most recent text')}"
    found = f"the transform keeps {kept:.1%} of the squared length of the {many}"
    numbers = {"kept": round(kept, 4), "kept_of_sample": before, "texts": len(rows)}
    if kept > before - _SHORTER:
        return ok(f"{found}, and {before:.1%} of its sample", **numbers)
    found += f", where it kept {before:.1%} of its sample"
    rows = np.concatenate([rows, _encode(case, texts[_FIRST:_RECENT])])
    spread = _encode(case, _spread(case, _SPREAD))
    if len(rows) < _FEWEST or len(spread) < _FEWEST:
        return ok(
            f"{found}; whether searches miss anything by that is not known: expected {_FEWEST} "
            f"texts, got {min(len(rows), len(spread))}"
            + (" in the time limit; raise --seconds" if len(texts) >= _FEWEST else ""),
            **numbers,
        )
    own = _kept_neighbours(rows, transform)
    other = _kept_neighbours(rows, fit_transform(spread, transform.columns))
    numbers |= {"neighbours": round(own, 4), "rebuilt": round(other, 4), "texts": len(rows)}
    among = f"{own:.0%} of the {_NEIGHBOURS} nearest neighbours among {len(rows)} recent ones"
    if other < own + _FEWER:
        return ok(
            f"{found}; searches do not suffer: it keeps {among}, one that is fitted on the "
            f"collection of today {other:.0%}",
            **numbers,
        )
    return warning(
        f"{found}, and {among}; one that is fitted on the collection of today keeps {other:.0%}: "
        f"{_rebuilt(case)}",
        **numbers,
    )


def _cut(case: Case) -> Verdict:
    texts = _spread(case, _RECENT)
    if len(texts) < _RECENT:
        return ok(f"no transform; {counted(len(texts), 'text')} are too few to say what it gains")
    rows = _encode(case, texts)
    if len(rows) < _RECENT:
        raise OutOfTime
    plain, rotated = _gain(rows, _manifest(case).dimensions)
    numbers = {"neighbours": round(plain, 4), "rebuilt": round(rotated, 4), "texts": len(rows)}
    found = f"no transform: {plain:.0%} of the {_NEIGHBOURS} nearest neighbours are kept"
    if rotated < plain + _MUCH:
        return ok(f"{found}, and {rotated:.0%} with one", **numbers)
    return ok(f"{found}; {rotated:.0%} with one: {_rebuilt(case, 'auto')}", **numbers)


def _rebuilt(case: Case, transform: str = "pca") -> str:
    first = ""
    if case.generations.other is not None:
        first = f"{retire(case)} deletes the other generation, then "
    return first + rebuild(case, "--transform", transform)


def _kept_length(rows: Rows, transform: Transform) -> float:
    return float(np.square(transform.rotate(rows)).sum() / np.square(rows).sum())


def _gain(rows: Rows, dimensions: int) -> tuple[float, float]:
    """The shares of neighbours that plain truncation keeps, and that a transform would."""
    fitted = fit_transform(rows[~_asks(rows)], dimensions)
    return _kept(rows, rows[:, :dimensions]), _kept_neighbours(rows, fitted)


def _kept_neighbours(rows: Rows, transform: Transform) -> float:
    return _kept(rows, transform.rotate(rows))


def _kept(rows: Rows, cut: Rows) -> float:
    """The share of the nearest neighbours of whole rows that cut ones keep; a quarter asks."""
    asks = _asks(rows)
    wanted, found = (_nearest(each[asks], each[~asks]) for each in (rows, unit_rows(cut)))
    pairs = zip(wanted, found, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / _NEIGHBOURS for a, b in pairs]))


def _asks(rows: Rows) -> np.ndarray:
    asked: np.ndarray = np.arange(len(rows)) % _ASKED_EVERY == 0
    return asked


def _nearest(queries: Rows, documents: Rows) -> np.ndarray:
    return np.argpartition(-(queries @ documents.T), _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]


def _recent(case: Case) -> list[str]:
    """The texts that were inserted last, the last one first."""
    has_vector = {case.path: {"$exists": True}}
    with explain_errors():
        try:
            found = (
                case.mongo.find({**case.chosen, **has_vector}, _fields(case))
                .sort([("$natural", -1)])
                .limit(_RECENT)
                .max_time_ms(case.left_ms())
            )
            return list(_texts(case, list(found)))
        except ExecutionTimeout as error:
            raise OutOfTime from error


def _spread(case: Case, most: int) -> list[str]:
    """Texts from all over the collection: of documents in the sample."""
    alike = case.readable.alike
    count = min(most, len(alike))
    ids = [alike[at * len(alike) // count][0] for at in range(count)]
    found = case.aggregate({"$match": {"_id": {"$in": ids}}}, {"$project": _fields(case)})
    return list(_texts(case, found))


def _fields(case: Case) -> dict[str, int]:
    manifest = _manifest(case)
    fields = [*manifest.text_fields, manifest.title_field, "hash", MARK]
    return dict.fromkeys(uppermost_paths(fields), 1)


def _texts(case: Case, documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """As they were encoded; a model's vector of a long text is not the mean of its parts."""
    manifest = _manifest(case)
    for document in documents:
        text = text_of(document, manifest.text_fields)
        if text and not is_in_parts(document):
            yield encoded_text(document, text, manifest.title_field) or text


def _encode(case: Case, texts: Sequence[str]) -> Rows:
    """Rows of the first texts, as many as there is time for."""
    teacher, parts, slowest = case.teacher, list[Rows](), 0.0
    for at in range(0, len(texts), _AT_ONCE):
        if _left(case) <= 2 * slowest:
            break
        started = time.monotonic()
        parts.append(teacher.encode_documents(texts[at : at + _AT_ONCE]))
        slowest = max(slowest, time.monotonic() - started)
    return np.concatenate(parts) if parts else np.zeros((0, teacher.dimensions), np.float32)


def _left(case: Case) -> float:
    """Seconds of the time limit."""
    try:
        return case.left_ms() / 1000
    except OutOfTime:
        return 0.0


def _manifest(case: Case) -> Manifest:
    if case.manifest is None:
        raise Unknown("there is no manifest")
    return case.manifest
