"""Starts the server as a process of its own, which outlives the process that starts it."""

import logging
import logging.handlers
import os
import subprocess
import sys
from pathlib import Path

from leafmongo.deployment import disk
from leafmongo.deployment.mongod_binary import chosen_mongod
from leafmongo.deployment.paths import Home
from leafmongo.errors import LocalError

_READY = b"ready"
_LOG_BYTES, _LOG_FILES = 4 * 2**20, 3


def launch(home: Home, port: int | None, *, like: str, seconds: float) -> None:
    """Return when the deployment answers; raise with the server's own message if it fails."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "leafmongo", "_serve", str(home.root), str(writing)]
    if port is not None:
        command += ["--port", str(port)]
    command += ["--like", like]
    with open(home.log / "gateway.err", "wb") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[writing],
            start_new_session=True,
            cwd=home.root,  # keeps none of the caller's folders in use
            env=_environment(),
        )
    os.close(writing)
    with open(reading, "rb") as pipe:
        message = pipe.read()  # ends when the server has reported or died
    if message == _READY:
        # The child outlives this object, which must not warn about that.
        process.returncode = 0
        return
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()  # it has reported its failure but does not end
        process.wait()
    crashed = (home.log / "gateway.err").read_text("utf-8", "replace").strip().splitlines()
    raise LocalError(
        message.decode("utf-8", "replace")
        or f"the gateway ended at once ({crashed[-1] if crashed else 'without a message'}); "
        f"its log is {home.log / 'gateway.log'}"
    )


def serve_in_background(home: Home, pipe: int, port: int | None, like: str) -> None:
    """Serve, and report to the launching process through `pipe`."""
    from leafmongo.deployment.server import serve  # a launch needs none of the engine

    def report(word: bytes) -> None:
        os.write(pipe, word)
        os.close(pipe)

    ready = False

    def on_ready() -> None:
        nonlocal ready
        ready = True
        report(_READY)

    try:
        with disk.explain_os_errors(home.root):
            _log_to(home.log / "gateway.log")
        serve(home, port, on_ready, like)
    except Exception as error:
        expected = isinstance(error, LocalError)
        cause = error.__cause__
        unexpected = not expected or (isinstance(cause, OSError) and not disk.is_full_disk(cause))
        logging.getLogger(__name__).error("the gateway ended: %s", error, exc_info=unexpected)
        if not ready:
            report((str(error) if expected else f"{type(error).__name__}: {error}").encode())
        sys.exit(1)


def _environment() -> dict[str, str]:
    """This process's environment, with LEAF_MONGOD from `.env`, and the path of this package, which
    need not be installed."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    mongod = {"LEAF_MONGOD": str(chosen)} if (chosen := chosen_mongod()) else {}
    return {**os.environ, **mongod, "PYTHONPATH": os.pathsep.join(paths)}


def _log_to(file: Path) -> None:
    os.umask(0o077)
    handler = logging.handlers.RotatingFileHandler(
        file, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a log on a full disk cannot report that
