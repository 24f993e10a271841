"""Memory of the index, and whether MongoDB recommends quantization."""

from collections import Counter

from leafsearch.config.storage import index_bytes
from leafsearch.doctor.context import Case, rebuild
from leafsearch.doctor.findings import Verdict, ok, problem, skipped, warning
from leafsearch.doctor.sample import StoredKind
from leafsearch.vectors import DeploymentError, explain_errors
from leafsearch.vectors.store import FORBIDDEN_CODES

_PRECISIONS = {StoredKind.BITS: "binary", StoredKind.INT8: "int8"}
_ROOM = 1.1  # MongoDB's advice: memory for the index and a tenth
_ALL, _HALF = 0.9, 0.5  # of a machine: with search alone on it, and shared with mongod
_MANY = 100_000
_LARGE = 3_000_000_000
_FEW_DIMENSIONS = 512
_GB = 1_000_000_000


def memory(case: Case) -> Verdict:
    needed = int(_ROOM * _index_bytes(case))
    try:
        with explain_errors():
            system = case.client.admin.command("hostInfo")["system"]
    except DeploymentError as error:
        code = getattr(error.__cause__, "code", None)
        why = "the user may not run hostInfo" if code in FORBIDDEN_CODES else str(error)
        return skipped(
            f"the index needs about {_shown(needed)}; what the machine has is unknown: {why}",
            needed_bytes=needed,
        )
    there = min(int(system["memSizeMB"]), int(system.get("memLimitMB") or system["memSizeMB"]))
    return judge_memory(needed, there * 1024**2)


def judge_memory(needed: int, there: int) -> Verdict:
    found = f"the index needs about {_shown(needed)}, mongod's machine has {_shown(there)}"
    numbers = {"needed_bytes": needed, "machine_bytes": there}
    if needed > _ALL * there:
        return problem(
            f"{found}: searches will wait for the disk. Quantize, store fewer dimensions, or give "
            "search a larger machine",
            **numbers,
        )
    if needed > _HALF * there:
        return warning(
            f"{found}, half of which mongod uses itself: enough only if search has a machine "
            "of its own. Otherwise quantize, or use a larger one",
            **numbers,
        )
    return ok(found, **numbers)


def quantization(case: Case) -> Verdict:
    index, kind = case.index, _usual_kind(case)
    vectors, size = _vectors(case), _vectors(case) * index.dimensions * 4
    shown = f"{vectors:,} vectors of {_shown(size)} as floats"
    if not kind.is_float and index.quantization == "none":
        return ok(f"not needed: the vectors are stored as {kind}")
    if index.quantization != "none":
        return ok(f"{index.quantization}")
    if vectors <= _MANY and size <= _LARGE:
        return ok(f"not needed yet: {shown}")
    advice = "scalar" if index.dimensions < _FEW_DIMENSIONS else "binary"
    saving = {"scalar": "3.75", "binary": "24"}[advice]
    return warning(
        f"no quantization, for {shown}; from {_MANY:,} vectors or {_shown(_LARGE)} MongoDB "
        f'recommends it: create the index with quantization "{advice}", which takes 1/{saving} of '
        "the memory" + (f"; {rebuild(case, '--quantization', advice)}" if case.manifest else ""),
        advice=advice,
    )


def _index_bytes(case: Case) -> int:
    index = case.index
    if index.counted and "memoryBytes" in index.counted:
        return int(index.counted["memoryBytes"])
    precision = _PRECISIONS.get(_usual_kind(case), "float32")
    each = index_bytes(precision, index.quantization, index.dimensions, is_flat=index.is_flat)
    return int(_vectors(case) * each)


def _vectors(case: Case) -> int:
    return round(case.documents * len(case.readable.stored) / len(case.readable))


def _usual_kind(case: Case) -> StoredKind:
    return Counter(vector.kind for vector in case.readable.stored).most_common(1)[0][0]


def _shown(size: int) -> str:
    return f"{size / _GB:,.1f} GB" if size >= _GB / 10 else f"{size / 1e6:,.1f} MB"
