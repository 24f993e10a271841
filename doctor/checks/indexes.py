"""The vector index: it exists, is READY, matches the manifest, and holds what it should."""

from collections.abc import Mapping
from typing import Any

from leafsearch.config.text import quote
from leafsearch.doctor.context import Case, encode_again, examine, repair
from leafsearch.doctor.findings import Verdict, ok, problem, warning
from leafsearch.doctor.index import IndexEntry, choose, embedded_fields
from leafsearch.doctor.sample import list_ids, may_be_indexed
from leafsearch.vectors import SearchIndexError
from leafsearch.vectors.store import IndexSpec, is_same_index, tuning_differences

_MISSING = "missing"  # includes the documents of other generations


def index(case: Case) -> Verdict:
    """Which index and path: from the options, else the manifest, else the only one there is."""
    order, manifest = case.order, case.manifest
    path = order.path or (manifest.path if manifest else None)
    name = order.index or (manifest.index if manifest else None)
    if path:
        case.path = path
    is_ours = manifest is not None and name == manifest.index
    if is_ours and name not in {each["name"] for each in case.listed}:
        return problem(
            f"{case.full_name} has no search index {name!r}: a search on it finds nothing, without "
            f"an error; {repair(case)} creates it"
        )
    found = choose(case.listed, name, path, case.full_name, lambda *new: examine(case, *new))
    if isinstance(found, str):
        return (_embedding(case, name, path) if manifest is None else None) or problem(found)
    listed, case.path = found
    case.index = IndexEntry.of(listed, case.path)
    return ok(f"found index {case.index.name} on {quote(case.path)}")


def _embedding(case: Case, name: str | None, path: str | None) -> Verdict | None:
    """About the only index that embeds texts by itself, whose vectors MongoDB keeps to itself."""
    found = [
        (index, field)
        for index in case.listed
        for field in embedded_fields(index)
        if name in (None, index["name"]) and path in (None, field["path"])
    ]
    if len(found) != 1:
        return None
    ((index, field),) = found
    at, model = str(field["path"]), field.get("model")
    shown = f"autoEmbed index {index['name']} on {quote(at)} (model {model})"
    if not index.get("queryable"):
        return problem(f"{shown} is {index.get('status')}, so the server refuses searches")
    sample = case.order.sample
    drawn = case.aggregate(
        {"$limit": sample} if case.documents <= sample else {"$sample": {"size": sample}},
        {"$set": {"mute": {"$ne": [{"$type": f"${at}"}, "string"]}}},
        {"$project": {"mute": 1}},
    )
    mute = [document["_id"] for document in drawn if document["mute"]]
    asked = "leaf-search asks it with the text of the query; its vectors cannot be examined"
    if mute:
        of = f"{len(mute):,} of {len(drawn):,} documents"
        return warning(f"{shown}: {of} have no text there and are never found ({list_ids(mute)})")
    return ok(f"{shown}: {asked}")


def status(case: Case) -> Verdict:
    index = case.index
    if index.status == "FAILED":
        return problem(f"{index.name} FAILED: {index.reason}; {_made_again(case)}")
    if not index.queryable:
        return problem(
            f"{index.name} is {index.status}, so the server refuses searches; "
            "wait until it is READY"
        )
    if index.status == "STALE":
        return problem(
            f"{index.name} is STALE: it answers, but no longer receives changes; "
            f"{_made_again(case)}, and the log of mongot says why"
        )
    if index.status != "READY":
        return warning(
            f"{index.name} is {index.status}: searches use the version before its last change"
        )
    return ok(f"{index.name} is READY")


def definition(case: Case) -> Verdict:
    index, manifest = case.index, case.manifest
    shown = f"{index.dimensions} x {index.similarity}, quantization {index.quantization}"
    if manifest is None:
        return ok(f"{shown}; there is no manifest to compare with")
    wanted = IndexSpec.of_vectors(manifest, case.full_name).definition
    latest = index.listed.get("latestDefinition", {})
    if not is_same_index(wanted, latest, tuned=False):
        return problem(
            f"{index.name} does not match the manifest: {_differences(wanted, latest)}; "
            f"{repair(case)} updates it"
        )
    if manifest.hybrid:
        try:
            IndexSpec.of_text(manifest, case.full_name).judge(case.listed, ready=True)
        except SearchIndexError as error:
            return problem(str(error))
    if differing := tuning_differences(wanted, latest):
        listed = "; ".join(f"{n} is {there}, {v} was chosen" for n, (v, there) in differing.items())
        return warning(
            f"{index.name} is built in another way than the manifest says: {listed}; searches "
            f"find the same, and {repair(case)} updates it"
        )
    return ok(f"{shown}{_tuned(manifest.tuning.chosen)}, as the manifest says")


def _tuned(chosen: Mapping[str, object]) -> str:
    """Such as `, indexing method flat, no stored source`."""
    parts = []
    for name, value in chosen.items():
        words = name.replace("_", " ")
        parts.append({True: words, False: f"no {words}"}.get(value, f"{words} {value}"))  # type: ignore[call-overload]
    return "".join(f", {part}" for part in parts)


def coverage(case: Case) -> Verdict:
    """Counted over all documents if the server does that, else over the sample by the server's
    rules."""
    counted = case.index.counted
    if counted is None:
        return _by_the_rules(case)
    manifest = case.knows(Case.manifest)
    in_place = manifest is not None and manifest.layout == "in_place"
    held, documents = int(counted["numVectors"]), int(counted["numDocs"]) - case.others
    skipped = [
        f"{part['reason']} ({part['count']:,}: {list_ids(part['examples'])})"
        for part in counted.get("skipped", ())
        if not (part["reason"] == _MISSING and (in_place or part["count"] <= case.others))
    ]
    if skipped:
        return problem(
            f"{case.index.name} has skipped vectors: {'; '.join(skipped)}: these documents are "
            f"never found; {_encoded_again(case)}",
            vectors=held,
            documents=documents,
        )
    return ok(f"the index holds {held:,} vectors of {documents:,} documents", vectors=held)


def _encoded_again(case: Case) -> str:
    return encode_again(case, otherwise="the checks above say why and what to do")


def _made_again(case: Case) -> str:
    if case.knows(Case.manifest) is None:
        return "drop it and create it again"
    return f"{repair(case)} rebuilds it"


def _by_the_rules(case: Case) -> Verdict:
    ids = case.sample.skipped_by(case.index)
    if ids:
        return problem(
            f"by the server's rules {case.sample.of(len(ids))} have no vector in "
            f"{case.index.name} and are never found ({list_ids(ids)}); {_encoded_again(case)}",
            skipped=len(ids),
        )
    found = f"{case.sample.of(len(case.sample))} can be indexed, by the server's rules"
    if any(may_be_indexed(stored, case.index) for stored in case.sample.stored):
        found += "; int8 under quantization binary only by a newer server, which `hits` tries"
    return ok(found)


def _differences(wanted: Mapping[str, Any], latest: Mapping[str, Any]) -> str:
    one, other = _settings(wanted), _settings(latest)
    return "; ".join(
        f"{key} is {other.get(key, 'not there')}, the manifest has {one.get(key, 'none')}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    )


def _settings(definition: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for field in definition.get("fields", ()):
        path = field.get("path")
        if field.get("type") == "vector":
            for key in ("numDimensions", "similarity"):
                found[f"{key} of {path}"] = str(field.get(key))
            found[f"quantization of {path}"] = str(field.get("quantization", "none"))
        else:
            found[f"{field.get('type')} {path}"] = "there"
    return found
