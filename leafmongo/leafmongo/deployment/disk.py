"""Explains files that cannot be read or written to the owner of the disk or folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leafmongo.errors import LocalError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FILE_ERRORS = _FULL | {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOENT, errno.ENOTDIR),
    *(errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EEXIST, errno.ENFILE, errno.EMFILE),
}
_FIXED_BY_RIGHTS = frozenset({errno.EACCES, errno.EPERM})
_FIXED_BY_ANOTHER_HOME = _FIXED_BY_RIGHTS | {
    *(errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP),
    errno.ENAMETOOLONG,
}
_MIN_BYTES = 2**20  # with less, not even a log can be written


@contextmanager
def explain_os_errors(place: Path) -> Iterator[None]:
    """Turn an OSError into a LocalError with an explanation."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FILE_ERRORS:
            raise
        raise LocalError(explain(error, place)) from error


def explain(error: OSError, place: Path | None = None) -> str:
    """The error in a line; `place` is named if the error names no file."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    if path is None:
        return (error.strerror or str(error)).lower()
    if is_full_disk(error):
        return explain_full_disk(path)
    reason = (error.strerror or str(error)).lower()
    if error.errno not in _FIXED_BY_ANOTHER_HOME:
        return f"{path}: {reason}"
    rights = "Change its rights, or name" if error.errno in _FIXED_BY_RIGHTS else "Name"
    return (
        f"{path}: {reason}; expected a file or folder that you own and can read and write. "
        f"{rights} another home with --home or LEAF_HOME"
    )


def is_full_disk(error: OSError) -> bool:
    return error.errno in _FULL


def explain_full_disk(path: Path) -> str:
    return (
        f"{path}: the disk is full ({_free(path) / 1e6:.0f} MB free). Make room on it and "
        "retry; stored data is not lost"
    )


def has_no_room(folder: Path) -> bool:
    return _free(folder) < _MIN_BYTES


def _free(path: Path) -> int:
    """Bytes available to this user on the disk where the path is or would be."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        return found.f_bavail * found.f_frsize
    return 0
