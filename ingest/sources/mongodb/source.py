"""An existing MongoDB collection as a corpus, read in the order of its ids.

Fields keep their BSON types and their names: `year` becomes `metadata.year`, beside everything else
in the document.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from bson import Timestamp, json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.cursor import Cursor
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from leafsearch.config.text import quote
from leafsearch.ingest.document import KEPT, Document, Place, Records, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import (
    Fields,
    UnusableRecord,
    split_record,
    to_document,
)
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.vectors import Manifest, list_collection_types
from leafsearch.vectors.store import (
    FORBIDDEN_CODES,
    MARK,
    RetryBudget,
    find_manifest,
    is_encodable_id,
    is_own_change,
    uppermost_paths,
)

_TAKEN_APART = Fields("_id")
_BATCH = 500
_NOT_THEIRS = ("system.", "leaf_manifests", "leaf_writers", "leaf_positions", "leaf_transforms")
# The cursor was idle for too long, or died with its session or server.
_CURSOR_IS_GONE = {43, 136, 175, 237, 206}
# One document's bad date or string must not fail the others.
_TOLERANT: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)

Done = TypeVar("Done")


def read_document(
    stored: Mapping[str, Any], fields: Fields, source: str, left_out: Collection[str]
) -> Document | Rejected:
    """Everything but text and title becomes metadata; `left_out` are names of fields."""
    rest = {name: value for name, value in stored.items() if name not in left_out}
    place = Place(f"{source} _id {quote(stored['_id'])}")
    id = rest.pop("_id")
    try:
        parts = split_record(rest, fields)
        own = {"metadata": parts.rest} if parts.rest else {}
        record = {"_id": id, "text": parts.text, "title": parts.title, **own}
        made = to_document(record, _TAKEN_APART, place)
    except UnusableRecord as error:
        return Rejected(place, str(error), _shown(stored, left_out))
    # Unstripped, as it is stored, so that it compares equal to what is stored.
    title = "" if fields.has_title_in_text else parts.title
    return Document(made.id, made.text, title, made.metadata, place, source)


def _shown(stored: Mapping[str, Any], left_out: Collection[str]) -> str:
    """The document as Extended JSON, cut off if it is long."""
    some = {name: _short(v) for name, v in stored.items() if name not in left_out}
    return json_util.dumps(some, json_options=json_util.RELAXED_JSON_OPTIONS, default=str)[:KEPT]


def _short(value: Any) -> Any:
    return value[:KEPT] if isinstance(value, str | bytes) else value


class MongoSource:
    """A Corpus whose `size` and `bytes_read` count documents.

    `source` is the source name of its documents, by default its own name. `unusable` gathers the
    `_id`s of documents that cannot be encoded, each with the hash of the vector in place that it
    still has.
    """

    def __init__(
        self,
        client: MongoClient[Any],
        address: Address,
        fields: Fields,
        query: Mapping[str, Any] | None = None,
        retries: RetryBudget | None = None,
    ) -> None:
        self.paths = [address.shown]
        self.ignored: Counter[str] = Counter()
        self.bytes_read = 0
        self.name = self.source = address.namespace
        self.fields = fields
        self.query = dict(query or {})
        self.client = client
        self.collection = client[address.database].get_collection(
            address.collection, codec_options=_TOLERANT, read_concern=ReadConcern("majority")
        )
        self.address = address
        self.unusable: list[tuple[Any, bytes | None]] = []
        self._retries = retries or RetryBudget()
        self._in_place: Manifest | None = None
        self._left_out: tuple[str, ...] = ()

    def begin(self, manifest: Manifest) -> None:
        """Take over the target's manifest, which may name another text field.

        Raises SourceError if the collection does not exist.
        """
        self._require_collection()
        if manifest.layout == "in_place":
            self._in_place = manifest
            self.fields = Fields("_id", manifest.text_fields, manifest.title_field)
        if (ours := self._manifest()) is not None:
            marks = (MARK,) if ours.layout == "in_place" else ()
            self._left_out = (*ours.vector_paths, *marks)

    @property
    def names(self) -> list[str]:
        """Source names of its stored documents."""
        return [self.source]

    @property
    def retries(self) -> RetryBudget:
        return self._retries

    def size(self) -> int | None:
        return self._patiently(self.collection.estimated_document_count)

    def records(self) -> Records:
        """All documents; a lost cursor is reopened after the last document."""
        reading = _ResumingCursor(self)
        while batch := self._patiently(reading.batch):
            self.bytes_read += len(batch)
            yield from map(self._read, batch)

    def first(self, most: int) -> list[Document | Rejected]:
        """The first documents, before `begin`."""
        with self.explained():
            found = list(self.collection.find(self.query, limit=most))
        return [read_document(stored, self.fields, self.name, ()) for stored in found]

    def of_ids(self, ids: Iterable[Any], at: Timestamp | None = None) -> list[Document | Rejected]:
        """The documents with these `_id`s, as they are now, or after the time `at`."""
        wanted = list(ids)
        stored = self._patiently(lambda: self._find(wanted, at))
        return [self._read(document) for document in stored]

    def changed_by_us(self, names: Iterable[str]) -> bool:
        """Whether a change of these fields looks like the writing of a vector in place."""
        return self._in_place is not None and is_own_change(names, self._in_place)

    def explained(self) -> AbstractContextManager[None]:
        return self.address.explained()

    def find(self, **options: Any) -> Cursor[dict[str, Any]]:
        return self.collection.find(projection=self._projection(), **options)

    def _find(self, ids: list[Any], at: Timestamp | None) -> list[dict[str, Any]]:
        with self.client.start_session(causal_consistency=True) as session:
            if at is not None:
                session.advance_operation_time(at)
            wanted = {"$and": [{"_id": {"$in": ids}}, self.query]}
            return list(self.find(filter=wanted, session=session))

    def _projection(self) -> dict[str, Any] | None:
        """Only what is encoded and compared, for vectors in place; elsewhere all but our own
        vectors."""
        if self._in_place is not None:
            paths = uppermost_paths([*self.fields.texts, self.fields.title, f"{MARK}.hash"])
            return dict.fromkeys(paths, 1)
        return dict.fromkeys(self._left_out, 0) or None

    def _read(self, stored: dict[str, Any]) -> Document | Rejected:
        read = read_document(stored, self.fields, self.name, self._left_out)
        if isinstance(read, Rejected):
            mark = stored.get(MARK) if self._in_place is not None else None
            hash = mark.get("hash") if isinstance(mark, Mapping) else None
            if is_encodable_id(stored["_id"]):  # otherwise nothing is stored under it
                self.unusable.append((stored["_id"], hash))
        elif self.source != self.name:
            return replace(read, source=self.source)
        return read

    def _patiently(self, work: Callable[[], Done]) -> Done:
        with self.explained():
            return self._retries.run(work)

    def _manifest(self) -> Manifest | None:
        """The source's own manifest, if it holds vectors of ours; many users may not read one."""
        place = self.client[self.address.database], self.address.collection
        with self.explained():
            try:
                return self._retries.run(lambda: find_manifest(*place))
            except OperationFailure as error:
                if error.code not in FORBIDDEN_CODES:
                    raise
        return None

    def _require_collection(self) -> None:
        database = self.client[self.address.database]
        names = self._patiently(lambda: list_collection_types(database))
        if self.address.collection in names:
            return
        there = sorted(name for name in names if not name.startswith(_NOT_THEIRS))
        others = f"it has: {', '.join(there[:10])}" if there else "it has none"
        raise SourceError(
            f"{self.paths[0]}: no collection {quote(self.address.collection)} in database "
            f"{quote(self.address.database)} ({others}); nothing was written"
        )


class _ResumingCursor:
    """A pass over the collection, which knows how far it has come."""

    def __init__(self, source: MongoSource) -> None:
        self._source = source
        self._cursor: Cursor[dict[str, Any]] | None = None
        self._last: list[Any] = []  # nothing, or the _id of the last document

    def batch(self) -> list[dict[str, Any]]:
        """The next documents; none at the end."""
        try:
            return self._taken()
        except PyMongoError as error:
            self._cursor = None
            if getattr(error, "code", None) in _CURSOR_IS_GONE:
                return self._taken()
            raise

    def _taken(self) -> list[dict[str, Any]]:
        if self._cursor is None:
            self._cursor = self._source.find(
                filter=self._rest(), batch_size=_BATCH, sort=[("_id", 1)]
            )
        taken = list(islice(self._cursor, _BATCH))
        if taken:
            self._last = [taken[-1]["_id"]]
        return taken

    def _rest(self) -> dict[str, Any]:
        if not self._last:
            return self._source.query
        # Unlike {_id: {$gt: ...}}, this continues with ids of other types.
        behind = {"$expr": {"$gt": ["$_id", {"$literal": self._last[0]}]}}
        return {"$and": [behind, self._source.query]}
