"""One file through the reader of its format, as an ingest reads it."""

import io
from pathlib import Path
from typing import Any

from leafsearch.ingest import Document, Rejected
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers import read as read_format

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"


def read_all(raw: bytes, form: Any, id: str = "folder/file") -> list[Document | Rejected]:
    return list(read_format(io.BytesIO(raw), form, Whole("f", id, "folder"), Fields()))


def read_one(raw: bytes, form: Any, id: str = "folder/file") -> Document:
    (found,) = read_all(raw, form, id)
    assert isinstance(found, Document), found
    return found


def reason_of(raw: bytes, form: Any) -> str:
    (found,) = read_all(raw, form)
    assert isinstance(found, Rejected), found
    return found.reason
