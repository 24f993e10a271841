"""Vectors inside the user's own documents, each beside the text that it encodes.

Two fields of a document are ours: the vector, and the mark `leaf`, which holds the hash of the
encoded text. No other field ever changes, and no document is ever inserted or deleted. A vector is
written only if the text is still the one that was encoded, so the two always match.

The pipeline sees each document as one chunk, at position 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import bson
from pymongo import UpdateMany, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure

from leafsearch.vectors.errors import DeploymentError
from leafsearch.vectors.field_path import BETWEEN_TEXTS
from leafsearch.vectors.store.bson_text import id_to_text, ids_from_text
from leafsearch.vectors.store.chunk import StoredChunk
from leafsearch.vectors.store.collection import (
    MOST_ALIKE,
    Collection,
    Operation,
    all_alike,
    is_found,
)
from leafsearch.vectors.store.indexes.pipelines import nearest_stage
from leafsearch.vectors.store.manifest import MARK, Manifest, StoredVectors
from leafsearch.vectors.store.retry import RetryBudget

MARK_HASH = f"{MARK}.hash"
_KEPT = ("hash", "version")
_EMPTY = 5  # bytes of a document without fields
_NOT_OURS = "it has a field {!r} or 'leaf' that leafsearch did not write; choose another --path"
HAS_MARK: dict[str, Any] = {MARK_HASH: {"$type": "binData"}}


class InPlace(Collection):
    """`outrun`: ids, as text, of documents whose text changed before their vector was written."""

    def create(self) -> None:
        for index in self.indexes:
            self._retry(index.ensure)

    def stored(self, documents: Sequence[str]) -> dict[str, StoredChunk]:
        """The documents with a vector, by the id of their only chunk."""
        found = {}
        for there in self._states(documents):
            if there["sound"] and (mark := _mark_of(there)):
                id = str(id_to_text(there["_id"]))
                found[self._chunk(id)] = StoredChunk(id, mark["hash"], mark.get("version"))
        return found

    def is_empty(self) -> bool:
        """Always False: the documents exist before their vectors."""
        return False

    def write(
        self,
        chunks: Iterable[Mapping[str, Any]],
        vectors: Iterable[StoredVectors],
        *,
        seen: Mapping[str, bytes | None] | None = None,
    ) -> dict[str, str]:
        """See Collection.write; ignores `seen`. A document whose text has changed is `outrun`."""
        wanted = {str(chunk["_id"]): chunk for chunk in chunks}
        keys = self._keys([chunk["document"] for chunk in wanted.values()])
        pairs = zip(wanted.items(), vectors, strict=True)
        operations: dict[str, Operation] = {}
        for (id, chunk), stored in pairs:
            if there := keys[chunk["document"]]:  # else it was deleted
                operations[id] = self._put(chunk, stored, there)
        rejected = self._bulk(operations)
        rejected |= self._check_written(
            [chunk for id, chunk in wanted.items() if id not in rejected]
        )
        # An old vector must not stay beside a text that it does not encode.
        self.withdraw([wanted[id]["document"] for id in rejected])
        return rejected

    def size_of(self, chunk: Mapping[str, Any], vectors: StoredVectors) -> int:
        """Bytes by which the document grows."""
        return len(bson.encode({**vectors, MARK: _mark(chunk)})) - _EMPTY

    def update(
        self, changes: Mapping[str, Mapping[str, Any]], *, seen: Mapping[str, bytes | None]
    ) -> dict[str, str]:
        """See Collection.update; sets only what the mark `leaf` keeps."""
        operations: dict[str, Operation] = {}
        for id, change in changes.items():
            ours = {f"{MARK}.{k}": v for k, v in change.items() if k in _KEPT}
            where = {"_id": {"$in": ids_from_text(self._document(id))}, MARK_HASH: seen[id]}
            if ours:
                operations[id] = UpdateMany(where, {"$set": ours})
        return self._bulk(operations)

    def missed(self, changes: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Empty: a document that is gone or has another vector needs no mark."""
        return set()

    def delete(self, ids: Sequence[str], *, versions: Iterable[int | None] = ()) -> int:
        """Remove vector and mark from the documents with these chunks; the documents stay."""
        return self.withdraw([self._document(id) for id in ids])

    def withdraw(self, documents: Sequence[str]) -> int:
        """Remove vector and mark from documents, by id as text; return how many had them."""
        ids = [id for document in documents for id in ids_from_text(document)]
        return self._withdraw_where({"_id": {"$in": ids}, **HAS_MARK}) if ids else 0

    def doubt(self, ids: Sequence[Any]) -> None:
        """Invalidate vectors, by the documents' own `_id`, so that they are encoded again."""
        ours = {"$set": {MARK_HASH: b""}, "$unset": {f"{MARK}.version": ""}}
        self._retry(lambda: self.mongo.update_many({"_id": {"$in": list(ids)}, **HAS_MARK}, ours))

    def withdraw_if(self, id: Any, hash: bytes) -> int:
        """Withdraw from one document by its own `_id`, unless it was encoded again meanwhile."""
        return self._withdraw_where({"_id": id, MARK_HASH: hash})

    def withdraw_unfound(
        self, query: Mapping[str, Any], documents: Sequence[str] | None = None
    ) -> int:
        """Withdraw from these documents, or all, that no longer match `query`."""
        if not query or documents == []:
            return 0  # the empty query matches all
        where = dict(HAS_MARK)
        if documents is not None:
            where["_id"] = {"$in": [id for name in documents for id in ids_from_text(name)]}
        try:
            return self._withdraw_where({"$nor": [dict(query)], **where})
        except DeploymentError as error:
            rejected = isinstance(error.__cause__, OperationFailure) and error.__cause__.code == 2
            if not rejected or documents is None:
                raise
            return self._withdraw_where(where)  # some operators, such as $text, cannot be negated

    def count(self) -> int:
        """Estimated documents, with or without a vector: telling them apart would need a scan."""
        return self._retry(self.mongo.estimated_document_count)

    def _withdraw_where(self, where: Mapping[str, Any]) -> int:
        ours = {"$unset": dict.fromkeys((*self.manifest.vector_paths, MARK), "")}
        return self._run_write(lambda: self.mongo.update_many(where, ours).modified_count)

    def _put(
        self, chunk: Mapping[str, Any], vectors: StoredVectors, keys: Sequence[Any]
    ) -> UpdateOne:
        manifest, title = self.manifest, chunk["title"]
        where = {
            # In a sharded collection, updating one document needs its exact _id.
            "_id": keys[0] if len(keys) == 1 else {"$in": list(keys)},
            **_holds_text(manifest, chunk["text"]),
            "$or": [
                HAS_MARK,
                {path: {"$exists": False} for path in (*manifest.vector_paths, MARK)},
            ],
        }
        if manifest.title_field not in manifest.text_fields:
            where[manifest.title_field] = title if title else {"$in": [None, ""]}
        return UpdateOne(where, {"$set": {**vectors, MARK: _mark(chunk)}})

    def _check_written(self, chunks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Ids and reasons where the fields are not ours; a changed text makes it `outrun`."""
        wanted = {chunk["document"]: chunk for chunk in chunks}
        rejected, written, left = {}, set(), set()
        for there in self._states(list(wanted)):
            id = str(id_to_text(there["_id"]))
            mark, chunk = _mark_of(there), wanted[id]
            if mark is not None and mark["hash"] == chunk["hash"]:
                written.add(id)
            elif mark is None and (MARK in there or there["kind"] != "missing"):
                rejected[str(chunk["_id"])] = _NOT_OURS.format(self.manifest.path)
            else:
                left.add(id)
        self.outrun |= left - written  # two documents may have the same id as text
        return rejected

    def _keys(self, documents: Sequence[str]) -> dict[str, list[Any]]:
        """The existing `_id`s, by their text."""
        found: dict[str, list[Any]] = {document: [] for document in documents}
        for there in self._states(documents):
            found[str(id_to_text(there["_id"]))].append(there["_id"])
        return found

    def _states(self, documents: Sequence[str]) -> list[dict[str, Any]]:
        """The marks of documents by id, with the type at the vector's path as `kind`."""
        ids = [id for document in documents for id in ids_from_text(document)]
        kind = {"$type": f"${self.manifest.path}"}
        fields = {MARK: 1, "kind": kind, "sound": self._is_sound}
        found = self._retry(lambda: list(self._settled.find({"_id": {"$in": ids}}, fields)))
        return [there for there in found if id_to_text(there["_id"]) is not None]

    def _chunk(self, document: str) -> str:
        return self.manifest.stored_id(f"{document}#0")

    def _document(self, chunk: str) -> str:
        return chunk.rpartition("#")[0]

    def _any_chunk(self) -> str | None:
        found = self._retry(lambda: self.mongo.find_one(HAS_MARK, {"_id": 1}))
        return self._chunk(str(id_to_text(found["_id"]))) if found else None

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
            # If another run has replaced or removed it, there is nothing to wait for.
            there = {"_id": stored["_id"], MARK_HASH: mark["hash"]}
            return all_alike(hits) or self.mongo.find_one(there) is None

        return is_found(lambda: self.retries.run(found), seconds=seconds)


def _holds_text(manifest: Manifest, text: str) -> dict[str, Any]:
    """A filter for documents whose text is still this one."""
    paths = manifest.text_fields
    if len(paths) == 1 and "." not in paths[0]:
        return {paths[0]: text}
    values: list[Any] = []
    for path in paths:
        value: Any = [f"${path}"]
        for _ in path.split("."):  # each level may be an array
            value = _flattened(value)
        values.append(value)
    strings = {
        "$filter": {
            "input": {"$concatArrays": values},
            "cond": {"$and": [{"$eq": [{"$type": "$$this"}, "string"]}, {"$ne": ["$$this", ""]}]},
        }
    }
    between = {"$cond": [{"$eq": ["$$value", ""]}, "", {"$literal": BETWEEN_TEXTS}]}
    joined = {"$concat": ["$$value", between, "$$this"]}
    whole = {"$reduce": {"input": strings, "initialValue": "", "in": joined}}
    return {"$expr": {"$eq": [whole, {"$literal": text}]}}


def _flattened(array: Any) -> dict[str, Any]:
    inner = {"$cond": [{"$isArray": "$$this"}, "$$this", ["$$this"]]}
    joined = {"$concatArrays": ["$$value", inner]}
    return {"$reduce": {"input": array, "initialValue": [], "in": joined}}


def is_own_change(names: Iterable[str], manifest: Manifest) -> bool:
    """Whether a change of these fields is our own: the mark, with or without the vector."""
    tops = {name.partition(".")[0] for name in names}
    return MARK in tops and tops <= {MARK, *manifest.vector_paths}


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
