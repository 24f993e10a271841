"""The stored vectors, on a sample: do they exist, are they of the right size, and usable?"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from leafsearch.config.text import quote
from leafsearch.doctor.context import Case, encode_again, examine, ingest, is_in_place
from leafsearch.doctor.findings import Verdict, ok, problem
from leafsearch.doctor.sample import Drawn, Sample, StoredVector, list_ids, vector_paths
from leafsearch.search.values import values_at
from leafsearch.vectors.store import UNIT_TOLERANCE, uppermost_paths

_SIGNS = 0.9  # least share of equal signs of two stored forms of one vector


def presence(case: Case) -> Verdict:
    sample = _draw(case)
    empty = [drawn.id for drawn in sample.drawn if drawn.is_empty]
    if len(empty) == len(sample):
        return problem(f"no document has a vector at {quote(case.path)}; {_elsewhere(case)}")
    case.sample = sample
    if empty:
        return problem(
            f"{sample.of(len(empty))} have no vector at {quote(case.path)} and can never be found "
            f"({list_ids(empty)}); {_missing(case)}",
            missing=len(empty),
            sampled=len(sample),
        )
    return ok(f"{sample.of(len(sample))} have a vector at {quote(case.path)}", sampled=len(sample))


def dimensions(case: Case) -> Verdict:
    sample, expected = (
        case.readable,
        case.knows(Case.manifest) or case.knows(Case.index),
    )
    sizes = Counter(vector.dimensions for vector in sample.stored)
    wanted = expected.dimensions if expected else sizes.most_common(1)[0][0]
    wrong = [id for id, vector in sample.vectors if vector.dimensions != wanted]
    if wrong:
        others = ", ".join(str(size) for size in sorted(sizes) if size != wanted)
        who = "the others have" if not expected else "the index needs"
        right = encode_again(case, otherwise="encode them again with the right model")
        return problem(
            f"{sample.of_vectors(len(wrong))} have {others} dimensions, {who} {wanted}: they "
            f"are skipped silently ({list_ids(wrong)}); {right}"
        )
    return ok(f"all have {wanted}")


def values(case: Case) -> Verdict:
    sample = case.readable
    broken = [id for id, vector in sample.vectors if not vector.is_finite]
    zero = [id for id, vector in sample.vectors if vector.is_finite and vector.is_zero]
    wrong = []
    if broken:
        wrong.append(f"{sample.of_vectors(len(broken))} hold NaN or infinity ({list_ids(broken)})")
    if zero:
        wrong.append(f"{sample.of_vectors(len(zero))} are only zeros ({list_ids(zero)})")
    if wrong:
        right = encode_again(case, otherwise="encode these documents again")
        return problem(
            f"{'; '.join(wrong)}: the index skips them, or their scores mean nothing; {right}",
            not_finite=len(broken),
            zero=len(zero),
        )
    return ok("all are finite, and none is only zeros")


def length(case: Case) -> Verdict:
    index, manifest = case.knows(Case.index), case.knows(Case.manifest)
    norms = [(id, v.norm) for id, v in case.readable.vectors if v.is_finite and not v.is_zero]
    if not norms:
        return problem("no vector has a length; see `vector values`")
    least, most = min(n for _, n in norms), max(n for _, n in norms)
    found = f"{least:.3g} to {most:.3g}"
    floats = any(vector.kind.is_float for vector in case.readable.stored)
    of_unit = bool(manifest and manifest.precision == "float32")
    if index and index.similarity == "dotProduct":
        of_unit = of_unit or floats
        if not floats and most > least * (1 + 5 * UNIT_TOLERANCE):
            return problem(
                f"the lengths are {found}, and dotProduct prefers the long ones; "
                + encode_again(case, "--all", otherwise="create the index with cosine")
            )
    wrong = [id for id, norm in norms if abs(norm - 1) > UNIT_TOLERANCE]
    if of_unit and wrong:
        return problem(
            f"{case.readable.of_vectors(len(wrong))} are not of length 1 but {found} "
            f"({list_ids(wrong)}): dotProduct then prefers the long ones; "
            + encode_again(
                case,
                otherwise="divide each vector by its length, or create the index with cosine",
            )
        )
    return ok("all are of length 1" if not wrong else f"{found}, which does not matter here")


def second(case: Case) -> Verdict:
    """The vectors beside bits, outside the index: usable, and of the same texts as the bits?"""
    sample, manifest = case.readable, case.manifest
    if manifest is None or manifest.beside is None:
        return ok("there are none, and none are expected")
    exact, path = manifest.codec.exact, manifest.exact_path
    stored = [(drawn, next(iter(values_at(drawn.document, path)), None)) for drawn in sample.drawn]
    wrong = [drawn.id for drawn, value in stored if not exact.is_sound(value)]
    if wrong:
        return problem(
            f"{sample.of(len(wrong))} have no usable {manifest.beside} vector at {quote(path)} "
            f"({list_ids(wrong)}), by which hits are rescored; {encode_again(case, otherwise='')}",
            unusable=len(wrong),
        )
    other = [
        drawn.id
        for drawn, value in stored
        if drawn.vectors
        and _shared_signs(exact.expand([bytes(value or b"")])[0], drawn.vectors[0]) < _SIGNS
    ]
    if other:
        return problem(
            f"{sample.of(len(other))} have another {manifest.beside} vector at {quote(path)} than "
            f"their bits are of ({list_ids(other)}), so hits are rescored by other texts; "
            + encode_again(case, "--all", otherwise=""),
            other=len(other),
        )
    return ok(f"all have a sound {manifest.beside} vector at {quote(path)}, of their bits")


def _shared_signs(row: NDArray[np.floating], stored: StoredVector) -> float:
    """The share of dimensions, without those that were rounded to 0, in which signs agree."""
    if len(row) != stored.dimensions or not (is_clear := row != 0).any():
        return 0.0
    return float(np.mean((row > 0)[is_clear] == (stored.values > 0)[is_clear]))


def _draw(case: Case) -> Sample:
    size, manifest, index = case.order.sample, case.manifest, case.knows(Case.index)
    filters = [*(manifest.filters if manifest else ()), *(index.filters if index else ())]
    paths = [case.path] if manifest is None else dict.fromkeys([case.path, *manifest.vector_paths])
    whole = case.documents <= size
    chosen = [{"$match": case.chosen}] if case.chosen else []
    # In place, a document without text needs no vector.
    in_place = manifest is not None and manifest.layout == "in_place"
    has_text = [{path: {"$regex": r"\S"}} for path in manifest.text_fields] if manifest else []
    texts = [{"$match": {"$or": has_text}}] if in_place else []
    found = case.aggregate(
        *chosen,
        *texts,
        {"$limit": size} if whole else {"$sample": {"size": size}},
        {"$project": dict.fromkeys(uppermost_paths([*paths, *filters]), 1)},
    )
    return Sample([Drawn.of(document, case.path) for document in found], whole)


def _elsewhere(case: Case) -> str:
    paths = vector_paths(case.aggregate({"$limit": 5}))
    if case.knows(Case.manifest) is not None:
        return _missing(case)
    if paths:
        return f"did you mean {examine(case, '--path', paths[0])}?"
    return "and its first documents have none elsewhere; encode them first"


def _missing(case: Case) -> str:
    """A document in place may never have had a vector; the stored data does not show it."""
    if is_in_place(case):
        return f"{ingest(case)} encodes them"
    return encode_again(case, otherwise="encode or remove them")
