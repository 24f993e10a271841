"""Vectors inside documents that somebody else owns, one beside the text that it was made of.

Two fields of a document are ours: the vector, and `leaf`, which holds the hash of what was encoded.
Nothing else is ever changed, and no document is ever made or removed. A vector is written only if
the text is still the one that was encoded, so it never stands beside another.

To those who write, a document here is one chunk, at position 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import bson
from bson.binary import Binary
from pymongo import UpdateMany, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure

from leafsearch.vectors.errors import DeploymentError
from leafsearch.vectors.store.bson_text import id_to_text, ids_from_text
from leafsearch.vectors.store.chunk import StoredChunk
from leafsearch.vectors.store.collection import (
    MOST_ALIKE,
    Collection,
    Operation,
    all_alike,
    is_found,
)
from leafsearch.vectors.store.manifest import Manifest
from leafsearch.vectors.store.pipelines import nearest_stage
from leafsearch.vectors.store.retry import RetryBudget

MARK = "leaf"
MARK_HASH = f"{MARK}.hash"
_KEPT = ("hash", "version")
_EMPTY = 5  # bytes of a document without fields
_NOT_OURS = "it has a field {!r} or 'leaf' that leafsearch did not write; choose another --path"
HAS_MARK: dict[str, Any] = {MARK_HASH: {"$type": "binData"}}


class InPlace(Collection):
    """`outrun`: ids, as text, of documents whose text was changed before their vector came."""

    def create(self) -> None:
        for index in self.indexes:
            self._retry(index.ensure)

    def stored(self, documents: Sequence[str]) -> dict[str, StoredChunk]:
        """Of those that have a vector, by the id of their only chunk."""
        found = {}
        for there in self._states(documents):
            if there["sound"] and (mark := _mark_of(there)):
                id = str(id_to_text(there["_id"]))
                found[self._chunk(id)] = StoredChunk(id, mark["hash"], mark.get("version"))
        return found

    def is_empty(self) -> bool:
        """Never, since the documents are there before their vectors."""
        return False

    def write(
        self,
        chunks: Iterable[Mapping[str, Any]],
        vectors: Iterable[Binary],
        *,
        seen: Mapping[str, bytes | None] | None = None,
    ) -> dict[str, str]:
        """As Collection.write, whatever was `seen`; a document whose text is another now is left
        for `outrun`."""
        wanted = {str(chunk["_id"]): chunk for chunk in chunks}
        keys = self._keys([chunk["document"] for chunk in wanted.values()])
        pairs = zip(wanted.items(), vectors, strict=True)
        operations: dict[str, Operation] = {}
        for (id, chunk), vector in pairs:
            if there := keys[chunk["document"]]:  # it may be gone
                operations[id] = self._put(chunk, vector, there)
        refused = self._bulk(operations)
        refused |= self._missed([chunk for id, chunk in wanted.items() if id not in refused])
        # An old vector must not stay beside a text that it was not made of.
        self.withdraw([wanted[id]["document"] for id in refused])
        return refused

    def size_of(self, chunk: Mapping[str, Any], vector: Binary) -> int:
        """By which the document with its text grows."""
        return len(bson.encode({self.manifest.path: vector, MARK: _mark(chunk)})) - _EMPTY

    def update(
        self, changes: Mapping[str, Mapping[str, Any]], *, seen: Mapping[str, bytes | None]
    ) -> dict[str, str]:
        """Only what is kept in `leaf`."""
        operations: dict[str, Operation] = {}
        for id, change in changes.items():
            ours = {f"{MARK}.{k}": v for k, v in change.items() if k in _KEPT}
            where = {"_id": {"$in": ids_from_text(self._document(id))}, MARK_HASH: seen[id]}
            if ours:
                operations[id] = UpdateMany(where, {"$set": ours})
        return self._bulk(operations)

    def missed(self, changes: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """None: what is not there any more, or has another vector, needs no such mark either."""
        return set()

    def delete(self, ids: Sequence[str], *, versions: Iterable[int | None] = ()) -> int:
        """What is ours, out of the documents with these chunks; they themselves stay."""
        return self.withdraw([self._document(id) for id in ids])

    def withdraw(self, documents: Sequence[str]) -> int:
        """Take vector and mark out of documents, by id as text; how many had them."""
        ids = [id for document in documents for id in ids_from_text(document)]
        return self._take_out({"_id": {"$in": ids}, **HAS_MARK}) if ids else 0

    def doubt(self, ids: Sequence[Any]) -> None:
        """Documents by their own `_id`: what they have is taken for the vector of another text."""
        ours = {"$set": {MARK_HASH: b""}, "$unset": {f"{MARK}.version": ""}}
        self._retry(lambda: self.mongo.update_many({"_id": {"$in": list(ids)}, **HAS_MARK}, ours))

    def withdraw_if(self, id: Any, hash: bytes) -> int:
        """The same of one document by its own `_id`, if it has not been encoded anew meanwhile."""
        return self._take_out({"_id": id, MARK_HASH: hash})

    def withdraw_unfound(
        self, query: Mapping[str, Any], documents: Sequence[str] | None = None
    ) -> int:
        """The same of these documents, or all, as far as `query` does not find them now."""
        if not query or documents == []:
            return 0  # the empty one finds all
        where = dict(HAS_MARK)
        if documents is not None:
            where["_id"] = {"$in": [id for name in documents for id in ids_from_text(name)]}
        try:
            return self._take_out({"$nor": [dict(query)], **where})
        except DeploymentError as error:
            refused = isinstance(error.__cause__, OperationFailure) and error.__cause__.code == 2
            if not refused or documents is None:
                raise
            return self._take_out(where)  # some operators, like $text, cannot be negated

    def count(self) -> int:
        """Documents, with a vector or without: to tell these apart all would have to be read."""
        return self._retry(self.mongo.estimated_document_count)

    def _take_out(self, where: Mapping[str, Any]) -> int:
        ours = {"$unset": {self.manifest.path: "", MARK: ""}}
        return self._changing(lambda: self.mongo.update_many(where, ours).modified_count)

    def _put(self, chunk: Mapping[str, Any], vector: Binary, keys: Sequence[Any]) -> UpdateOne:
        manifest, title = self.manifest, chunk["title"]
        where = {
            # Of a sharded collection, one document is updated by its very _id only.
            "_id": keys[0] if len(keys) == 1 else {"$in": list(keys)},
            manifest.text_field: chunk["text"],
            manifest.title_field: title if title else {"$in": [None, ""]},
            "$or": [HAS_MARK, {manifest.path: {"$exists": False}, MARK: {"$exists": False}}],
        }
        return UpdateOne(where, {"$set": {manifest.path: vector, MARK: _mark(chunk)}})

    def _missed(self, chunks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Ids and reasons where the fields are somebody else's; whose text changed is `outrun`."""
        wanted = {chunk["document"]: chunk for chunk in chunks}
        refused, written, left = {}, set(), set()
        for there in self._states(list(wanted)):
            id = str(id_to_text(there["_id"]))
            mark, chunk = _mark_of(there), wanted[id]
            if mark is not None and mark["hash"] == chunk["hash"]:
                written.add(id)
            elif mark is None and (MARK in there or there["kind"] != "missing"):
                refused[str(chunk["_id"])] = _NOT_OURS.format(self.manifest.path)
            else:
                left.add(id)
        self.outrun |= left - written  # an id as text may be that of two documents
        return refused

    def _keys(self, documents: Sequence[str]) -> dict[str, list[Any]]:
        """The `_id`s that there are, by what they read as."""
        found: dict[str, list[Any]] = {document: [] for document in documents}
        for there in self._states(documents):
            found[str(id_to_text(there["_id"]))].append(there["_id"])
        return found

    def _states(self, documents: Sequence[str]) -> list[dict[str, Any]]:
        """Marks, and as `kind` the type of what is where vectors are, of documents by id."""
        ids = [id for document in documents for id in ids_from_text(document)]
        kind = {"$type": f"${self.manifest.path}"}
        fields = {MARK: 1, "kind": kind, "sound": self._is_sound}
        found = self._retry(lambda: list(self._settled.find({"_id": {"$in": ids}}, fields)))
        return [there for there in found if id_to_text(there["_id"]) is not None]

    def _chunk(self, document: str) -> str:
        return self.manifest.stored_id(f"{document}#0")

    def _document(self, chunk: str) -> str:
        return chunk.rpartition("#")[0]

    def _finds(self, chunk: str, *, seconds: float) -> bool:
        wanted = {"_id": {"$in": ids_from_text(self._document(chunk))}, **HAS_MARK}
        ours = {self.manifest.path: 1, MARK: 1}
        stored = self._retry(lambda: self.mongo.find_one(wanted, ours))
        if stored is None or self.manifest.path not in stored:
            return True
        nearest = nearest_stage(
            stored[self.manifest.path],
            index=self.manifest.index,
            path=self.manifest.path,
            limit=MOST_ALIKE,
            num_candidates=None,
        )
        pipeline = [nearest, {"$project": {MARK_HASH: 1, "score": {"$meta": "vectorSearchScore"}}}]
        mark = {"hash": stored[MARK]["hash"]}

        def found() -> bool:
            hits = list(self.mongo.aggregate(pipeline))
            if any(hit["_id"] == stored["_id"] and _mark_of(hit) == mark for hit in hits):
                return True
            # Where another run has replaced or removed it, there is nothing to wait for.
            there = {"_id": stored["_id"], MARK_HASH: mark["hash"]}
            return all_alike(hits) or self.mongo.find_one(there) is None

        return is_found(lambda: self.retries.run(found), seconds=seconds)


def is_own_change(names: Iterable[str], manifest: Manifest) -> bool:
    """Whether a change of these fields is one that this store makes: the mark, and its vector."""
    tops = {name.partition(".")[0] for name in names}
    return MARK in tops and tops <= {MARK, manifest.path}


def _mark(chunk: Mapping[str, Any]) -> dict[str, Any]:
    return {k: chunk[k] for k in _KEPT if k in chunk} | dict(chunk["metadata"])


def _mark_of(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    mark = document.get(MARK)
    ours = isinstance(mark, Mapping) and isinstance(mark.get("hash"), bytes)
    return mark if ours else None


def collection_of(
    mongo: MongoCollection[Any], manifest: Manifest, retries: RetryBudget | None = None
) -> Collection:
    if manifest.layout == "in_place":
        return InPlace(mongo, manifest, retries)
    return Collection(mongo, manifest, retries)
