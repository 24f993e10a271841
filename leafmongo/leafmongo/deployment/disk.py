"""Files that cannot be read or written, in words for the person whose disk or folder it is."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leafmongo.errors import LocalError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_FILES = _FULL | {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOENT, errno.ENOTDIR),
    *(errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EEXIST, errno.ENFILE, errno.EMFILE),
}
_MENDED_BY_RIGHTS = frozenset({errno.EACCES, errno.EPERM})
_MENDED_BY_ANOTHER_HOME = _MENDED_BY_RIGHTS | {
    *(errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP),
    errno.ENAMETOOLONG,
}
_LEAST_BYTES = 2**20  # with less, not even a log can be kept


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turns an OSError into a LocalError; see `explanation`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_FILES:
            raise
        raise LocalError(explanation(error, place)) from error


def explanation(error: OSError, place: Path | None = None) -> str:
    """`place` is named where the error names no file."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    if path is None:
        return (error.strerror or str(error)).lower()
    if is_about_room(error):
        return full(path)
    reason = (error.strerror or str(error)).lower()
    if error.errno not in _MENDED_BY_ANOTHER_HOME:
        return f"{path}: {reason}"
    rights = "Change its rights, or name" if error.errno in _MENDED_BY_RIGHTS else "Name"
    return (
        f"{path}: {reason}; expected a file or folder of yours that can be read and written. "
        f"{rights} another home with --home or LEAF_HOME"
    )


def is_about_room(error: OSError) -> bool:
    return error.errno in _FULL


def full(path: Path) -> str:
    return (
        f"{path}: the disk is full ({_free(path) / 1e6:.0f} MB free). Make room on it and do the "
        "same again: what was stored before is there"
    )


def is_full(folder: Path) -> bool:
    return _free(folder) < _LEAST_BYTES


def _free(path: Path) -> int:
    """Bytes for this user, on the disk where the path is or would be."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        return found.f_bavail * found.f_frsize
    return 0
