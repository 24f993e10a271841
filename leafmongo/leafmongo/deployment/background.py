"""Starts the server as a process of its own, which outlives the one that started it."""

import logging
import logging.handlers
import os
import subprocess
import sys
from pathlib import Path

from leafmongo.deployment import disk
from leafmongo.deployment.mongod_binary import named_mongod
from leafmongo.deployment.paths import Home
from leafmongo.errors import LocalError

_READY = b"ready"
_LOG_BYTES, _LOG_FILES = 4 * 2**20, 3


def launch(home: Home, port: int | None, *, seconds: float) -> None:
    """Return when the deployment answers; raise with its own words when it does not start."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "leafmongo", "_serve", str(home.root), str(writing)]
    if port is not None:
        command += ["--port", str(port)]
    with open(home.log / "gateway.err", "wb") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[writing],
            start_new_session=True,
            cwd=home.root,  # keeps no folder of the caller's busy
            env=_environment(),
        )
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()  # ends when the server has said what it has to say, or has died
    if told == _READY:
        # A child of ours that ends later must not stay a zombie, nor warn that it was left.
        process.returncode = 0
        return
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()  # it has given up and said why, but does not end
        process.wait()
    crashed = (home.log / "gateway.err").read_text("utf-8", "replace").strip().splitlines()
    raise LocalError(
        told.decode("utf-8", "replace")
        or f"the gateway ended at once ({crashed[-1] if crashed else 'without a word'}); "
        f"its log is {home.log / 'gateway.log'}"
    )


def serve_in_background(home: Home, pipe: int, port: int | None) -> None:
    """What the launched process does; `pipe` is where its starter listens."""
    from leafmongo.deployment.server import serve  # a launch needs none of the engine

    def tell(word: bytes) -> None:
        os.write(pipe, word)
        os.close(pipe)

    ready = False

    def is_ready() -> None:
        nonlocal ready
        ready = True
        tell(_READY)

    try:
        with disk.explained(home.root):
            _log_to(home.log / "gateway.log")
        serve(home, port, is_ready)
    except Exception as error:
        known = isinstance(error, LocalError)
        cause = error.__cause__
        odd = not known or (isinstance(cause, OSError) and not disk.is_about_room(cause))
        logging.getLogger(__name__).error("the gateway ended: %s", error, exc_info=odd)
        if not ready:
            tell((str(error) if known else f"{type(error).__name__}: {error}").encode())
        sys.exit(1)


def _environment() -> dict[str, str]:
    """Ours, with the mongod of this folder's `.env`, and with what this process imports from: it
    need not be installed."""
    here = str(Path(__file__).resolve().parent.parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    mongod = {"LEAF_MONGOD": str(named)} if (named := named_mongod()) else {}
    return {**os.environ, **mongod, "PYTHONPATH": os.pathsep.join(paths)}


def _log_to(file: Path) -> None:
    os.umask(0o077)
    handler = logging.handlers.RotatingFileHandler(
        file, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # of a log on a full disk nothing more can be said
