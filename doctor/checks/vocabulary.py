"""What the teacher's tokenizer makes of the texts: different texts are to have different vectors,
and most tokens of a text are to be known."""

import re
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from leafsearch.config.hint import multilingual_hint
from leafsearch.doctor.checks.models import SAME_COSINE, compare, projected
from leafsearch.doctor.checks.texts import text_of
from leafsearch.doctor.context import Case, encode_again, is_in_place, names, repair
from leafsearch.doctor.findings import Verdict, ok, problem, skipped, warning
from leafsearch.doctor.sample import StoredKind, list_ids, spread_over
from leafsearch.vectors import ModelError, load_tokenizer
from leafsearch.vectors.encoders import Words, is_remote
from leafsearch.vectors.store import uppermost_paths

_TOO_ALIKE = 0.1  # share of one vector among all, where no texts tell whether that is right
_ENOUGH = 20  # vectors, before a share means something
_COMPARED = 16  # texts that are encoded again
_MANY = 0.1  # share of texts that the teacher cannot read
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class _Alike:
    """Documents of different texts with one vector."""

    ids: list[Any]
    texts: list[str]


def variety(case: Case) -> Verdict:
    """Raises Unknown without vectors."""
    groups = defaultdict(list)
    for id, vector in case.readable.alike:
        groups[vector.values.tobytes()].append(id)
    repeated = sorted((ids for ids in groups.values() if len(ids) > 1), key=len, reverse=True)
    if not repeated:
        return ok("no two vectors are identical")
    read = _texts(case, [id for ids in repeated for id in ids])
    if not read:
        return _without_texts(case, repeated[0])
    words = _words(case)
    found = [alike for ids in repeated if (alike := _different(ids, read, words))]
    if not found:
        return ok("vectors are identical where texts are")
    return _identical(case, found, words)


def _without_texts(case: Case, most: Sequence[Any]) -> Verdict:
    count = len(case.readable.stored)
    if count >= _ENOUGH and len(most) > _TOO_ALIKE * count:
        return warning(
            f"{case.readable.of_vectors(len(most))} are identical ({list_ids(most)}), as for empty "
            "texts or error pages; look at their texts, and leave empty ones out of the source"
        )
    return ok("no vector is repeated often")


def _different(ids: Sequence[Any], read: Mapping[str, str], words: Words | None) -> _Alike | None:
    """The documents of one vector whose texts differ in what the model is to see."""
    there = [(id, read[repr(id)]) for id in ids if repr(id) in read]
    if len({_seen(text, words) for _, text in there}) < 2:
        return None
    return _Alike([id for id, _ in there], [text for _, text in there])


def _seen(text: str, words: Words | None) -> Hashable:
    """What a model sees of a text: not its case and blanks, if its tokenizer drops them."""
    return tuple(_WORD.findall(text.casefold())) if words is None else words.seen(text)


def _identical(case: Case, found: Sequence[_Alike], words: Words | None) -> Verdict:
    ids = [id for alike in found for id in alike.ids]
    texts = [text for alike in found for text in alike.texts]
    message = (
        f"{case.readable.of_vectors(len(ids))} are identical to others though their texts differ "
        f"({list_ids(ids)}), so no search tells them apart; {_remedy(case, texts, words)}"
    )
    in_bits = case.readable.stored[0].kind is StoredKind.BITS
    return (warning if in_bits else problem)(message, identical=len(ids))


def _remedy(case: Case, texts: Sequence[str], words: Words | None) -> str:
    if words is not None and words.write(texts) != list(texts) and case.manifest:
        return f"they hold words that were unknown to the teacher: {_again(case)}"
    if words is not None and any(count.is_mostly_unknown for count in words.count(texts)):
        return _multilingual(case)
    return encode_again(
        case, "--all", otherwise="look at their texts, and encode them again with the right model"
    )


def vocabulary(case: Case) -> Verdict:
    read = _texts(case, [id for id, _ in case.readable.vectors])
    if read is None:
        return skipped("name the field of the texts with --text-field to look at their words")
    words = _words(case)
    if words is None:
        return skipped("the teacher's tokenizer is not here, so its vocabulary is unknown")
    texts = list(read.values())
    if stale := _stale(case, words):
        return problem(
            f"{len(stale):,} texts hold words that the teacher did not know when it encoded them "
            f"({list_ids(stale)}); {_again(case)}",
            stale=len(stale),
        )
    counts = words.count(texts)
    unknown = [id for id, count in zip(read, counts, strict=True) if count.is_mostly_unknown]
    few = f"{len(unknown):,} of {len(texts):,} {'' if case.readable.whole else 'sampled '}texts"
    numbers = {"unknown": len(unknown), "texts": len(texts)}
    if not unknown:
        return ok("the teacher knows most words of every text", **numbers)
    message = f"{few} are mostly unknown to the teacher (_id {', '.join(unknown[:3])}"
    message += f"{', ...' if len(unknown) > 3 else ''}): {_multilingual(case)}"
    return (problem if len(unknown) > _MANY * len(texts) else warning)(message, **numbers)


def _stale(case: Case, words: Words) -> list[Any]:
    """Ids of texts that an earlier version encoded with unknown words, among those compared."""
    teacher, passages = case.knows(Case.teacher), case.knows(Case.passages)
    if teacher is None or not passages:
        return []
    written = words.write([passage.text for passage in passages])
    changed = [p for p, text in zip(passages, written, strict=True) if text != p.text]
    if not (some := spread_over(changed, _COMPARED)):
        return []
    rows = projected(case, teacher.encode_documents([passage.text for passage in some]))
    own = np.diagonal(compare(rows, np.stack([passage.stored.values for passage in some])))
    return [p.id for p, cosine in zip(some, own, strict=True) if cosine < SAME_COSINE]


def _texts(case: Case, ids: Sequence[Any]) -> dict[str, str] | None:
    """By the `repr` of their _id, which may be a document; None if their field is unknown."""
    fields = case.manifest.text_fields if case.manifest else ()
    if case.order.text_field:
        fields = (case.order.text_field,)
    if not fields:
        return None
    documents = case.aggregate(
        {"$match": {"_id": {"$in": list(ids)}}},
        {"$project": dict.fromkeys(uppermost_paths(fields), 1)},
    )
    return {repr(d["_id"]): text for d in documents if (text := text_of(d, fields))}


def _words(case: Case) -> Words | None:
    """Those of the teacher's tokenizer, which may not be here."""
    tokenizer = _tokenizer(case)
    return Words(tokenizer) if tokenizer else None


def _tokenizer(case: Case) -> Tokenizer | None:
    if teacher := case.knows(Case.teacher):
        return teacher.tokenizer
    settings, manifest = case.order.settings, case.manifest
    if manifest is None and not settings.model_fields_set & {"teacher", "preset"}:
        return None
    name = manifest.teacher.name if manifest else settings.pair.teacher
    if is_remote(name) and manifest is None:
        return None
    try:
        return load_tokenizer(name, revision=manifest.teacher.revision if manifest else None)
    except ModelError:
        return None


def _multilingual(case: Case) -> str:
    manifest = case.manifest
    teacher = manifest.teacher.name if manifest else case.order.settings.pair.teacher
    return multilingual_hint(teacher, **names(case), in_place=is_in_place(case))


def _again(case: Case) -> str:
    return f"{repair(case)} encodes them again"
