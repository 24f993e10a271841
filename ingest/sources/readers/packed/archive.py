"""Archives: zip and tar, member by member, nothing of them on the disk.

`entries` yields what an archive holds in its own order. Names are cleaned, so that none leads out
of the archive; links are not followed. Bounds stop archives that are made to fill a machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.formats import HIDDEN
from leafsearch.ingest.sources.readers.packed.compression import Buffered

_GIB = 2**30


class ArchiveError(SourceError):
    """An archive cannot be read on from here."""


@dataclass(frozen=True)
class Bounds:
    """What an archive may hold. One that unpacks to more than `free` bytes may do so to no more
    than `ratio` times its packed size; `directory` bounds the list of members of a zip, in
    bytes."""

    unpacked: int = 1024 * _GIB
    free: int = 4 * _GIB
    ratio: int = 100
    members: int = 1_000_000
    directory: int = 64 * 2**20


class Meter:
    """Counts what is unpacked. `packed` returns the packed bytes that it comes from."""

    def __init__(self, bounds: Bounds, packed: Callable[[], int]) -> None:
        self._bounds = bounds
        self._packed = packed
        self._unpacked = self._members = 0

    def add(self, unpacked: int) -> None:
        """Raises ArchiveError."""
        self._unpacked += unpacked
        if self._unpacked > self._bounds.unpacked:
            raise ArchiveError(
                f"unpacks to more than {_size(self._bounds.unpacked)}, the most that is read of an "
                "archive; split it, or unpack it and give the folder"
            )
        if self._unpacked > self._bounds.free:
            packed = self._packed()
            if self._unpacked > self._bounds.ratio * max(packed, 1):
                raise ArchiveError(
                    f"unpacks to more than {_size(self._bounds.free)} and {self._bounds.ratio} "
                    f"times its packed size ({packed:,} bytes), as archives do that are made to "
                    "fill a disk; if it is meant, unpack it and give the folder"
                )

    def count(self) -> None:
        """Raises ArchiveError."""
        self._members += 1
        if self._members > self._bounds.members:
            raise ArchiveError(
                f"has more than {self._bounds.members:,} members, the most that is read of an "
                "archive; split it, or unpack it and give the folder"
            )


@dataclass(frozen=True)
class Entry:
    """A file of an archive; `name` is its path with slashes. `problem`: why it cannot be opened.
    `is_other`: a link, device or pipe. It is opened before the next entry is asked for, if at
    all."""

    name: str
    open: Callable[[], Buffered]
    problem: str = ""
    is_other: bool = False


Entries = Iterator[Entry]


def clean_name(name: str) -> str:
    """A relative path without `..`; `C:\\a\\b.txt` becomes `C:/a/b.txt`."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def is_hidden(name: str) -> bool:
    """Whether a path is hidden, or one of those in which macOS keeps what a zip has no place
    for."""
    return any(part.startswith(HIDDEN) or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _size(number: int) -> str:
    return f"{number / _GIB:g} GiB" if number >= _GIB else f"{number:,} bytes"
