"""Repair vectors and indexes that the doctor finds faulty, without the source.

A vector of the wrong form, of zeros or NaN, beside a text that was changed since, or of words that
were unknown when it was made, is encoded again from the text that is stored with it. Search indexes
become what the manifest says.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pymongo.database import Database
from rich.console import Console

from leafsearch.config import Settings
from leafsearch.config.hint import Names, hint, ingest_hint, rebuild_hint
from leafsearch.config.text import counted
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.cli.console import say, say_rejects
from leafsearch.ingest.document import Document
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.pipeline.extent import ALL
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.runs.stale import StaleVectors
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leafsearch.ingest.target.target import OnStatus, Target, load_teacher
from leafsearch.vectors import Collection, InPlace, Manifest, Teacher, collection_of, explain_errors
from leafsearch.vectors.store import (
    MARK,
    RetryBudget,
    digest,
    encoded_digest,
    id_to_text,
    read_generation,
    read_generations,
    read_transforms,
    register_run,
    remove_filters,
)

_TO_DROP = 600.0  # seconds for an old index to go, if no time was given
_AT_ONCE = 500  # chunks that are encoded and written together
_NO_HASH = b""  # the hash of no text, so that the next ingest encodes the chunk


@dataclass
class Repaired:
    """`left` counts chunks that need their source, since the encoded text is not stored with
    them. `unsettled` counts documents in place that changed faster than they could be encoded.
    `undeclared` are filter paths that no document has."""

    vectors: int = 0
    encoded: int = 0
    left: int = 0
    unsettled: int = 0
    indexes: int = 0
    undeclared: list[str] = field(default_factory=list)


def repair(
    database: Database[Any],
    settings: Settings,
    rejects: Rejects,
    *,
    everything: bool = False,
    seconds: float,
    on_status: OnStatus,
    retries: RetryBudget,
) -> Repaired:
    """Repair all generations; `everything` encodes every stored text again, sound vector or not.

    Other runs learn of it, since an encoded chunk is no longer the one that they have seen.
    """
    name, done = settings.collection, Repaired()
    with register_run(database, name, retries) as registration:
        generations = read_generations(database, name)
        for known in generations.all:
            manifest = read_generations(database, name).find(known.generation)
            if manifest is None:
                continue  # retired meanwhile
            read_transforms(database, [manifest.transform], name)
            if manifest.precision == "int8" and not manifest.scale:
                if known != generations.active:
                    continue
                raise _unreadable(database, name, manifest)
            manifest = _without_unused_filters(database, name, manifest, done)
            collection = collection_of(database[name], manifest, retries)
            collection.announce = registration.renew
            for index in collection.indexes:
                done.indexes += index.remake(seconds=seconds or _TO_DROP)
            collection.create()
            on_status("checking the vectors")
            if isinstance(collection, InPlace):
                with closing(Target(database, settings, manifest, retries=retries)) as target:
                    last = _repair_in_place(collection, target, rejects, done, everything)
            else:
                with closing(_Chunks(collection, settings, done, on_status)) as chunks:
                    last = chunks.repair(everything=everything)
            if seconds:
                collection.wait_until_ready(last, seconds=seconds, on_status=on_status)
    return done


def _unreadable(database: Database[Any], name: str, manifest: Manifest) -> TargetError:
    is_in_place = manifest.layout == "in_place"
    again = rebuild_hint(database=database.name, collection=name, in_place=is_in_place)
    return TargetError(
        f"the manifest of {database.name}.{name} says int8 without a scale, so vectors can be "
        f"neither read nor made: {again}"
    )


def _without_unused_filters(
    database: Database[Any], name: str, manifest: Manifest, done: Repaired
) -> Manifest:
    """Undeclare filter paths that no document has: a filter by such a path finds nothing without
    an error, while an undeclared path raises one. Nothing is undeclared for an empty collection."""
    mongo = database[name]
    with explain_errors():
        if mongo.find_one(manifest.chosen, {"_id": 1}) is None:
            return manifest
        unused = [
            path
            for path in manifest.filters
            if mongo.find_one({path: {"$exists": True}, **manifest.chosen}, {"_id": 1}) is None
        ]
        if not unused:
            return manifest
        remove_filters(database, name, manifest.generation, unused)
        done.undeclared += unused
        return read_generation(database, name, manifest.generation)


class _Chunks:
    """Repairs a collection of chunks; counts in `done`."""

    def __init__(
        self, collection: Collection, settings: Settings, done: Repaired, on_status: OnStatus
    ) -> None:
        self._on_status = on_status
        self._collection = collection
        self._settings = settings
        self._done = done
        self._loaded: Teacher | None = None

    def repair(self, *, everything: bool) -> str | None:
        """Returns the id of the chunk that was written last."""
        damaged, changed, matched = self._judged(everything=everything)
        if not everything:
            damaged += self._stale(set(damaged) | set(changed))
        # If no hash fits, chunks were encoded with titles or headings that are not stored.
        is_stored = matched and not self._manifest.heading_trail
        last = None
        for ids in _parts([*damaged, *(changed if is_stored else ())]):
            self._on_status(f"encoded {self._done.encoded:,} vectors again")
            last = self._encode(ids, changed_too=bool(is_stored)) or last
        return last

    def _stale(self, known: Set[str]) -> list[str]:
        """Ids of other chunks whose text was encoded with words unknown."""
        stale = StaleVectors(self._manifest, lambda: self._teacher)
        path, found = self._manifest.exact_path, list[str]()
        for part in _parts(self._collection.scan([*self._fields, path])):
            texts = {
                stored["_id"]: text
                for stored in part
                if stored["_id"] not in known and (text := _encoded_text(stored))
            }
            vectors = {s["_id"]: s[path] for s in part if s["_id"] in texts}
            found += stale.find(texts, vectors)
        return found

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded.close()

    @property
    def _manifest(self) -> Manifest:
        return self._collection.manifest

    def _judged(self, *, everything: bool) -> tuple[list[str], list[str], int]:
        """Ids of damaged chunks, ids of chunks beside a changed text, and how many texts fit
        their hash."""
        damaged, changed, matched = [], [], 0
        for stored in self._collection.scan([*self._fields, *self._manifest.vector_paths]):
            if not isinstance(stored.get("hash"), bytes):
                continue  # not a chunk of ours
            self._done.vectors += 1
            fits = _encoded_text(stored) is not None
            matched += fits
            is_sound = self._manifest.is_sound(stored)
            if everything or not is_sound or not _text_now(stored):
                damaged.append(stored["_id"])
            elif not fits:
                changed.append(stored["_id"])
        return damaged, changed, matched

    def _encode(self, ids: Sequence[str], *, changed_too: bool) -> str | None:
        found = {stored["_id"]: stored for stored in self._collection.scan(self._fields, ids)}
        texts = {id: text for id, stored in found.items() if (text := _encoded_text(stored))}
        if changed_too:
            rest = found.keys() - texts.keys()
            texts |= {id: text for id in rest if (text := _text_now(found[id]))}
        doubtful = [id for id in found if id not in texts]
        self._done.left += len(doubtful)
        self._collection.renew([found[i] for i in doubtful], [{"hash": _NO_HASH} for _ in doubtful])
        if not texts:
            return None
        rows = self._teacher.encode_documents(list(texts.values()))
        vectors = self._manifest.vectors_of(rows)
        self._done.encoded += self._collection.renew(
            [found[id] for id in texts],
            [
                {**stored, "hash": _of(found[id], text)}
                for (id, text), stored in zip(texts.items(), vectors, strict=True)
            ],
        )
        return str(list(texts)[-1])

    @property
    def _fields(self) -> list[str]:
        return ["document", "position", "text", "hash", self._manifest.title_field]

    @property
    def _teacher(self) -> Teacher:
        if self._loaded is None:
            seconds = self._collection.retries.seconds
            self._loaded = load_teacher(self._manifest, self._settings, retry_for=seconds)
        return self._loaded


def _repair_in_place(
    collection: InPlace, target: Target, rejects: Rejects, done: Repaired, everything: bool
) -> str | None:
    """The documents are the source: a faulty vector is treated like one of another text."""
    wrong = []
    for stored in collection.scan([*collection.manifest.vector_paths, f"{MARK}.hash"]):
        if MARK not in stored:
            continue
        done.vectors += 1
        if everything or not collection.manifest.is_sound(stored):
            wrong.append(stored["_id"])
    mongo = collection.mongo
    manifest = target.manifest
    fields = Fields("_id", manifest.text_fields, manifest.title_field)
    address = Address(mongo.database.name, mongo.name)
    source, read = (
        MongoSource(mongo.database.client, address, fields, retries=target.retries) for _ in "12"
    )
    source.begin(manifest)
    if not everything:
        read.begin(manifest)
        wrong += _stale_in_place(collection, target, read, set(map(repr, wrong)))
    sync = SourceSync(source, target, rejects, lambda summary: None, Stop(), ALL)
    for ids in _parts(wrong):
        collection.doubt(ids)
        sync.encode(ids)
    done.encoded += sync.summary.encoded
    done.unsettled += sync.unsettled
    return sync.summary.last_written


def _stale_in_place(
    collection: InPlace, target: Target, source: MongoSource, known: Set[str]
) -> list[Any]:
    """Ids of other documents whose text was encoded with words unknown; `known` by repr."""
    path, found = collection.manifest.exact_path, list[Any]()
    stale = StaleVectors(collection.manifest, lambda: target.teacher)
    marked = (s for s in collection.scan([path, f"{MARK}.hash"]) if MARK in s)
    for part in _parts(s for s in marked if repr(s["_id"]) not in known):
        stored = {str(id_to_text(each["_id"])): each for each in part}
        read = source.of_ids([each["_id"] for each in part])
        documents = [d for d in read if isinstance(d, Document) and d.id in stored]
        cut = target.chunker.split_many(documents)
        texts = {d.id: c.encoded_text for d, (c,) in zip(documents, cut, strict=True)}
        vectors = {id: stored[id][path] for id in texts}
        found += [stored[id]["_id"] for id in stale.find(texts, vectors)]
    return found


def _encoded_text(stored: Mapping[str, Any]) -> str | None:
    """The text that the vector was computed from, if it is stored; its hash proves it."""
    wanted, text = encoded_digest(_hash(stored)), stored.get("text")
    if not isinstance(text, str):
        return None
    return next((t for t in (text, _text_now(stored)) if digest(t.encode()) == wanted), None)


def _text_now(stored: Mapping[str, Any]) -> str:
    """The text that a chunk with this text and title would be encoded from."""
    text, title = stored.get("text"), (stored.get("metadata") or {}).get("title")
    title = title if isinstance(title, str) else ""
    return Chunk("", 0, text, title, {}).encoded_text if isinstance(text, str) else ""


def _hash(stored: Mapping[str, Any]) -> bytes:
    hash = stored.get("hash")
    return hash if isinstance(hash, bytes) else b""


def _of(stored: Mapping[str, Any], text: str) -> bytes:
    """The hash of another text with the same metadata."""
    encoded = digest(text.encode())
    return encoded + _hash(stored)[len(encoded) :]


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def run_repair(
    database: Database[Any],
    settings: Settings,
    rejects: Rejects,
    *,
    everything: bool,
    wait: float,
    retries: RetryBudget,
    as_json: bool,
) -> int:
    """Repair and print the result; returns how many documents were rejected."""
    console = Console(stderr=True)
    with console.status("connecting") if console.is_terminal else nullcontext() as status:
        done = repair(
            database,
            settings,
            rejects,
            everything=everything,
            seconds=wait,
            on_status=status.update if status else lambda text: None,
            retries=retries,
        )
    names: Names = {"database": database.name, "collection": settings.collection}
    if done.left:
        say(
            f"{counted(done.left, 'chunk was', 'chunks were')} encoded with a title or headings "
            f"that are not stored beside the text: {ingest_hint(**names)} encodes again"
        )
    if done.unsettled:
        say(f"{counted(done.unsettled, 'document')} changed during encoding; run this again")
    say_rejects(rejects)
    if as_json:
        print(json.dumps(vars(done)))
        return rejects.count
    undeclared = ""
    if done.undeclared:
        undeclared = f", undeclared the filter paths {', '.join(done.undeclared)}"
    indexes = counted(done.indexes, "search index", "search indexes")
    print(
        f"{database.name}.{settings.collection}: encoded {done.encoded:,} of {done.vectors:,} "
        f"vectors again; rebuilt {indexes}{undeclared}; "
        f"{hint('leaf-search doctor', **names)} checks the result"
    )
    return rejects.count
