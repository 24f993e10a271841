"""The encoded texts: are they still there, and unchanged?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leafsearch.config.analyzers import STANDARD, analyzer_for
from leafsearch.config.text import quote
from leafsearch.doctor.context import Case, examine, ingest, is_in_place, repair
from leafsearch.doctor.findings import Verdict, ok, problem, skipped, warning
from leafsearch.doctor.sample import EncodedText, list_ids, spread_over
from leafsearch.search.values import paths_of, values_at
from leafsearch.vectors import join_texts
from leafsearch.vectors.store import (
    MARK,
    MARK_HASH,
    IndexSpec,
    digest,
    encoded_digest,
    uppermost_paths,
)

_TEXTS = 100
_TITLE = "metadata.title"


@dataclass(frozen=True)
class _Read:
    passage: EncodedText
    unchanged: bool
    in_parts: bool  # whether the vector is the mean of several chunks


def texts(case: Case) -> Verdict:
    sample, manifest = case.readable, case.manifest
    fields = manifest.text_fields if manifest else ()
    if case.order.text_field:
        fields = (case.order.text_field,)
    title = manifest.title_field if manifest else _TITLE
    if not fields:
        return skipped("name the field of the texts with --text-field to compare the models")
    some = spread_over(sample.alike, _TEXTS)
    vectors = {repr(id): vector for id, vector in some}  # an _id may be a document
    if not vectors:
        return skipped("no vector can be compared, see `vector values`")
    documents = case.aggregate(
        {"$match": {"_id": {"$in": [id for id, _ in some]}}},
        {"$project": dict.fromkeys(uppermost_paths([*fields, title, "hash", MARK]), 1)},
    )
    read = [
        _read(title, document, EncodedText(document["_id"], text, vectors[repr(document["_id"])]))
        for document in documents
        if (text := text_of(document, fields))
    ]
    field = " or ".join(map(quote, fields))
    if not read:
        return problem(f"no document has a text at {field}; {_elsewhere(case)}")
    # A model's vector of a long text is not the mean of its parts.
    if short := [each.passage for each in read if not each.in_parts]:
        case.passages = short
    if case.manifest is None or case.order.text_field:
        return ok(f"{len(read):,} of {len(vectors):,} have a text at {field}")
    return _unchanged(case, read)


def _unchanged(case: Case, read: list[_Read]) -> Verdict:
    changed = [each.passage.id for each in read if not each.unchanged]
    if len(changed) == len(read):
        return skipped("the hashes are of texts with titles that are not stored")
    if changed:
        again = ingest(case) if is_in_place(case) else repair(case)
        return problem(
            f"{len(changed):,} of {len(read):,} have changed since they were encoded "
            f"({list_ids(changed)}); {again} encodes their current texts",
            changed=len(changed),
        )
    unchanged = f"{len(read):,} of {len(read):,} are unchanged since they were encoded"
    return _by_language(case, read, unchanged) or ok(unchanged)


def _by_language(case: Case, read: Sequence[_Read], unchanged: str) -> Verdict | None:
    """What to say of the words' analyzer: that it is of another language, or that one would find
    more where none was chosen."""
    manifest = case.manifest
    if manifest is None or not manifest.hybrid:
        return None
    index = IndexSpec.of_text(manifest, case.full_name).find(case.listed) or {}
    there = index.get("latestDefinition", {}).get("analyzer") or STANDARD
    fitting = analyzer_for(each.passage.text for each in read)
    chosen = manifest.tuning.text_analyzer
    if fitting in (STANDARD, there) or chosen == STANDARD:
        return None
    change = ingest(case, "--text-analyzer", fitting)
    if chosen is None:
        return ok(
            f"{unchanged}; their words are indexed as they stand, and {change} finds other forms "
            "of a word too"
        )
    return warning(
        f"the words of these texts are indexed by {there}, the rules of another language; {change} "
        "indexes them by theirs, and encodes nothing"
    )


def _read(title_field: str, document: Mapping[str, Any], passage: EncodedText) -> _Read:
    encoded = encoded_text(document, passage.text, title_field)
    shown = replace(passage, text=encoded or passage.text)
    return _Read(shown, encoded is not None, is_in_parts(document))


def encoded_text(document: Mapping[str, Any], text: str, title_field: str) -> str | None:
    """The text as leaf-ingest encoded it: after the title, or alone, as the stored hash proves.
    None if it proves neither."""
    title = next(iter(values_at(document, title_field)), "")
    hashes = [*values_at(document, MARK_HASH), document.get("hash")]
    wanted = encoded_digest(hashes[0]) if isinstance(hashes[0], bytes) else b""
    encoded = [f"{title} {text}", text] if title else [text]
    return next((each for each in encoded if digest(each.encode()) == wanted), None)


def is_in_parts(document: Mapping[str, Any]) -> bool:
    """Whether its vector is the mean of several chunks."""
    return bool(values_at(document, f"{MARK}.chunks"))


def text_of(document: Mapping[str, Any], fields: Sequence[str]) -> str:
    found = [value for field in fields for value in values_at(document, field)]
    return join_texts(value for value in found if isinstance(value, str))


def _elsewhere(case: Case) -> str:
    some = case.aggregate({"$limit": 5})
    names = sorted({p for doc in some for p, value in paths_of(doc) if isinstance(value, str)})
    if not names:
        return "and no other field holds a string: the models cannot be compared without texts"
    example = examine(case, "--text-field", names[0])
    return f"strings are at {', '.join(names[:10])}: name one with --text-field, as in {example}"
