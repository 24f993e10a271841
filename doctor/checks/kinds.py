"""Types of the stored vectors: the server keeps each type apart, and skips some."""

from collections import Counter
from typing import Any

from leafsearch.doctor.context import Case, encode_again
from leafsearch.doctor.findings import Verdict, ok, problem, warning
from leafsearch.doctor.index import IndexEntry
from leafsearch.doctor.sample import Sample, StoredKind, list_ids
from leafsearch.vectors import Manifest

_BYTES_OF_ARRAY, _BYTES_OF_BINDATA = 12.6, 4  # for each dimension
Fault = tuple[str, str]  # the fault, and what the program that wrote the vectors should do
_FLOATS = [StoredKind.ARRAY, StoredKind.FLOAT32]
_KINDS = {"float32": StoredKind.FLOAT32, "int8": StoredKind.INT8, "binary": StoredKind.BITS}


def kind(case: Case) -> Verdict:
    sample, index, manifest = (
        case.sample,
        case.knows(Case.index),
        case.knows(Case.manifest),
    )
    kinds = Counter(vector.kind for vector in sample.stored)
    if kinds:
        case.readable = sample
    wrong = [*_no_vectors(sample), *_mixed(kinds)]
    if manifest:
        wrong += _not_as_ingested(sample, manifest)
    if index:
        wrong += [*_skipped_kinds(kinds, index), *_several(sample, index)]
    if wrong:
        numbers = {kind.name.lower(): n for kind, n in kinds.items()}
        if manifest:  # one command repairs all of it
            facts = "; ".join(found for found, _ in wrong)
            return problem(f"{facts}; {encode_again(case, otherwise='')}", **numbers)
        return problem("; ".join(f"{found}; {advice}" for found, advice in wrong), **numbers)
    if StoredKind.ARRAY in kinds:
        dimensions = sample.stored[0].dimensions
        return warning(
            f"arrays of numbers take {dimensions * _BYTES_OF_ARRAY:,.0f} bytes a vector where "
            f"BinData float32 takes {dimensions * _BYTES_OF_BINDATA:,}, and are slower to read; "
            "store bson.Binary.from_vector(...) and the index takes both"
        )
    return ok(f"all are {next(iter(kinds))}")


def _no_vectors(sample: Sample) -> list[Fault]:
    faulty = [drawn for drawn in sample.drawn if drawn.faults]
    if not faulty:
        return []
    what = ", ".join(sorted({fault for drawn in faulty for fault in drawn.faults})[:3])
    ids = list_ids([drawn.id for drawn in faulty])
    return [
        (f"{sample.of(len(faulty))} hold {what} instead of a vector ({ids})", "encode them again")
    ]


def _mixed(kinds: Counter[StoredKind]) -> list[Fault]:
    families = {kind.is_float or kind for kind in kinds}
    if len(families) < 2:
        return []
    counted = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    return [(f"{counted}: a query finds only those of its own type", "encode all in one type")]


def _not_as_ingested(sample: Sample, manifest: Manifest) -> list[Fault]:
    wanted = _KINDS[manifest.precision]
    wrong = [(id, vector.kind) for id, vector in sample.vectors if vector.kind is not wanted]
    if not wrong:
        return []
    kinds = ", ".join(sorted({str(kind) for _, kind in wrong}))
    ids = list_ids([id for id, _ in wrong])
    return [
        (
            f"{sample.of_vectors(len(wrong))} are {kinds} where the manifest says {wanted}, so "
            f"another program wrote them ({ids})",
            "encode them again",
        )
    ]


def _skipped_kinds(kinds: Counter[StoredKind], index: IndexEntry) -> list[Fault]:
    wrong = []
    takes = {"none": [*StoredKind], "binary": [*_FLOATS, StoredKind.INT8]}
    taken = takes.get(index.quantization, _FLOATS)
    codes = [str(kind) for kind in kinds if kind not in taken]
    if codes:
        some = "floats and int8" if index.quantization == "binary" else "floats"
        wrong.append(
            (
                f"{', '.join(codes)} under quantization {index.quantization}, which takes {some} "
                "only, are skipped",
                "make the index without quantization",
            )
        )
    if StoredKind.BITS in kinds and index.similarity != "euclidean":
        wrong.append(
            (
                f"bits under {index.similarity} are skipped",
                "make the index with similarity euclidean",
            )
        )
    return wrong


def _several(sample: Sample, index: IndexEntry) -> list[Fault]:
    many: list[Any] = [each.id for each in sample.drawn if len(each.vectors) > 1]
    if not many or index.nested:
        return []
    return [
        (
            f"{sample.of(len(many))} hold several vectors ({list_ids(many)}), of which only the "
            "first is indexed",
            "store each in its own document, or give the index a nestedRoot",
        )
    ]
