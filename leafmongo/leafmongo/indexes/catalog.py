"""Stores the index definitions in mongod itself, and keeps them in step with the collections."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import Binary, ObjectId
from pymongo import MongoClient
from pymongo.command_cursor import CommandCursor

from leafmongo.proxy.wire import LENIENT

Client = MongoClient[dict[str, Any]]
DATABASE = "__leaf_search"
COLLECTION = "indexes"
_SYSTEM = frozenset({"admin", "local", "config", DATABASE})


@dataclass(frozen=True)
class IndexRecord:
    """An index as its user defined it. `uuid` is that of the collection and survives a rename."""

    id: ObjectId
    database: str
    collection: str
    uuid: Binary
    name: str
    type: str
    definition: Mapping[str, Any]
    version: int
    created: dt.datetime

    @property
    def namespace(self) -> tuple[str, str]:
        return self.database, self.collection


class Catalog:
    """The stored definitions. Writes are durable when they return."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._records = client[DATABASE][COLLECTION]

    def load(self) -> list[IndexRecord]:
        """Definitions with the current names of their collections; delete those without one."""
        stored = [_record(document) for document in self._records.find()]
        names = {db: self._names(db) for db in {record.database for record in stored}}
        kept = []
        for record in stored:
            name = names[record.database].get(bytes(record.uuid))
            if name is None:
                self._records.delete_one({"_id": record.id})
            elif name != record.collection:
                self._records.update_one({"_id": record.id}, {"$set": {"collection": name}})
                kept.append(replace(record, collection=name))
            else:
                kept.append(record)
        return kept

    def uuid_of(self, database: str, collection: str) -> Binary | None:
        """None if the collection does not exist or is a view."""
        if database in _SYSTEM:
            return None
        found = self._collections(database, filter={"name": collection})
        return next((entry["info"].get("uuid") for entry in found), None)

    def add(self, records: Sequence[IndexRecord]) -> None:
        """Store all records atomically."""
        documents = [_document(record) for record in records]
        if documents:
            with self._client.start_session() as session, session.start_transaction():
                self._records.insert_many(documents, session=session)

    def put(self, record: IndexRecord) -> None:
        self._records.replace_one({"_id": record.id}, _document(record), upsert=True)

    def remove(self, record: IndexRecord) -> None:
        self._records.delete_one({"_id": record.id})

    def _names(self, database: str) -> dict[bytes, str]:
        listed = self._collections(database)
        return {bytes(c["info"]["uuid"]): c["name"] for c in listed if "uuid" in c["info"]}

    def _collections(self, database: str, **options: Any) -> CommandCursor[dict[str, Any]]:
        """List collections, whose names and options may be any bytes; PyMongo's own
        list_collections requires UTF-8."""
        lenient = self._client.get_database(database, codec_options=LENIENT)
        return lenient.cursor_command("listCollections", codec_options=LENIENT, **options)


def _document(record: IndexRecord) -> dict[str, Any]:
    fields = {key: value for key, value in vars(record).items() if key != "id"}
    return {"_id": record.id, **fields}


def _record(document: Mapping[str, Any]) -> IndexRecord:
    fields = {key: value for key, value in document.items() if key != "_id"}
    return IndexRecord(id=document["_id"], **fields)
