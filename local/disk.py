"""Files that cannot be read or written, in words for the person whose disk or folder it is."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_FILES = _FULL | {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOENT, errno.ENOTDIR),
    *(errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EEXIST, errno.ENFILE, errno.EMFILE),
}
_LEAST_BYTES = 2**20  # with less, not even a log can be kept


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turns an OSError into a LocalError; `place` is named where the error names no file."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_FILES:
            raise
        raise LocalError(explanation(error, place)) from error


def explanation(error: OSError, place: Path) -> str:
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    if is_about_room(error):
        return full(path)
    reason = (error.strerror or str(error)).lower()
    if error.errno not in _OF_FILES:
        return f"{path}: {reason}"
    return (
        f"{path}: {reason}; expected a file or folder of yours that can be read and written. "
        "Change its rights, or name another home with --home or LEAF_HOME"
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
