"""Open a collection: everything that a search must know, read from its manifest."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from tokenizers import Tokenizer

from leafsearch.config import Settings
from leafsearch.config.hint import Names, hint, ingest_hint, rebuild_hint
from leafsearch.config.storage import quantizes_int8
from leafsearch.config.text import expected_one_of, quote
from leafsearch.search.errors import NoHits, QueryError, SearchError
from leafsearch.search.filters import required_values
from leafsearch.search.session.auto_embed import embedding_manifest, look_again
from leafsearch.search.session.io import Aggregate, Compute, Steps
from leafsearch.search.values import kind_of, scalars_at
from leafsearch.vectors import (
    DeploymentError,
    Encoder,
    Manifest,
    ManifestError,
    ModelError,
    load_student,
    load_tokenizer,
)
from leafsearch.vectors.encoders import load_with_key, require_probe, usual_factor
from leafsearch.vectors.store import (
    MANIFESTS,
    TEACHER,
    TRANSFORMS,
    Generations,
    IndexSpec,
    Transform,
    accept_parts,
    missing_manifest,
    parse_generations,
    parts_pipeline,
    require_agreement,
)

log = logging.getLogger(__name__)

_COUNTING = "package:leafsearch/vectors/offline"  # a tokenizer that comes with this package
_SAMPLED = 200  # documents whose values are compared

Load = Callable[[Manifest, str], Encoder]  # by the student's name


class MissingManifest(ManifestError):
    """Nothing was ingested into the collection."""


class GenerationSwitched(SearchError):
    """Searches of the collection use another generation of vectors than the open one."""


@dataclass
class OpenCollection:
    """`documents` is an estimate; `seen` is when it and the manifest were last read.

    `unknown_stages` are those that the server turned out not to know; `reads_index` until it turns
    out not to keep what hits show. `student` encodes what names no other, and is `student_name` in
    the manifest; without one the server embeds the questions.
    """

    database: str
    collection: str
    manifest: Manifest
    student: Encoder | None
    documents: int
    seen: float
    student_name: str = ""  # the default one
    unknown_stages: frozenset[str] = frozenset()
    reads_index: bool = True

    def __post_init__(self) -> None:
        self.student_name = self.student_name or self.manifest.default_name

    @property
    def full_name(self) -> str:
        return f"{self.database}.{self.collection}"

    @property
    def names(self) -> Names:
        return {"database": self.database, "collection": self.collection}

    @property
    def is_in_place(self) -> bool:
        return self.manifest.layout == "in_place"

    @property
    def tokenizer(self) -> Tokenizer:
        """The student's; without a student one that counts about as a language model does."""
        return self.student.tokenizer if self.student else _counting_tokenizer()

    def declaring(self, path: str) -> str:
        """What declares this path for filters: a command, or a field of an index of others."""
        if self.student is None:
            field = json.dumps({"type": "filter", "path": path})
            return f"{field} among the fields of search index {self.manifest.index}"
        return ingest_hint("--filter-field", path, **self.names, in_place=self.is_in_place)


@cache
def _counting_tokenizer() -> Tokenizer:
    return load_tokenizer(_COUNTING)


def open_collection(settings: Settings, student: str | None = None) -> Steps[OpenCollection]:
    """Open it with this student, by default as `usual_student` says.

    Raises ManifestError, ModelError, QueryError for an unknown student, or the SearchIndexError
    that says what is wrong.
    """
    try:
        found = yield from _generations(settings.database, settings.collection)
    except MissingManifest:
        embedded = yield from _embedded(settings.database, settings.collection)
        if embedded is None:
            raise
        if student is not None:
            raise QueryError(
                f"student on {embedded.full_name}, whose questions MongoDB encodes itself: it has "
                "an autoEmbed index. Leave student out, or ingest its documents with leafsearch"
            ) from None
        return embedded
    require_agreement(found.active, settings)
    return (yield from _opened(settings, found, partial(load_for, settings=settings), student))


def _embedded(database: str, collection: str) -> Steps[OpenCollection | None]:
    """The collection, if it has no vectors of ours but an index that embeds its texts."""
    try:
        listed = yield Aggregate(collection, [{"$listSearchIndexes": {}}])
    except DeploymentError:  # there is no search here, or no right to look
        return None
    manifest = embedding_manifest(listed, f"{database}.{collection}")
    if manifest is None:
        return None
    documents = yield from _counted_all(collection)
    return OpenCollection(database, collection, manifest, None, documents, time.monotonic())


def reopen_collection(
    settings: Settings, load: Load, student: str | None = None
) -> Steps[OpenCollection]:
    """Open after a switch, ignoring settings that name an earlier generation's models."""
    found = yield from _generations(settings.database, settings.collection)
    return (yield from _opened(settings, found, load, student))


def _opened(
    settings: Settings, found: Generations, load: Load, student: str | None
) -> Steps[OpenCollection]:
    name, manifest = settings.collection, found.active
    where: Names = {"database": settings.database, "collection": name}
    used = usual_student(manifest, settings, student, where)
    yield from require_index(manifest, settings.database, name)
    encoder = yield Compute(lambda: load(manifest, used))
    documents = yield from _count(name, found)
    now = time.monotonic()
    return OpenCollection(settings.database, name, manifest, encoder, documents, now, used)


def usual_student(manifest: Manifest, settings: Settings, student: str | None, where: Names) -> str:
    """The name of the student that encodes what names no other: `student`, else the one that a
    setting names or whose model it names, else the default one.

    Raises QueryError if there is no such `student`.
    """
    if student is not None:
        require_student(manifest, student, where)
        return student
    if settings.model_fields_set & {"preset", "student"}:
        asked = settings.pair.student
        if asked in manifest.encoders:
            return asked
        for name, record in manifest.students.items():
            if record.model.name == asked:
                return name
    return manifest.default_name


def require_student(manifest: Manifest, name: str, where: Names) -> None:
    """Raises QueryError unless the collection has this student."""
    if name not in manifest.encoders:
        add = hint("leaf-search students", "add", "NAME", "MODEL", **where)
        full_name = f"{where['database']}.{where['collection']}"
        raise QueryError(
            f"student {quote(name)}: {full_name} has none of this name; "
            f"{expected_one_of(name, list(manifest.encoders)).rstrip('?')}. {add} adds one"
        )


def candidates_factor(opened: OpenCollection, name: str, student: Encoder | None) -> float:
    """How many times as many candidates the queries of this student take as the teacher's."""
    if student is None:
        return 1.0
    return opened.manifest.candidates_factor(name, usual_factor(student))


def load_for(manifest: Manifest, name: str, settings: Settings) -> Encoder:
    """Load a student by its name, and check that it is the one of the manifest."""
    record = manifest.encoders[name]
    model = record.model
    student = load_with_key(
        settings,
        model.name,
        lambda key: load_student(model.name, revision=model.revision, key=key),
        variable="LEAF_TEACHER" if name == TEACHER else "LEAF_STUDENT",
    )
    least = manifest.transform.dimensions if manifest.transform else manifest.dimensions
    if student.dimensions < least:
        again = rebuild_hint(
            *("--teacher", manifest.teacher.name, "--student", "STUDENT"),
            database=settings.database,
            collection=settings.collection,
            in_place=manifest.layout == "in_place",
        )
        raise ModelError(
            f"student {student.name} gives {student.dimensions} dimensions, but the collection "
            f"needs {least}. Choose a student of this teacher: {again}"
        )
    if record.probe is not None:
        require_probe(student, record.probe)
    return student


def require_index(manifest: Manifest, database: str, collection: str) -> Steps[None]:
    """Raises SearchIndexError: the server answers a search on a missing index with nothing, and
    no error."""
    listed = yield Aggregate(collection, [{"$listSearchIndexes": {}}])
    if manifest.layout == "auto_embedded":
        look_again(manifest, listed, f"{database}.{collection}")
        return
    specs = [IndexSpec.of_vectors(manifest, f"{database}.{collection}")]
    if manifest.hybrid:
        specs.append(IndexSpec.of_text(manifest, f"{database}.{collection}"))
    for spec in specs:
        spec.judge(listed)


def require_indexes(opened: OpenCollection) -> Steps[None]:
    """Check the indexes in use, which may have been retired."""
    yield from look_up(opened)
    yield from require_index(opened.manifest, opened.database, opened.collection)


def explain_no_hits(opened: OpenCollection, filter: Mapping[str, Any] | None) -> Steps[None]:
    """Raises the error that a search without hits hides; returns if the result is right."""
    now = yield from look_up(opened)
    manifest = now.manifest
    yield from require_index(manifest, now.database, now.collection)
    if filter:
        yield from _warn_of_other_types(now, filter)
    if filter or not now.documents:
        return
    if now.student is None:
        raise NoHits(
            f"autoEmbed index {quote(manifest.index)} finds nothing, although {now.full_name} "
            f"holds {now.documents} documents. MongoDB may still be embedding them, so try again "
            f"later; it embeds only texts: expected some at {manifest.text_field}"
        )
    doctor = hint("leaf-search doctor", **now.names)
    is_new_form = quantizes_int8(manifest.precision, manifest.quantization)
    older = "this server skips int8 under quantization binary; or " if is_new_form else ""
    raise NoHits(
        f"search index {manifest.index!r} finds nothing, although {now.full_name} "
        f"holds {now.documents} documents. It may lag behind the last write, so try again in a "
        f"moment; or {older}the stored vectors are not {manifest.dimensions} x "
        f"{manifest.precision}, and the server skips them: {doctor} checks that"
    )


def _warn_of_other_types(opened: OpenCollection, filter: Mapping[str, Any]) -> Steps[None]:
    """Warn if a filter compares with another type than is stored, which finds nothing."""
    for path, values in required_values(filter).items():
        chosen = {"$match": opened.manifest.chosen}
        some: list[Any] = [chosen, {"$limit": _SAMPLED}, {"$project": {path: 1}}]
        found = yield Aggregate(opened.collection, some)
        stored = {kind_of(v) for document in found for v in scalars_at(document, path)}
        asked = {kind_of(value) for value in values}
        if stored - {"null"} and asked - {"null"} and not stored & asked:
            date = '; a date is written as {"$date": "2023-01-31T00:00:00Z"}'
            log.warning(
                "the filter compares %s with values of type %s, but documents hold values of type "
                "%s there: these never match%s",
                path,
                " or ".join(sorted(asked)),
                " or ".join(sorted(stored - {"null"})),
                date if "date" in stored else "",
            )


def look_up(opened: OpenCollection) -> Steps[OpenCollection]:
    """The open collection as it is now.

    Raises GenerationSwitched if searches use another generation, ManifestError if the collection
    was replaced by another one.
    """
    if opened.student is None:
        listed = yield Aggregate(opened.collection, [{"$listSearchIndexes": {}}])
        manifest = look_again(opened.manifest, listed, opened.full_name)
        documents = yield from _counted_all(opened.collection)
        return replace(opened, manifest=manifest, documents=documents, seen=time.monotonic())
    found = yield from _generations(opened.database, opened.collection)
    now, known = found.active, opened.manifest
    if now.generation != known.generation:
        raise GenerationSwitched(
            f"searches of {opened.full_name} just switched from generation {known.generation} to "
            f"{now.generation}; search again"
        )
    if any(getattr(now, f) != getattr(known, f) for f in ("teacher", "codec", "path", "layout")):
        raise ManifestError(
            f"collection {opened.full_name} was replaced by one with other models or another "
            "storage since it was opened. Call reopen()"
        )
    documents = yield from _count(opened.collection, found)
    return replace(opened, manifest=now, documents=documents, seen=time.monotonic())


def _generations(database: str, collection: str) -> Steps[Generations]:
    found = yield Aggregate(MANIFESTS, [{"$match": {"_id": collection}}])
    if found:
        generations = parse_generations(found[0], collection)
        yield from _read_transform(generations.active.transform, collection)
        return generations
    others = yield Aggregate(MANIFESTS, [{"$project": {"_id": 1}}])
    missing = missing_manifest(database, collection, [str(other["_id"]) for other in others])
    raise MissingManifest(str(missing))


def _read_transform(transform: Transform | None, collection: str) -> Steps[None]:
    if transform is not None and not transform.is_read:
        parts = yield Aggregate(TRANSFORMS, parts_pipeline(transform))
        accept_parts(transform, parts, collection)


def _count(collection: str, found: Generations) -> Steps[int]:
    """Documents of the active generation; a lone generation needs no counting."""
    if found.other is not None and found.active.generation > 1:
        return (yield from _counted(collection, found.active.chosen))
    everything = yield from _counted_all(collection)
    if found.other is None:
        return everything
    return everything - (yield from _counted(collection, found.other.chosen))


def _counted_all(collection: str) -> Steps[int]:
    counted = yield Aggregate(collection, [{"$collStats": {"count": {}}}])
    return sum(int(part["count"]) for part in counted)  # one part per shard


def _counted(collection: str, chosen: Mapping[str, Any]) -> Steps[int]:
    counted = yield Aggregate(collection, [{"$match": chosen}, {"$count": "count"}])
    return sum(int(part["count"]) for part in counted)
