"""What a collection's transform keeps of recent documents, and what another one would keep.

Recent are the documents that the server lists last ($natural): it lists them in the order in which
they were inserted, and a chunk that is encoded again keeps its place. No stored field has a time.

What a transform drops of a vector is not stored, so the teacher encodes texts again, as few as the
answer needs. First the 64 most recent: the share of their squared length that the transform keeps,
against that of the sample it was fitted on. If that fell by less than a tenth, neighbours are not
lost. Otherwise 256 recent ones, and 512 from all over the collection: how many of the ten nearest
neighbours among the recent ones does the stored transform keep, and how many one that is fitted on
documents from all over the collection, which is what a rebuild does?

Measured with the offline pair (`python -m benchmarks.drift`): a transform fitted on NFCorpus, then
300 to 3,600 documents of Vaswani in the same collection, and the other way round. Shares in %;
nDCG@10 of the new documents' queries, of that with all 384 dimensions:

    dimensions  length (sample)  neighbours  of the rebuild  nDCG@10    gained by the rebuild
    256         85 to 88 (98)    91 to 94    93 to 96        97 to 103  -0.9 to 2.6
    192         69 to 73 (95)    82 to 88    87 to 92        90 to 101  -2.8 to 2.1, once 11
    128         49 to 52 (88)    73 to 78    79 to 85        75 to 92   1.4 to 16
    64          25 to 27 (73)    58 to 67    64 to 77        70 to 78   2.3 to 13, once -13

The length falls long before searches notice, by 11 to 25 points at 256 and 192 dimensions.
Neighbours tell: wherever fewer than 80 % were kept and the rebuild kept 5 points more, nDCG gained,
1.4 to 16 points in 11 cases. Elsewhere it gained and lost about as often. The collection's own
later documents lose 4 points of length or less, 5 at 64 dimensions, and end at the first stage.
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

FIRST, RECENT, SPREAD = 64, 256, 512  # texts that are encoded
_FEWEST = 128  # texts, to compare neighbours among them
_AT_ONCE = 32
SHORTER = 0.1  # of the squared length, before neighbours are compared
_FEW = 0.8  # of the neighbours, and _GAIN of them by a rebuild, before it is recommended
_GAIN = 0.05
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
    rows = _encode(case, texts[:FIRST])
    if not len(rows):
        raise OutOfTime
    kept, before = length_kept(rows, transform), transform.kept
    many = f"{counted(len(rows), 'most recent text')}"
    found = f"the transform keeps {kept:.1%} of the squared length of the {many}"
    numbers = {"kept": round(kept, 4), "kept_of_sample": before, "texts": len(rows)}
    if kept > before - SHORTER:
        return ok(f"{found}, and {before:.1%} of its sample", **numbers)
    found += f", where it kept {before:.1%} of its sample"
    rows = np.concatenate([rows, _encode(case, texts[FIRST:RECENT])])
    spread = _encode(case, _spread(case, SPREAD))
    if len(rows) < _FEWEST or len(spread) < _FEWEST:
        return ok(
            f"{found}; whether searches miss anything by that is not known: expected {_FEWEST} "
            f"texts, got {min(len(rows), len(spread))}"
            + (" in the time limit; raise --seconds" if len(texts) >= _FEWEST else ""),
            **numbers,
        )
    own = neighbours_kept(rows, transform)
    other = neighbours_kept(rows, fit_transform(spread, transform.columns))
    numbers |= {"neighbours": round(own, 4), "rebuilt": round(other, 4), "texts": len(rows)}
    among = f"{own:.0%} of the {_NEIGHBOURS} nearest neighbours among {len(rows)} recent ones"
    if not is_lost(own, other):
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
    texts = _spread(case, RECENT)
    if len(texts) < RECENT:
        return ok(f"no transform; {counted(len(texts), 'text')} are too few to say what it gains")
    rows = _encode(case, texts)
    if len(rows) < RECENT:
        raise OutOfTime
    plain, rotated = _gain(rows, _manifest(case).dimensions)
    numbers = {"neighbours": round(plain, 4), "rebuilt": round(rotated, 4), "texts": len(rows)}
    found = f"no transform: {plain:.0%} of the {_NEIGHBOURS} nearest neighbours are kept"
    if rotated < plain + _GAIN:
        return ok(f"{found}, and {rotated:.0%} with one", **numbers)
    return ok(f"{found}; {rotated:.0%} with one: {_rebuilt(case, 'auto')}", **numbers)


def _rebuilt(case: Case, transform: str = "pca") -> str:
    first = ""
    if case.generations.other is not None:
        first = f"{retire(case)} deletes the other generation, then "
    return first + rebuild(case, "--transform", transform)


def is_lost(neighbours: float, rebuilt: float) -> bool:
    """Whether searches lose so many neighbours that a rebuild gains."""
    return neighbours < _FEW and rebuilt >= neighbours + _GAIN


def length_kept(rows: Rows, transform: Transform) -> float:
    return float(np.square(transform.rotate(rows)).sum() / np.square(rows).sum())


def _gain(rows: Rows, dimensions: int) -> tuple[float, float]:
    """The shares of neighbours that plain truncation keeps, and that a transform would."""
    fitted = fit_transform(rows[~_asks(rows)], dimensions)
    return _kept(rows, rows[:, :dimensions]), neighbours_kept(rows, fitted)


def neighbours_kept(rows: Rows, transform: Transform) -> float:
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
                .limit(RECENT)
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
