"""Commands in processes of their own, forked from one that has imported them already.

A new interpreter imports for a second, most of what some hundreds of commands cost.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess

from leafsearch.commands.leaf_ingest import main as leaf_ingest
from leafsearch.commands.leaf_search import main as leaf_search

_MAIN = {"leaf-ingest": leaf_ingest, "leaf-search": leaf_search}
_FORKING = get_context("forkserver")
# What is installed: the path of this file is not known there before Python 3.13.
_FORKING.set_forkserver_preload(
    [
        "leafsearch.ingest.cli.command",
        "leafsearch.search.command",
        "leafsearch.doctor.command",
        "leafsearch.vectors.encoders.hashing",
    ]
)
_STREAMS = (("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY))


def hear_interrupts() -> None:
    """A shell without job control lets what it starts in the background ignore Ctrl-C, and so would
    the commands that tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Command:
    """Running, in the present folder; `fed`, it reads what is written to `self.input`; in the
    `background` as of a shell without job control, it ignores Ctrl-C."""

    def __init__(
        self,
        *args: object,
        input: str | bytes | None = None,
        fed: bool = False,
        background: bool = False,
        environ: Mapping[str, str],
    ) -> None:
        self.args = [*map(str, args)]
        self._folder = Path(tempfile.mkdtemp(prefix="leaf-"))
        for name, _ in _STREAMS:
            (self._folder / name).touch()
        self.input = self._folder / "in"
        if fed:
            self.input.unlink()
            os.mkfifo(self.input)
        elif input:
            self.input.write_bytes(input if isinstance(input, bytes) else input.encode())
        reported = (self.args, dict(environ), os.getcwd(), self._folder, background)
        self._process = _FORKING.Process(target=_run, args=reported)
        self._process.start()
        self.has_closed = False  # ended, and what it said was handed out

    def ends_in(self, seconds: float) -> bool:
        self._process.join(seconds)
        return self._process.exitcode is not None

    @property
    def said(self) -> str:
        """On stderr, so far."""
        return (self._folder / "err").read_text()

    def ended(self, *, seconds: float = 300) -> "CompletedProcess[str]":
        assert self.ends_in(seconds), self.args
        return self._closed()

    def signal(self, number: int) -> None:
        """Nothing, if it has ended."""
        if not self.has_closed and self._process.exitcode is None:
            assert self._process.pid is not None
            os.kill(self._process.pid, number)

    def kill(self) -> "CompletedProcess[str]":
        self._process.kill()
        self._process.join()
        return self._closed()

    def _closed(self) -> "CompletedProcess[str]":
        code = self._process.exitcode
        assert code is not None
        self._process.close()
        self.has_closed = True
        out, err = ((self._folder / name).read_text() for name in ("out", "err"))
        shutil.rmtree(self._folder)
        return CompletedProcess(self.args, code, out, err)


def _run(
    args: list[str], environ: dict[str, str], folder: str, streams: Path, background: bool
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, (name, flags) in enumerate(_STREAMS):
        os.dup2(os.open(streams / name, flags), number)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has closed the one that was
    sys.argv = args
    _MAIN[args[0]]()
