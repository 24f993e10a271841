"""Index definitions, kept in mongod itself, and what becomes of them when collections change."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import Binary, ObjectId
from pymongo import MongoClient
from pymongo.command_cursor import CommandCursor

from leafmongo.proxy.wire import LENIENT

DATABASE = "__leaf_search"
COLLECTION = "indexes"
_SYSTEM = frozenset({"admin", "local", "config", DATABASE})


@dataclass(frozen=True)
class Record:
    """One index as its user defined it. `uuid` is the collection's: it survives a rename."""

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
    """The stored records. Its writes are durable when they return."""

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._records = client[DATABASE][COLLECTION]

    def load(self) -> list[Record]:
        """All whose collection still exists, under its name of today; others are forgotten."""
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
        """None when there is no such collection; views have none either."""
        if database in _SYSTEM:
            return None
        found = self._collections(database, filter={"name": collection})
        return next((entry["info"].get("uuid") for entry in found), None)

    def add(self, records: Sequence[Record]) -> None:
        """All of them or, if mongod refuses one, none."""
        documents = [_document(record) for record in records]
        if documents:
            with self._client.start_session() as session, session.start_transaction():
                self._records.insert_many(documents, session=session)

    def put(self, record: Record) -> None:
        self._records.replace_one({"_id": record.id}, _document(record), upsert=True)

    def remove(self, record: Record) -> None:
        self._records.delete_one({"_id": record.id})

    def _names(self, database: str) -> dict[bytes, str]:
        listed = self._collections(database)
        return {bytes(c["info"]["uuid"]): c["name"] for c in listed if "uuid" in c["info"]}

    def _collections(self, database: str, **options: Any) -> CommandCursor[dict[str, Any]]:
        """Names, and what else a collection is made with, may be any bytes: PyMongo's own
        list_collections wants UTF-8."""
        lenient = self._client.get_database(database, codec_options=LENIENT)
        return lenient.cursor_command("listCollections", codec_options=LENIENT, **options)


def _document(record: Record) -> dict[str, Any]:
    fields = {key: value for key, value in vars(record).items() if key != "id"}
    return {"_id": record.id, **fields}


def _record(document: Mapping[str, Any]) -> Record:
    fields = {key: value for key, value in document.items() if key != "_id"}
    return Record(id=document["_id"], **fields)
