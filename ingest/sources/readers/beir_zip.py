"""The zip in which a BEIR test collection is published: its documents, and nothing else of it."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.readers.compression import BUFFER, Buffered, Unpacked

DOCUMENTS = "corpus.jsonl"
_DAMAGE = (zipfile.BadZipFile, zlib.error)


@contextmanager
def zipped_documents(stream: BinaryIO) -> Iterator[Buffered]:
    """Unpacked while they are read. Raises SourceError."""
    try:
        packed = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise SourceError(f"is no zip, or a damaged one ({error})") from error
    with packed:
        names = [n for n in packed.namelist() if PurePosixPath(n).name == DOCUMENTS]
        if len(names) != 1:
            raise SourceError(
                f"a zip with {len(names)} files called {DOCUMENTS}; expected one, as in a BEIR "
                "test collection: unpack others"
            )
        try:
            member = packed.open(names[0])
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise SourceError(f"{names[0]} in it cannot be unpacked: {error}") from error
        with io.BufferedReader(Unpacked(member, "zip", *_DAMAGE), BUFFER) as documents:
            yield documents
